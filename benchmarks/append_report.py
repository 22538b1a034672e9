"""The tables of the append benchmark, and how its figures compare with what the store is meant to reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.append_load import Measured

ELSEWHERE = """\
Figures from elsewhere, of the Aion engine's own backends on such a machine, not measured here:
  libSQL     2,000-2,800 appends/s at any concurrency; p50 0.3 ms at 1, 25-29 ms at 64
  haematite  109 appends/s, p50 9.1 ms at 1; 176/s at 64"""

OURS, PROJECTED = "aion-store", "aion-store, projector on"
SERIAL, PROTOTYPE = "kafka, one record a transaction", "kafka, group commit, no checks"
INSERTS = ("postgres, INSERT, 16 connections", "postgres, INSERT, 64 connections")
RECORDER = "eventsourcing's Postgres recorder"
RAW_BULK = "kafka, groups of 5,000, no checks"


class Target(NamedTuple):
    """A ratio to reach (or, for latencies, to stay under), and what was found; None when something wasn't measured."""

    text: str
    wanted: float
    found: float | None
    at_most: bool = False

    @property
    def met(self) -> bool:
        if self.found is None:
            return False
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted


def print_table(results: Iterable[Measured]) -> None:
    """Medians by concurrency and contender; the spread is that of the rate, half its range in per cent."""
    groups = grouped(results)
    print("| callers | contender | appends/s | ± % | p50 ms | p99 ms | client CPU s / 1,000 | all CPU s / 1,000 |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|")
    for (callers, name), rounds in sorted(groups.items(), key=lambda entry: entry[0][0]):
        rates = [each.per_s for each in rounds]
        spread = 50 * (max(rates) - min(rates)) / median(rates) if median(rates) else float("nan")
        values = [median(getattr(each, field) for each in rounds) for field in ("p50_ms", "p99_ms")]
        cpu = [median(getattr(each, field) for each in rounds) for field in ("client_cpu_s", "all_cpu_s")]
        print(
            f"| {callers:,} | {name} | {median(rates):,.0f} | {spread:.0f} | {values[0]:.1f} | {values[1]:.1f} "
            f"| {cpu[0]:.3f} | {cpu[1]:.3f} |"
        )
    print()
    print(ELSEWHERE)
    print()


def print_bulk(bulk: Mapping[str, Sequence[float]]) -> None:
    """Medians of the imports."""
    if bulk:
        print("| import | events/s |")
        print("|---|--:|")
    for name, rates in bulk.items():
        print(f"| {name} | {median(rates):,.0f} |")
    print()


def print_targets(results: Iterable[Measured], bulk: Mapping[str, Sequence[float]]) -> None:
    """Each target with what was found."""
    print("| target | wanted | found | |")
    print("|---|--:|--:|---|")
    for target in targets(grouped(results), bulk):
        found = "not measured" if target.found is None else f"{target.found:.2f}"
        sign = "≤" if target.at_most else "≥"
        print(f"| {target.text} | {sign} {target.wanted} | {found} | {'met' if target.met else 'missed'} |")


Groups = Mapping[tuple[int, str], Sequence[Measured]]


def grouped(results: Iterable[Measured]) -> Groups:
    groups: dict[tuple[int, str], list[Measured]] = defaultdict(list)
    for each in results:
        groups[each.concurrency, each.contender].append(each)
    return groups


def targets(groups: Groups, bulk: Mapping[str, Sequence[float]]) -> list[Target]:
    """All that the store is meant to reach, side by side with the same run's alternatives."""

    def middle(callers: int, name: str, field: str = "per_s") -> float | None:
        rounds = groups.get((callers, name))
        return median(getattr(each, field) for each in rounds) if rounds else None

    def insert(callers: int) -> float | None:
        rates = [rate for name in INSERTS if (rate := middle(callers, name)) is not None]
        return max(rates, default=None)

    def ratio(ours: float | None, other: float | None) -> float | None:
        return ours / other if ours is not None and other else None

    found = [
        Target(
            "1 caller: p50 to one record a transaction",
            0.6,
            ratio(middle(1, OURS, "p50_ms"), middle(1, SERIAL, "p50_ms")),
            at_most=True,
        )
    ]
    wanted = {
        (64, OURS): (1.5, 8),
        (1024, OURS): (5, 30),
        (64, PROJECTED): (0.8, 4),
        (1024, PROJECTED): (2.5, 15),
    }
    for (callers, name), (to_insert, to_recorder) in wanted.items():
        ours = middle(callers, name)
        found += [
            Target(f"{callers:,} callers, {name}: appends/s to INSERT", to_insert, ratio(ours, insert(callers))),
            Target(
                f"{callers:,} callers, {name}: appends/s to eventsourcing",
                to_recorder,
                ratio(ours, middle(callers, RECORDER)),
            ),
        ]
    prototype = ratio(middle(1024, OURS), middle(1024, PROTOTYPE))
    found.append(Target("1,024 callers: appends/s to group commit without checks", 0.6, prototype))
    raw = median(bulk[RAW_BULK]) if RAW_BULK in bulk else None
    for name, rates in bulk.items():
        if name != RAW_BULK:
            found.append(Target(f"{name}: events/s to a bare producer", 0.4, ratio(median(rates), raw)))
    return found
