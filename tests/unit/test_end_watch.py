"""What looks at a partition's end say: when the next is due, and whether a transaction hangs."""

from __future__ import annotations

from aion_producers.end_watch import EndWatch
from aion_producers.stability import Ends

IDLE_CHECK_S, HANGING_S = 1.0, 10.0


def watch_after_a_write(now_s: float = 0.0) -> EndWatch:
    watch = EndWatch(IDLE_CHECK_S, HANGING_S)
    watch.wrote(now_s)
    return watch


def test_nothing_is_looked_at_before_anything_was_written_and_once_the_end_was_reached() -> None:
    assert EndWatch(IDLE_CHECK_S, HANGING_S).wait_s(0.0) is None
    watch = watch_after_a_write()
    assert watch.wait_s(0.25) == 0.75
    assert watch.wait_s(5.0) == 0.0
    assert not watch.see(Ends(stable=7, high=7), 5.0)
    assert watch.wait_s(5.0) is None


def test_an_end_that_readers_do_not_reach_hangs_after_a_while() -> None:
    watch = watch_after_a_write()
    assert not watch.see(Ends(stable=5, high=7), 1.0)
    assert watch.wait_s(1.0) == IDLE_CHECK_S
    assert not watch.see(Ends(stable=5, high=7), 10.9)
    assert watch.see(Ends(stable=6, high=9), 11.0)
    assert not watch.see(Ends(stable=6, high=9), 12.0), "counted from anew"


def test_readers_that_come_on_are_not_held_up_by_anything_however_far_the_end_is() -> None:
    watch = watch_after_a_write()
    for look in range(1000):
        assert not watch.see(Ends(stable=100 * look, high=100 * look + 3), 10.0 * look)


def test_two_looks_that_found_readers_behind_do_not_count_when_they_were_not_in_between() -> None:
    watch = watch_after_a_write()
    assert not watch.see(Ends(stable=5, high=7), 1.0)
    watch.wrote(3600.0)
    assert not watch.see(Ends(stable=99_995, high=99_998), 3601.0)
    assert watch.see(Ends(stable=99_995, high=99_998), 3611.0)


def test_under_load_there_is_a_look_every_so_often() -> None:
    watch = EndWatch(IDLE_CHECK_S, HANGING_S)
    looks: list[float] = []
    for number in range(500):
        now_s = number / 10
        if watch.wait_s(now_s) == 0.0:
            looks.append(now_s)
            assert not watch.see(Ends(stable=number, high=number + 1), now_s)
        watch.wrote(now_s)
    assert looks == [10.0, 20.0, 30.0, 40.0]


def test_what_hangs_under_load_is_noticed_within_twice_the_time() -> None:
    watch = EndWatch(IDLE_CHECK_S, HANGING_S)
    hanging_from = 12.0
    for number in range(500):
        now_s = number / 10
        stable = min(now_s, hanging_from)
        if watch.wait_s(now_s) == 0.0 and watch.see(Ends(stable=int(10 * stable), high=number + 1), now_s):
            assert now_s <= hanging_from + 2 * HANGING_S
            return
        watch.wrote(now_s)
    raise AssertionError


def test_a_first_write_after_a_long_rest_is_no_reason_to_look_at_once() -> None:
    watch = watch_after_a_write()
    assert not watch.see(Ends(stable=7, high=7), 1.0)
    watch.wrote(3600.0)
    assert watch.wait_s(3600.0) == IDLE_CHECK_S


def test_after_a_look_that_did_not_succeed_the_next_is_not_at_once() -> None:
    watch = watch_after_a_write()
    watch.looked(20.0)
    assert watch.wait_s(20.0) == IDLE_CHECK_S
