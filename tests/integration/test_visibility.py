"""Filters in Postgres and by definition agree, on random workflows and random filters; values are only ever bound."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from aion_store.model.ids import WorkflowId
from aion_store.model.search_attributes import (
    BoolAttribute,
    DatetimeAttribute,
    FloatAttribute,
    IntAttribute,
    KeywordListAttribute,
    SearchAttributeValue,
    StringAttribute,
)
from aion_store.model.workflow import WorkflowStatus
from aion_store.postgres.statements import query_with_parts
from aion_store.postgres.visibility_sql import where
from aion_store.visibility.errors import FilterError
from aion_store.visibility.fields import AttributeType
from aion_store.visibility.filters import Field, Filter
from aion_store.visibility.matching import Candidate, truth
from aion_store.visibility.resolving import resolve
from tests.integration.test_schema import GENERATION, register, run_migration

SEED = 20_260_131
START = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = ["", "a", "ab", "a%", "a_", "B", "é", "\ud7ff", "\ue000", "😀", "\U0010ffff", "x" * 1_024, "x" * 1_025, "O'\\"]
NUMBERS = [-(2**63), -1, 0, 1, 2**53 + 1, 2**63 - 1]
DECIMALS = [-1e300, -0.0, 0.1, 1.0, 5e-324, 1e300]
TIMES = [START + timedelta(days=day, microseconds=micros) for day in (-700_000, 0, 1) for micros in (0, 1)]
IDS = [WorkflowId(int=number) for number in range(60)]
STATUSES = [str(status) for status in WorkflowStatus]
REGISTERED = {of.value: of for of in AttributeType}
VALUES: dict[str, list[Any]] = {
    "String": TEXTS,
    "Int": NUMBERS,
    "Float": DECIMALS,
    "Bool": [True, False],
    "Datetime": TIMES,
    "KeywordList": TEXTS,
    "WorkflowId": IDS,
    "WorkflowType": [text for text in TEXTS if text],
    "Status": STATUSES,
    "StartedAt": TIMES,
    "EndedAt": TIMES,
    "FailedStep": TEXTS,
    "any": [*TEXTS, *NUMBERS, *DECIMALS, True, *TIMES],
}


def attributes(rng: random.Random) -> Iterator[tuple[str, SearchAttributeValue]]:
    """Attributes of every type, some missing, some under a name that is registered with another type."""
    made: list[SearchAttributeValue] = [
        StringAttribute(data=rng.choice(TEXTS)),
        IntAttribute(data=rng.choice(NUMBERS)),
        FloatAttribute(data=rng.choice(DECIMALS)),
        BoolAttribute(data=rng.random() < 0.5),
        DatetimeAttribute(data=rng.choice(TIMES)),
        KeywordListAttribute(data=tuple(rng.choices(TEXTS, k=rng.randrange(3)))),
    ]
    for value in made:
        if rng.random() < 0.7:
            yield value.type, rng.choice(made) if rng.random() < 0.1 else value
    yield "any", rng.choice(made)


def candidates(rng: random.Random) -> list[Candidate]:
    """Random workflows."""
    return [
        Candidate(
            {
                "WorkflowId": workflow_id,
                "WorkflowType": rng.choice(VALUES["WorkflowType"])[:300],
                "Status": rng.choice(STATUSES),
                "StartedAt": rng.choice(TIMES),
                "EndedAt": rng.choice([None, *TIMES]),
                "LastEventAt": START,
                "FailedStep": rng.choice([None, *TEXTS]),
                "Quarantined": None,
            },
            dict(attributes(rng)),
        )
        for workflow_id in IDS[:50]
    ]


def insert(connection: psycopg.Connection, candidate: Candidate) -> None:
    """A workflow's row, as the projector writes it."""
    fields = candidate.fields
    stored = {name: value.model_dump(mode="json") for name, value in candidate.attributes.items()}
    connection.execute(
        f"insert into {GENERATION}.workflows (partition, workflow_id, head, last_event_at, status, workflow_type,"
        " started_at, ended_at, failed_step, search_attributes) values (0, %s, 1, %s, %s, %s, %s, %s, %s, %s)".encode(),
        [*(fields[name] for name in ("WorkflowId", "LastEventAt", "Status", "WorkflowType", "StartedAt", "EndedAt")),
         fields["FailedStep"], Jsonb(stored)],
    )  # fmt: skip


def leaf(rng: random.Random) -> Filter:
    """A random condition, often one that its field refuses."""
    name = rng.choice(list(VALUES))
    field, value = Field(name), rng.choice(VALUES[name])
    match rng.randrange(8):
        case 0:
            return field.is_null()
        case 1:
            return field.one_of(*rng.choices(VALUES[name], k=3))
        case 2 if isinstance(value, str):
            return field.starts_with(value[:2])
        case 3:
            return rng.choice([field.below, field.at_most, field.above, field.at_least])(value)
        case 4:
            return field.between(value, rng.choice(VALUES[name]))
        case _:
            return field.equals(value)


def wanted(rng: random.Random, depth: int = 3) -> Filter:
    """A random filter."""
    match rng.randrange(5) if depth else 4:
        case 0:
            return wanted(rng, depth - 1) & wanted(rng, depth - 1)
        case 1:
            return wanted(rng, depth - 1) | wanted(rng, depth - 1)
        case 2:
            return ~wanted(rng, depth - 1)
        case _:
            return leaf(rng)


def test_postgres_and_the_definition_agree_on_random_filters(database: str) -> None:
    run_migration(database)
    register(database, REGISTERED)
    rng = random.Random(SEED)
    everyone = candidates(rng)
    answered = 0
    with psycopg.connect(database) as connection:
        for candidate in everyone:
            insert(connection, candidate)
        for _ in range(1_500):
            condition = None
            try:
                condition = resolve(wanted(rng) & Field("StartedAt").at_least(TIMES[0]), REGISTERED)
            except FilterError:
                continue
            assert condition is not None
            clause = where(condition)
            statement = query_with_parts("select_count_by", GENERATION, {"where": clause.text, "by": "w.workflow_id"})
            found = {row[0].int for row in connection.execute(statement, clause.parameters)}
            expected = {each.fields["WorkflowId"].int for each in everyone if truth(condition, each)}
            assert found == expected, f"seed {SEED}: {condition}"
            answered += 1
    assert answered > 500
