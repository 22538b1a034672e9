"""Signed notes (C2SP signed-note) with Ed25519 keys: text that anyone can check. `cryptography` is used here only.

A note is text, an empty line, and lines `— NAME BASE64`: four bytes that name the key, then the signature of the text.
Keys are texts as well: `NAME+ID+BASE64` to check with, `PRIVATE+KEY+NAME+ID+BASE64` to sign with.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from typing import Any, Final, Self

from aion_store.errors import ConfigurationError
from aion_store.model.payload import from_base64

_ED25519: Final = b"\x01"
_NAME: Final = re.compile(r"[^\s+\ud800-\udfff]{1,200}")
_PRIVATE: Final = "PRIVATE+KEY+"
_DASH: Final = "\u2014 "
_NO_KEY: Final = "This is no Ed25519 key: it is NAME+ID+BASE64, as `aion-store audit key` printed it."
_NO_VERIFIER: Final = "This is no verifier key, or it was cut or changed: give what `aion-store audit key` printed."


def _ed25519() -> Any:
    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError as error:
        raise ConfigurationError("Signed notes need cryptography: run pip install 'aion-store[audit]'.") from error


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key to check signatures with; anyone may know it."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that name the key in a signature."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A key from its text. Raises ConfigurationError for any other text."""
        name, public = _parts(text)
        key = cls(name, public)
        if str(key) != text:
            raise ConfigurationError(_NO_VERIFIER)
        return key

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, of this text."""
        from cryptography.exceptions import InvalidSignature

        try:
            _ed25519().Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A key to sign with: whoever has its text can sign."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> Self:
        """A new key. Raises ConfigurationError for a name with white space or a plus sign."""
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"A key's name is 1 to 200 characters but white space and +, this is {name[:80]!r}."
            )
        return cls(name, _ed25519().Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """A key from its text. Raises ConfigurationError, which doesn't quote it."""
        wrong = ConfigurationError(
            "This is no signer key, or it was cut or changed: make one with aion-store audit key."
        )
        if not text.startswith(_PRIVATE):
            raise wrong
        try:
            key = cls(*_parts(text.removeprefix(_PRIVATE)))
            matches = key.text() == text
        except (ConfigurationError, ValueError):
            raise wrong from None
        if not matches:
            raise wrong
        return key

    def text(self) -> str:
        """The secret text."""
        secret = base64.b64encode(_ED25519 + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{secret}"

    @property
    def verifier(self) -> VerifierKey:
        """The key that checks this one's signatures."""
        private = _ed25519().Ed25519PrivateKey.from_private_bytes(self.seed)
        return VerifierKey(self.name, private.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        """The signature of a text."""
        return _ed25519().Ed25519PrivateKey.from_private_bytes(self.seed).sign(text)


def _parts(text: str) -> tuple[str, bytes]:
    """Name and key bytes. Raises ConfigurationError, which quotes nothing: the text may be a secret one, misplaced."""
    name, _, rest = text.partition("+")
    try:
        secret = from_base64(rest.partition("+")[2])
    except ValueError:
        raise ConfigurationError(_NO_KEY) from None
    if not _NAME.fullmatch(name) or secret[:1] != _ED25519 or len(secret) != 33:
        raise ConfigurationError(_NO_KEY)
    return name, secret[1:]


def sign_note(lines: Sequence[str], keys: Collection[SignerKey]) -> str:
    """The note of these lines, signed with each key."""
    text = "".join(f"{line}\n" for line in lines)
    signatures = (
        f"{_DASH}{key.name} {base64.b64encode(key.verifier.key_id + key.sign(text.encode())).decode()}\n"
        for key in keys
    )
    return f"{text}\n{''.join(signatures)}"


def open_note(note: str, keys: Collection[VerifierKey]) -> list[str]:
    """The lines of a note that all of these keys signed; signatures of other keys are passed over.

    Raises ConfigurationError for text that is no note, and when a signature is missing or false.
    """
    text, found, signed = note.rpartition("\n\n")
    signatures = signed.splitlines()
    if not found or not signatures or not all(line.startswith(_DASH) for line in signatures):
        raise ConfigurationError("This is no signed note: text, an empty line, and lines of signatures are expected.")
    text += "\n"
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError("This is no signed note: it isn't UTF-8.") from None
    for key in keys:
        if not any(_is_signed(line, key, content) for line in signatures):
            raise ConfigurationError(
                f"The note has no valid signature of key {key}: it was changed, or another key signed it."
            )
    return text.splitlines()


def _is_signed(line: str, key: VerifierKey, text: bytes) -> bool:
    name, _, encoded = line.removeprefix(_DASH).rpartition(" ")
    try:
        signature = from_base64(encoded)
    except ValueError:
        return False
    return name == key.name and signature[:4] == key.key_id and key.verifies(text, signature[4:])
