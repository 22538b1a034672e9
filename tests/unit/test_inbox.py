"""The way into a partition's thread: who was answered has a turn before the next writes are taken."""

from __future__ import annotations

import threading
import time
from typing import Any

from aion_producers.inbox import Inbox
from aion_producers.write import Write
from aion_store.model.ids import WorkflowId

MANY = 1_000_000
LONG_S = 20.0


class Pending:
    """A future that nobody has answered."""

    def done(self) -> bool:
        return False


def make_write() -> Write:
    write = Write(key=b"k", append_id="a", workflow_id=WorkflowId(int=1))
    write.future = Pending()  # type: ignore[assignment]
    return write


def take(inbox: Inbox[Any]) -> list[Write]:
    return inbox.take(MANY, MANY, MANY, 0.0).writes


def test_what_the_answered_hand_in_is_taken_together_with_what_came_before() -> None:
    inbox = Inbox[Any](LONG_S)
    first, second = make_write(), make_write()
    inbox.expect_turn()
    inbox.put(first)
    taken: list[Write] = []
    thread = threading.Thread(target=lambda: taken.extend(take(inbox)))
    thread.start()
    inbox.put(second)
    inbox.turn_over()
    thread.join(LONG_S)
    assert taken == [first, second]


def test_a_turn_that_takes_too_long_is_not_waited_for() -> None:
    inbox = Inbox[Any](0.05)
    write = make_write()
    inbox.expect_turn()
    inbox.put(write)
    assert take(inbox) == [write]
    inbox.turn_over()  # too late, and no harm


def test_a_turn_that_is_over_is_not_waited_for() -> None:
    inbox = Inbox[Any](LONG_S)
    write = make_write()
    inbox.expect_turn()
    inbox.turn_over()
    inbox.put(write)
    began = time.monotonic()
    assert take(inbox) == [write]
    assert time.monotonic() - began < LONG_S / 2


def test_closing_ends_the_wait_for_a_turn() -> None:
    inbox = Inbox[Any](LONG_S)
    inbox.expect_turn()
    thread = threading.Thread(target=lambda: take(inbox))
    thread.start()
    inbox.close()
    thread.join(LONG_S / 2)
    assert not thread.is_alive()
