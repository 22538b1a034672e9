"""Compares a log and its tables, partition by partition, and names every difference.

Each partition is compared at the checkpoint that one snapshot of its tables shows: its records are read from the
first one and folded as the projection folds them, for so many workflows at a time as fit into memory; the rows must
be what comes of it. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from aion_projectors.batch import Batch, WorkflowKey, workflow_key
from aion_projectors.differences import Difference
from aion_projectors.package_batch import fold_package_appends
from aion_projectors.replay import STALL_S, Replay, Replayed
from aion_projectors.verify_chain import ChainCheck
from aion_projectors.verify_events import EventComparison, ExpectedEvent
from aion_projectors.verify_packages import PackageState
from aion_projectors.verify_rows import OWNED_TABLES, TIMER_CALLS, DerivedComparison
from aion_projectors.verify_selection import EVERYTHING, KeyBounds, Scope, Selection
from aion_projectors.verify_tables import VerifiedTables, verified_tables
from aion_projectors.workflow_rows import TimerCall, WorkflowRows, fold_appends
from aion_store.archive.archive import Archive
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import end_of
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.appends import Append
from aion_store.postgres.log_identity import LogIdentity
from aion_store.projected import LogName

WORKFLOWS_AT_ONCE: Final = 100_000
"""How many workflows' rows are held at once; a partition with more is read as many times as that needs."""
HELD_BACK: Final = 100
"""How many differences are held back while it isn't known whether a reading must be made anew in halves."""


class Verified(NamedTuple):
    """What was compared: events (or changes of packages), and workflows."""

    events: int = 0
    workflows: int = 0


Report = Callable[[Difference], None]
Progress = Callable[[LogName, int, int, int], None]
"""Told from time to time: log, partition, ordinal reached, last ordinal; the same ordinals come anew in each pass."""


class Verifier:
    """Compares one log with one schema's tables. Everything blocks.

    Raises UnavailableError when a server doesn't answer, SchemaMismatchError when the log's beginning is gone.
    """

    def __init__(
        self,
        client: ClientSettings,
        dsn: str,
        schema: str,
        log: LogIdentity,
        report: Report,
        progress: Progress,
        workflows_at_once: int = WORKFLOWS_AT_ONCE,
        *,
        moved: bool = False,
        archive: Archive | None = None,
    ) -> None:
        """`moved`: the log was mirrored from other topics. Their offsets and broker times may be in the rows, and how
        the first record's chain follows from theirs isn't known: neither is compared. `archive` is the log's beginning.
        """
        self._client, self._dsn, self._schema, self._log = client, dsn, schema, log
        self._report, self._progress, self._at_once = report, progress, workflows_at_once
        self.moved, self._archive = moved, archive

    def events(self, partition: int, scope: Scope = EVERYTHING) -> Verified:
        """Compare a partition of the events log with its tables."""
        with verified_tables(self._dsn, self._schema, "events", partition) as tables:
            check = _PartitionCheck(self, tables, partition, scope)
            return check.run()

    def packages(self) -> Verified:
        """Compare the packages log with its tables."""
        with verified_tables(self._dsn, self._schema, "packages", 0) as tables:
            state, chain = PackageState(), ChainCheck("packages", self._log.packages, 0, moved=self.moved)
            rejected: dict[int, str] = {}
            changes = 0
            for read in self.replay(tables, self._log.packages, 0):
                self.report(chain.take(read))
                folded = fold_package_appends(read.plan.appends)
                state.take(folded.tables)
                changes += sum(map(len, read.plan.appends))
                rejected.update((record.offset, record.reason) for record in read.plan.foreign)
                rejected.update((each.record.offset, each.reason) for each in folded.rejected)
            self.report(chain.finish(tables.checkpoint))
            self.report(state.compare_packages(tables.rows("verify_packages", {})))
            self.report(state.compare_routes(tables.rows("verify_routes", {})))
            if not self.moved:  # they are named by offsets
                self.report(compare_rejected(tables, rejected))
            return Verified(changes)

    def report(self, differences: Iterator[Difference]) -> None:
        """Hand over what differs."""
        for difference in differences:
            self.report_one(difference)

    def report_one(self, difference: Difference) -> None:
        """Hand over a difference."""
        self._report(difference)

    def replay(self, tables: VerifiedTables, topic: TopicIdentity, partition: int) -> Iterator[Replayed]:
        """The partition's records below the tables' checkpoint."""
        last = tables.checkpoint.ordinal
        end = min(tables.checkpoint.position, end_of(self._client, topic.name, partition, STALL_S))
        for read in Replay(self._client, topic, partition, self._archive).up_to(end):
            yield read
            self._progress(tables.log, partition, read.plan.checkpoint.ordinal, last)

    def topic(self) -> TopicIdentity:
        """The events topic."""
        return self._log.events

    @property
    def at_once(self) -> int:
        """How many workflows may be held."""
        return self._at_once


