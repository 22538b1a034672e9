"""How a rebuild's partitions are shared by processes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from aion_projectors.shared_filling import SHARED_FROM, FillingOrders, shares_of
from aion_store.kafka.topic import TopicIdentity
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.log_identity import LogIdentity


@pytest.mark.parametrize(
    ("left", "processes", "shares"),
    [
        ({0: 8, 1: 4, 2: 3, 3: 2}, 2, [(0,), (1, 2, 3)]),
        ({0: 5, 1: 5, 2: 5, 3: 5}, 2, [(0, 2), (1, 3)]),
        ({0: 5, 1: 5, 2: 0}, 3, [(0,), (1,)]),
        ({0: 5, 1: 5}, 1, []),
        ({0: 9}, 4, []),
        ({0: 0.5, 1: 0.5}, 4, []),
        ({}, 4, []),
    ],
)
def test_partitions_are_shared_by_what_is_left(
    left: Mapping[int, float], processes: int, shares: list[tuple[int, ...]]
) -> None:
    offsets = {LogPartition("events", partition): int(share * SHARED_FROM) for partition, share in left.items()}
    assert shares_of(offsets | {LogPartition("packages", 0): 9 * SHARED_FROM}, processes) == shares


def test_orders_come_through_and_show_no_secret() -> None:
    log = LogIdentity("cluster", TopicIdentity("a.events", "x", 2), TopicIdentity("a.packages", "y", 1))
    orders = FillingOrders(
        kafka={"sasl.password": "hidden"}, dsn="password=hidden", log=log, generation="aion_g2", partitions=(1,)
    )
    assert FillingOrders.model_validate_json(orders.model_dump_json()) == orders
    assert "hidden" not in repr(orders)
