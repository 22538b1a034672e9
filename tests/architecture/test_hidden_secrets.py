"""Values that carry a client's settings or a DSN don't show them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest

PACKAGES = ("aion_store", "aion_producers", "aion_projectors", "aion_service")
SECRET = {"client", "dsn", "kafka", "postgres_dsn"}
PROGRAMS = ("guard", "unprivileged", "jar_download", "__main__")


def our_types() -> Iterator[type]:
    """Every class of ours that has a field with a secret."""
    for package in map(importlib.import_module, PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith(PROGRAMS):
                continue
            module = importlib.import_module(found.name)
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ == module.__name__ and SECRET & set(getattr(kind, "__annotations__", {})):
                    yield kind


TYPES = sorted(our_types(), key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("kind", [kind for kind in TYPES if is_dataclass(kind) or issubclass(kind, tuple)])
def test_a_value_does_not_show_its_secret(kind: type) -> None:
    if is_dataclass(kind):
        assert not [field.name for field in fields(kind) if field.name in SECRET and field.repr]
    else:
        assert "__repr__" in vars(kind)
        assert "secret" not in repr(kind(*("secret" if name in SECRET else name for name in kind._fields)))


def test_there_are_such_values() -> None:
    assert {"LagReader", "PartitionLog", "Rebuild", "ConnectionFacts", "LogConnection"} <= {k.__name__ for k in TYPES}
