"""The event loop's side of a partition: bounds, deadlines, turns, and what a caller is told at its deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aion_producers.inbox import Inbox
from aion_producers.submissions import Submissions
from aion_producers.write import Write
from aion_store.errors import NotOwnerError, OutcomeUnknownError, UnavailableError
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from tests.producing import prepare

TOKEN = ConsistencyToken("A" * 22, 0, 1)
MANY = 1_000_000
LONG_S = 20.0


def make_write(number: int = 1, size_bytes: int = 300) -> Write:
    workflow_id = WorkflowId(int=number)
    append = prepare(workflow_id, 0, size_bytes=size_bytes)
    return Write(key=str(workflow_id).encode(), append_id=append.append_id, workflow_id=workflow_id, append=append)


def take(inbox: Inbox[Any]) -> list[Write]:
    return inbox.take(MANY, MANY, MANY, 0.0).writes


async def settled_loop() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_write_is_taken_in_order_and_answered() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 10, MANY)
        writes = [make_write(number) for number in range(3)]
        tasks = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in writes]
        await settled_loop()
        assert take(inbox) == writes
        submissions.settle([(write, TOKEN) for write in writes])
        assert await asyncio.gather(*tasks) == [TOKEN] * 3
        await submissions.drained()
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_at_its_deadline_a_queued_write_is_withdrawn_and_one_in_flight_is_unknown() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 10, MANY)
        flying = asyncio.create_task(submissions.submit(make_write(1), 0.05))
        await settled_loop()
        (write,) = take(inbox)
        queued = asyncio.create_task(submissions.submit(make_write(2), 0.05))
        with pytest.raises(OutcomeUnknownError):
            await flying
        with pytest.raises(UnavailableError):
            await queued
        assert take(inbox) == []
        inbox.put_back([write])
        assert take(inbox) == [], "a write whose caller was told it is unknown is never written later"
        await submissions.drained()

    asyncio.run(scenario())


def test_the_trouble_of_the_partition_is_told() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        inbox.trouble = UnavailableError("Kafka", "no broker answers")
        with pytest.raises(UnavailableError, match="no broker answers"):
            await Submissions(inbox, 10, MANY).submit(make_write(), 0.05)

    asyncio.run(scenario())


def test_a_full_partition_lets_workflows_in_by_turns() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 16, MANY)
        accepted = [make_write(number) for number in range(100, 116)]
        waiting = [make_write(number) for number in (1, 1, 1, 1, 2)]
        tasks = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in (*accepted, *waiting)]
        await settled_loop()
        assert take(inbox) == accepted
        order: list[Write] = []
        for write in accepted[: len(waiting)]:
            submissions.settle([(write, TOKEN)])
            order += take(inbox)
        assert order == [waiting[0], waiting[4], waiting[1], waiting[2], waiting[3]]
        submissions.settle([(write, TOKEN) for write in (*accepted, *waiting)])
        await asyncio.gather(*tasks)
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_as_many_wait_as_are_accepted_and_more_are_refused_at_once() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 8, 12_000)
        writes = [make_write(number) for number in range(16)]
        tasks = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in writes]
        await settled_loop()
        with pytest.raises(UnavailableError, match="keep fewer appends under way"):
            await submissions.submit(make_write(16), LONG_S)
        (answer,) = await submissions.submit_many([make_write(17)], LONG_S)
        assert isinstance(answer, UnavailableError)
        assert take(inbox) == writes[:8]
        submissions.settle([(write, TOKEN) for write in writes[:8]])
        assert take(inbox) == writes[8:], "nobody who had a place lost it"
        tasks.append(asyncio.create_task(submissions.submit(make_write(20, 6_000), LONG_S)))
        await settled_loop()
        with pytest.raises(UnavailableError, match="of this workflow"):
            await submissions.submit(make_write(20), LONG_S)
        with pytest.raises(UnavailableError, match="as much waits"):
            await submissions.submit(make_write(21, 6_000), LONG_S)
        submissions.give_up("closing")
        await asyncio.gather(*tasks, return_exceptions=True)
        await submissions.drained()

    asyncio.run(scenario())


def test_one_workflow_has_a_quarter_of_the_places() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 8, MANY)
        accepted = [make_write(number) for number in range(100, 108)]
        flood = [make_write(1) for _ in range(10)]
        others = [make_write(number) for number in range(2, 8)]
        tasks = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in (*accepted, *flood, *others)]
        await settled_loop()
        assert sum(task.done() for task in tasks) == 8
        take(inbox)
        submissions.settle([(write, TOKEN) for write in accepted])
        assert take(inbox) == [flood[0], *others, flood[1]]
        submissions.settle([(write, TOKEN) for write in (*flood, *others)])
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes == [*[TOKEN] * 10, *outcomes[10:18], *[TOKEN] * 6]
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_who_waited_for_room_comes_before_whoever_is_answered_with_it() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 2, MANY)
        first, other, waiting, last = (make_write(number) for number in (1, 2, 3, 3))

        async def one_after_the_other() -> None:
            await submissions.submit(first, LONG_S)
            await submissions.submit(last, LONG_S)

        tasks = [asyncio.create_task(one_after_the_other())]
        tasks += [asyncio.create_task(submissions.submit(write, LONG_S)) for write in (other, waiting)]
        await settled_loop()
        assert take(inbox) == [first, other]
        submissions.settle([(first, TOKEN), (other, TOKEN)])
        await settled_loop()
        assert take(inbox) == [waiting, last]
        submissions.settle([(waiting, TOKEN), (last, TOKEN)])
        await asyncio.gather(*tasks)
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_a_caller_that_goes_when_it_is_let_in_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 2, MANY)
        writes = [make_write(1), make_write(2), make_write(3)]
        *answered, gone = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in writes]
        many = asyncio.create_task(submissions.submit_many([make_write(4)], LONG_S))
        await settled_loop()
        assert take(inbox) == writes[:2]
        submissions.settle([(write, TOKEN) for write in writes[:2]])
        gone.cancel()
        many.cancel()
        await asyncio.gather(*answered, gone, many, return_exceptions=True)
        assert gone.cancelled()
        assert many.cancelled()
        assert take(inbox) == []
        await submissions.drained()
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_who_waits_for_room_at_a_partition_that_refuses_is_told() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 2, MANY)
        writes = [make_write(number) for number in range(4)]
        tasks = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in writes]
        await settled_loop()
        assert take(inbox) == writes[:2]
        inbox.refuse(lambda _: NotOwnerError(0, None))
        submissions.settle([(writes[0], TOKEN)])
        submissions.settle([(writes[1], TOKEN)])
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers] == [*[ConsistencyToken] * 2, *[NotOwnerError] * 2]
        await submissions.drained()
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_the_bound_is_on_bytes_too_and_one_write_always_fits() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 100, 10_000)
        large, small = make_write(1, 50_000), make_write(2)
        tasks = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in (large, small)]
        await settled_loop()
        assert take(inbox) == [large]
        submissions.settle([(large, TOKEN)])
        await settled_loop()
        assert take(inbox) == [small]
        submissions.settle([(small, TOKEN)])
        await asyncio.gather(*tasks)
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_a_caller_that_gives_up_waiting_makes_room_for_the_next() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 2, MANY)
        writes = [make_write(number) for number in range(4)]
        tasks = [asyncio.create_task(submissions.submit(write, LONG_S)) for write in writes]
        await settled_loop()
        assert take(inbox) == writes[:2]
        tasks[2].cancel()
        await settled_loop()
        submissions.settle([(writes[0], TOKEN)])
        await settled_loop()
        assert take(inbox) == [writes[3]]
        submissions.settle([(writes[1], TOKEN), (writes[3], TOKEN)])
        assert [await tasks[number] for number in (0, 1, 3)] == [TOKEN] * 3
        assert tasks[2].cancelled()
        await submissions.drained()
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_what_was_withdrawn_does_not_pile_up_while_nobody_takes() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 100, MANY)
        for _ in range(20):
            answers = await asyncio.gather(
                *[submissions.submit(make_write(number), 0.01) for number in range(100)], return_exceptions=True
            )
            assert {type(answer) for answer in answers} == {UnavailableError}
        assert len(inbox._writes) <= 200
        assert all(write.append is None for write in inbox._writes)

    asyncio.run(scenario())


def test_what_was_cancelled_does_not_pile_up_either() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 100, MANY)
        for _ in range(20):
            calls = [asyncio.create_task(submissions.submit(make_write(number), LONG_S)) for number in range(50)]
            calls.append(
                asyncio.create_task(submissions.submit_many([make_write(number) for number in range(50)], LONG_S))
            )
            await settled_loop()
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert len(inbox._writes) <= 200
        assert all(write.append is None for write in inbox._writes)
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_of_many_writes_each_has_its_own_outcome_in_order() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 2, MANY)
        writes = [make_write(number) for number in range(5)]
        task = asyncio.create_task(submissions.submit_many(writes, LONG_S))
        refusal = NotOwnerError(0, None)
        for _ in range(3):
            await settled_loop()
            submissions.settle([(w, refusal if w is writes[3] else TOKEN) for w in take(inbox)])
        assert await task == [TOKEN, TOKEN, TOKEN, refusal, TOKEN]
        await submissions.drained()
        submissions.give_up("closing")

    asyncio.run(scenario())


def test_many_writes_are_answered_at_their_deadline_whether_accepted_or_not() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 2, MANY)
        answers = await submissions.submit_many([make_write(number) for number in range(5)], 0.05)
        assert [type(answer) for answer in answers] == [UnavailableError] * 5
        await submissions.drained()

    asyncio.run(scenario())


def test_a_refusing_partition_refuses_at_once() -> None:
    async def scenario() -> None:
        inbox = Inbox[Any]()
        submissions = Submissions(inbox, 10, MANY)
        inbox.refuse(lambda _: NotOwnerError(3, "another"))
        with pytest.raises(NotOwnerError, match="another"):
            await submissions.submit(make_write(), LONG_S)
        await submissions.drained()
        submissions.give_up("closing")

    asyncio.run(scenario())