def compare_rejected(tables: VerifiedTables, expected: dict[int, str]) -> Iterator[Difference]:
    """What differs in `rejected_records`."""
    place = {"log": tables.log, "partition": tables.partition}
    found = dict(tables.rows("verify_rejected", place))
    for offset in sorted(expected.keys() | found.keys()):
        wanted, noted = expected.get(offset), found.get(offset)
        if wanted is None or noted is None or wanted.replace("\x00", "") != noted:
            column = None if wanted is None or noted is None else "reason"
            key = {"record_offset": offset}
            yield Difference(tables.log, tables.partition, None, "rejected_records", key, column, wanted, noted)


def compare_counts(tables: VerifiedTables, expected: Counter[tuple[str, str]]) -> Iterator[Difference]:
    """What differs in `workflow_counts`; `expected` are the numbers of workflows by type and status."""
    rows = tables.rows("verify_counts", {"partition": tables.partition})
    found = {(workflow_type, status): count for workflow_type, status, count in rows}
    for counted in sorted(expected.keys() | found.keys()):
        wanted, stored = expected[counted], found.get(counted, 0)
        if wanted != stored:
            key = {"workflow_type": counted[0], "status": counted[1]}
            yield Difference(tables.log, tables.partition, None, "workflow_counts", key, "workflows", wanted, stored)


class _TooManyError(Exception):
    """More workflows than may be held; `middle` is the median of their ids."""

    def __init__(self, middle: bytes) -> None:
        self.middle = middle
        super().__init__()


class _Outlet:
    """Hands a reading's differences over, once it is known that it isn't made anew.

    The first ones are held back. Where there are more, `check` finds that out: it raises _TooManyError if it is to be.
    """

    def __init__(self, report: Report, check: Callable[[], None]) -> None:
        self._report, self._check = report, check
        self._held: list[Difference] | None = []

    def take(self, differences: Iterable[Difference]) -> None:
        for difference in differences:
            if self._held is None:
                self._report(difference)
                continue
            self._held.append(difference)
            if len(self._held) > HELD_BACK:
                self._check()
                self.release()

    def release(self) -> None:
        """The log was read: hand over what was held back, and from now on whatever comes."""
        held, self._held = self._held or (), None
        for difference in held:
            self._report(difference)


