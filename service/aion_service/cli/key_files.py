"""Keys and notes in files that arguments name."""

from __future__ import annotations

from pathlib import Path

from aion_service.audit.signed_note import SignerKey
from aion_store.errors import ConfigurationError


def signer_in(path: Path) -> SignerKey:
    """The key to sign with. Raises ConfigurationError, which doesn't quote what the file holds."""
    return SignerKey.parse(read_text(path).strip())


def read_text(path: Path) -> str:
    """A file's text. Raises ConfigurationError when it can't be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}.") from error
