"""What our signed notes say: a checkpoint of a log, or that one key follows another."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

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
        lines = [
            f"{number} {point.offset} {point.ordinal} {point.chain.hex()}"
            for number, point in sorted(self.points.items())
        ]
        return sign_note([self.origin, CHECKPOINT, self.topic_id, self.time, *lines], [key])

    @classmethod
    def open(cls, note: str, keys: Collection[VerifierKey]) -> Self:
        """A note that one of the keys signed, under its own name. Raises ConfigurationError."""
        key = _signer(note, keys)
        origin, kind, *rest = [*open_note(note, [key]), "", ""]
        lines = rest[:-2]
        if origin != key.name or kind != CHECKPOINT or len(lines) < 3 or not _TOPIC_ID.fullmatch(lines[0]):
            raise ConfigurationError("The note is signed, but it is no checkpoint of an aion-store log.")
        matches = [_POINT.fullmatch(line) for line in lines[2:]]
        points = {
            int(match[1]): ChainPoint(int(match[2]), int(match[3]), bytes.fromhex(match[4]))
            for match in matches
            if match
        }
        if len(points) != len(matches) or set(points) != set(range(len(points))):
            raise ConfigurationError("The note is signed, but its partitions aren't named as a checkpoint does.")
        return cls(origin, lines[0], lines[1], points)


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