class _PartitionCheck:
    """The comparison of one partition of the events log."""

    def __init__(self, verifier: Verifier, tables: VerifiedTables, partition: int, scope: Scope) -> None:
        self._verifier, self._tables, self._partition, self._scope = verifier, tables, partition, scope
        self._rejected: dict[int, str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._verified = Verified()

    def run(self) -> Verified:
        for number, selection in enumerate(self._selections()):
            self._compare(selection, first=number == 0)
        if self._scope.whole:
            self._verifier.report(compare_counts(self._tables, self._counts))
        if self._scope.whole and not self._verifier.moved:
            self._verifier.report(compare_rejected(self._tables, self._rejected))
        return self._verified

    def _selections(self) -> Sequence[Selection]:
        if self._scope.workflow_ids is not None:
            return [Selection(ids=self._scope.workflow_ids)]
        size = {"partition": self._partition, "size": self._scope.sample or self._verifier.at_once}
        if self._scope.sample is not None:
            sampled = self._tables.rows("sample_workflows", size)
            return [Selection(ids=frozenset(row[0].bytes for row in sampled))]
        bounds = [bytes(row[0]) for row in self._tables.rows("split_workflows", size)]
        return [Selection(after, up_to) for after, up_to in zip([None, *bounds], [*bounds, None], strict=True)]

    def _compare(self, selection: Selection, *, first: bool) -> None:
        try:
            self._pass(selection, first=first)
        except _TooManyError as error:  # the log has many that the tables don't know
            self._compare(selection._replace(up_to=error.middle), first=first)
            self._compare(selection._replace(after=error.middle), first=False)

    def _pass(self, selection: Selection, *, first: bool) -> None:
        """One reading of the log; the first one also checks the log itself."""
        tables, topic = self._tables, self._verifier.topic()
        outlet = _Outlet(self._verifier.report_one, lambda: self._check_number(selection))
        folded: dict[WorkflowKey, WorkflowRows] = {}
        rejected: dict[int, str] = {}
        calls: dict[WorkflowKey, dict[int, TimerCall]] = {}
        chain = ChainCheck("events", topic, self._partition, moved=self._verifier.moved)
        bounds = KeyBounds(selection)
        with tables.event_rows(selection.parameters(self._partition)) as rows:
            comparison = EventComparison(self._partition, rows, moved=self._verifier.moved)
            for read in self._verifier.replay(tables, topic, self._partition):
                if first:
                    outlet.take(chain.take(read))
                    rejected.update((record.offset, record.reason) for record in read.plan.foreign)
                stored = self._fold(bounds.wanted(read.plan.appends), folded, rejected, calls)
                outlet.take(comparison.take(stored))
            outlet.release()
            outlet.take(comparison.finish())
        if first:
            outlet.take(chain.finish(tables.checkpoint))
        workflows = sum(1 for rows in folded.values() if rows.head)
        summaries = [rows.summary for rows in folded.values() if rows.summary.workflow_type is not None]
        counts = Counter((summary.workflow_type or "", summary.status.value) for summary in summaries)
        called = DerivedComparison(self._partition, calls, moved=self._verifier.moved)
        outlet.take(called.owned(TIMER_CALLS, tables.rows(TIMER_CALLS.query, selection.parameters(self._partition))))
        derived = DerivedComparison(self._partition, folded, moved=self._verifier.moved)
        for table in OWNED_TABLES:
            outlet.take(derived.owned(table, tables.rows(table.query, selection.parameters(self._partition))))
        outlet.take(derived.workflows(tables.rows("verify_workflows", selection.parameters(self._partition))))
        self._rejected.update(rejected)
        self._counts.update(counts)
        events, before = self._verified
        self._verified = Verified(events + comparison.equal, before + workflows)

    def _check_number(self, selection: Selection) -> None:
        """Read the log for the workflows in it alone. Raises _TooManyError."""
        bounds, found = KeyBounds(selection), set[WorkflowKey]()
        for read in self._verifier.replay(self._tables, self._verifier.topic(), self._partition):
            keys = {append[0].key or b"" for append in bounds.wanted(read.plan.appends)}
            found.update(key for text in keys if (key := workflow_key(self._partition, text)) is not None)
            self._check_held(found)

    def _check_held(self, held: Collection[WorkflowKey]) -> None:
        if len(held) > 2 * self._verifier.at_once:
            raise _TooManyError(sorted(key.workflow_id for key in held)[len(held) // 2])

    def _fold(
        self,
        appends: Sequence[Append],
        folded: dict[WorkflowKey, WorkflowRows],
        rejected: dict[int, str],
        calls: dict[WorkflowKey, dict[int, TimerCall]],
    ) -> list[ExpectedEvent]:
        """Fold some appends over the rows so far; the events that are to be stored, by ordinal."""
        batch = Batch()
        batch.add(self._partition, appends)
        stored: list[ExpectedEvent] = []
        nothing = WorkflowRows()
        for key, entries in batch.appends.items():
            after = fold_appends(folded.get(key, nothing), entries)
            folded[key] = after.rows
            if after.timer_calls:
                calls.setdefault(key, {}).update((call.ordinal, call) for call in after.timer_calls)
            stored += [ExpectedEvent(record.ordinal, key.workflow_id, record) for record in after.stored]
            rejected.update((each.record.offset, each.reason) for each in after.rejected)
        rejected.update((each.record.offset, each.reason) for _, each in batch.rejected)
        self._check_held(folded)
        return sorted(stored)
