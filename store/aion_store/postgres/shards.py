"""Which database holds which partition. A store on one database is the case with one entry. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aion_store.errors import SchemaMismatchError
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.log_identity import LogIdentity
from aion_store.projected import LogName

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Shards(Generic[T]):
    """One thing a database (its DSN, its pool), the default database's first.

    `numbers` gives events partitions their database, by its place in `databases`; all others and the packages are in
    the first one.
    """

    databases: tuple[T, ...] = field(repr=False)
    numbers: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def default(self) -> T:
        """The database of the packages, the registered search attributes, and what isn't mapped."""
        return self.databases[0]

    def number(self, log: LogName, partition: int) -> int:
        """Which database holds a partition, as its place in `databases`."""
        return self.numbers.get(partition, 0) if log == "events" else 0

    def of(self, log: LogName, partition: int) -> T:
        """What belongs to the database that holds a partition."""
        return self.databases[self.number(log, partition)]

    def by_number(self, places: Collection[LogPartition]) -> dict[int, list[LogPartition]]:
        """The partitions by the number of their database; only those databases that hold any of them."""
        found: dict[int, list[LogPartition]] = {}
        for place in places:
            found.setdefault(self.number(*place), []).append(place)
        return found

    def map(self, make: Callable[[T], U]) -> Shards[U]:
        """The same mapping to what is made of each database's thing."""
        return Shards(tuple(make(database) for database in self.databases), self.numbers)

    def places(self, number: int, log: LogIdentity) -> frozenset[LogPartition]:
        """The partitions of a log that a database holds, by its place in `databases`."""
        return frozenset(place for place in places_of(log) if self.number(*place) == number)

    def held(self, log: LogIdentity) -> list[tuple[T, frozenset[LogPartition]]]:
        """Each database's thing with the partitions that it holds."""
        return [(each, self.places(number, log)) for number, each in enumerate(self.databases)]


def mapped(default: T, others: Mapping[T, Collection[int]]) -> Shards[T]:
    """A default database, and others with the events partitions that each holds."""
    numbers = {partition: number for number, held in enumerate(others.values(), 1) for partition in held}
    return Shards((default, *others), numbers)


def places_of(log: LogIdentity) -> list[LogPartition]:
    """All partitions of both topics."""
    events = [LogPartition("events", partition) for partition in range(log.events.partitions)]
    return [*events, *(LogPartition("packages", partition) for partition in range(log.packages.partitions))]


def check_held(found: Iterable[LogPartition], expected: Iterable[LogPartition], schema: str) -> None:
    """Raises SchemaMismatchError when the tables of `schema` hold other partitions than they are to."""
    held, wanted = frozenset(found), frozenset(expected)
    if held != wanted:
        raise SchemaMismatchError(
            f"those of {named(wanted)} (give the postgres_shards that they were made with: no partition's tables "
            "move from one database to another)",
            f"tables of {named(held)}",
            f"The tables in schema {schema}",
        )


def named(places: Collection[LogPartition]) -> str:
    """Partitions as the settings write them, such as `0-31,packages`."""
    events = sorted(place.partition for place in places if place.log == "events")
    ranges: list[list[int]] = []
    for partition in events:
        if ranges and ranges[-1][1] == partition - 1:
            ranges[-1][1] = partition
        else:
            ranges.append([partition, partition])
    words = [f"{first}-{last}" if last > first else f"{first}" for first, last in ranges]
    packages = ["packages"] if any(place.log == "packages" for place in places) else []
    return ",".join([*words, *packages]) or "no partition"
