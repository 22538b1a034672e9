"""What our signed notes say: a checkpoint of a log, or that one key follows another."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from aion_service.audit.signed_note import SignerKey, VerifierKey, open_note, sign_note
from aion_store.errors import ConfigurationError
from aion_store.log.verification import ChainPoint

CHECKPOINT: Final = "aion-store checkpoint 1"
ROTATION: Final = "aion-store key rotation 1"
_POINT: Final = re.compile(r"(0|[1-9]\d{0,9}) (0|[1-9]\d{0,18}) (0|[1-9]\d{0,18}) ([0-9a-f]{64})", re.ASCII)
_TOPIC_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a log had come, and its chain there: for each partition the point after its last record.

    ORIGIN                     the name of the key that signed
    aion-store checkpoint 1
    TOPIC-ID
    TIME                       the signer's clock, RFC 3339
    PARTITION OFFSET ORDINAL CHAIN    a line each
    """

    origin: str
    topic_id: str
    time: str
    points: Mapping[int, ChainPoint]

    def sign(self, key: SignerKey) -> str:
        """The signed note."""
        return sign_note([self.origin, CHECKPOINT, self.topic_id, self.time, *point_lines(self.points)], [key])

    @classmethod
    def open(cls, note: str, keys: Collection[VerifierKey]) -> Self:
        """A note that one of the keys signed, under its own name. Raises ConfigurationError."""
        origin, topic_id, time, lines = opened_of_kind(note, keys, CHECKPOINT)
        return cls(origin, topic_id, time, points_from(lines))


class Opened(NamedTuple):
    """A signed note of ours: who signed, of which topic, when by the signer's clock, and its other lines."""

    origin: str
    topic_id: str
    time: str
    lines: list[str]


def opened_of_kind(note: str, keys: Collection[VerifierKey], kind: str) -> Opened:
    """A note of that kind that one of the keys signed, under its own name. Raises ConfigurationError."""
    key = _signer(note, keys)
    origin, found, *lines = [*open_note(note, [key]), ""]
    if origin != key.name or found != kind or len(lines) < 4 or not _TOPIC_ID.fullmatch(lines[0]):
        raise ConfigurationError(f"The note is signed, but it is no {kind.rpartition(' ')[0]}.")
    return Opened(origin, lines[0], lines[1], lines[2:-1])


def point_lines(points: Mapping[int, ChainPoint]) -> list[str]:
    """A line for each partition's point."""
    return [f"{number} {each.offset} {each.ordinal} {each.chain.hex()}" for number, each in sorted(points.items())]


def points_from(lines: Sequence[str]) -> dict[int, ChainPoint]:
    """The points of all partitions from 0 on. Raises ConfigurationError when the lines name something else."""
    matches = [_POINT.fullmatch(line) for line in lines]
    points = {
        int(match[1]): ChainPoint(int(match[2]), int(match[3]), bytes.fromhex(match[4])) for match in matches if match
    }
    if len(points) != len(matches) or set(points) != set(range(len(points))):
        raise ConfigurationError("The note is signed, but its partitions aren't named as a checkpoint does.")
    return points


def _signer(note: str, keys: Collection[VerifierKey]) -> VerifierKey:
    refused: list[ConfigurationError] = []
    for key in keys:
        try:
            open_note(note, [key])
        except ConfigurationError as error:
            refused.append(error)
        else:
            return key
    raise refused[0] if refused else ConfigurationError("Name the key that signed the note.")


def sign_rotation(old: SignerKey, new: SignerKey) -> str:
    """The note that the new key follows the old one, signed with both."""
    return sign_note([old.name, ROTATION, str(old.verifier), str(new.verifier)], [old, new])


def trusted_keys(first: VerifierKey, rotations: Sequence[str]) -> list[VerifierKey]:
    """The first key and those that follow it, in order. Raises ConfigurationError for a note that doesn't follow."""
    keys = [first]
    for note in rotations:
        lines = open_note(note, [keys[-1]])
        if len(lines) != 4 or lines[:3] != [keys[-1].name, ROTATION, str(keys[-1])]:
            raise ConfigurationError(f"The note doesn't say which key follows {keys[-1]}.")
        following = VerifierKey.parse(lines[3])
        open_note(note, [following])
        keys.append(following)
    return keys


def keys_before(signer: SignerKey, rotations: Sequence[str]) -> list[VerifierKey]:
    """The signer's own key and those that it followed. Raises ConfigurationError when the last note isn't about it."""
    if not rotations:
        return [signer.verifier]
    first = [*rotations[0].splitlines(), "", "", ""][2]
    keys = trusted_keys(VerifierKey.parse(first), rotations)
    if keys[-1] != signer.verifier:
        raise ConfigurationError(f"The rotations lead to key {keys[-1]}, not to the one that is to sign.")
    return keys
