"""A coordinator that keeps silent and comes back: whoever asked it lives on. librdkafka's own time limit aborts it."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

from aion_producers.group_view import GroupView
from aion_store.errors import UnavailableError
from tests.kafka_node import KafkaNode
from tests.waiting import wait_until

_IN_VAIN: Final = list[UnavailableError]()


@cache
def view(servers: str) -> GroupView:
    return GroupView({"bootstrap.servers": servers}, "writers", {})


def ask(servers: str) -> bool:
    """Whether there was an answer. In a process of its own: nothing there lets go of an error, as callers may not."""
    try:
        view(servers).snapshot(time.monotonic())
    except UnavailableError as error:
        _IN_VAIN.append(error)
        return False
    return True


def test_a_coordinator_that_comes_back_ends_no_process_that_asked_in_vain(tmp_path: Path) -> None:
    node = KafkaNode(tmp_path)
    node.start()
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:

            def asked() -> bool:
                return other.submit(ask, node.bootstrap_servers).result()

            wait_until(asked, "it answers")
            for _ in range(2):
                node.freeze()
                assert not asked()
                assert not asked()
                node.thaw()
                wait_until(asked, "it answers again")
    finally:
        node.kill()
