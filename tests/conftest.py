"""Fixtures for all tests: real servers, and per test a database and a topic prefix."""

import signal

pytest_plugins = ["tests.servers"]


def pytest_configure() -> None:
    """Take SIGINT as a terminal's programs do: a shell that starts tests in the background has them ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
