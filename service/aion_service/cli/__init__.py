"""The `aion-store` command. Chatter goes to stderr, data to stdout; expected failures are one paragraph, no trace."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the entry point of the installed program."""
    try:
        from aion_service.cli.commands import app
    except KeyboardInterrupt:  # loading all this takes a second, time enough for a Ctrl-C
        sys.exit(130)
    except ImportError as error:
        sys.exit(f"The command line needs more packages ({error}): run pip install 'aion-store[all]', then try again.")
    app()
