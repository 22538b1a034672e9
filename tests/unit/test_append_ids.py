"""Generated append ids: their shape, and that no two are the same."""

from __future__ import annotations

import os
import threading

from aion_store.append_ids import AppendIds
from aion_store.limits import APPEND_ID_PATTERN


def test_ids_have_the_shape_of_an_append_id() -> None:
    ids = AppendIds()
    assert all(APPEND_ID_PATTERN.fullmatch(ids.next_id()) for _ in range(1_000))
    first, second = AppendIds().next_id(), AppendIds().next_id()
    assert first != second
    assert [first[-2:], second[-2:]] == ["-1", "-1"]


def test_no_id_comes_twice_from_many_threads() -> None:
    ids = AppendIds()
    drawn: list[str] = []

    def draw() -> None:
        drawn.extend([ids.next_id() for _ in range(2_000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 8_000


def test_a_forked_child_draws_ids_of_its_own() -> None:
    ids = AppendIds()
    ids.next_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, ids.next_id().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        theirs = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    ours = ids.next_id()
    assert (ours[-2:], theirs[-2:]) == ("-2", "-1")
    assert ours[:32] != theirs[:32]
