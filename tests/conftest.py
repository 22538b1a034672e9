"""Fixtures for all tests: real servers, and per test a database and a topic prefix."""

pytest_plugins = ["tests.servers"]
