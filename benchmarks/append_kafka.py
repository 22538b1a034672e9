"""What Kafka gives without us: serial transactions, idempotent produce, and group commit that checks nothing."""

from __future__ import annotations

import asyncio
import queue
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, NamedTuple

from confluent_kafka import Producer

from aion_producers.topics import ensure_topics
from aion_service.embedded.stack import EmbeddedStack
from aion_store import WorkflowId
from benchmarks.append_load import AppendOne, Contender
from benchmarks.append_store import body_of

TIMEOUT_S = 30.0
MAX_GROUP = 2_000
BULK_GROUP = 5_000
Headers = list[tuple[str, bytes]]


def make_producer(stack: EmbeddedStack, **settings: Any) -> Producer:
    """As the store's own, but for what is being compared."""
    return Producer(
        {
            "bootstrap.servers": stack.bootstrap_servers,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,
            "log_level": 0,
            "queue.buffering.max.messages": 1_000_000,
            **settings,
        }
    )


def transactional(stack: EmbeddedStack) -> Producer:
    producer = make_producer(stack, **{"transactional.id": f"bench-{secrets.token_hex(8)}"})
    producer.init_transactions(TIMEOUT_S)
    return producer


def fresh_topic(stack: EmbeddedStack, partitions: int = 1) -> str:
    """A topic like the store's."""
    prefix = f"bench-{secrets.token_hex(6)}"
    return ensure_topics({"bootstrap.servers": stack.bootstrap_servers}, prefix, partitions, TIMEOUT_S).events.name


def headers_of(number: int) -> Headers:
    """As many bytes of headers as the store writes."""
    return [
        ("kind", b"SignalReceived"),
        ("seq", b"%d" % number),
        ("at", b"2026-01-31T12:00:00Z"),
        ("append", b"%032x-%d:1/1" % (number, number)),
        ("ordinal", b"%d" % number),
        ("chain", b"%064x" % number),
        ("v", b"1"),
    ]


class Waiting(NamedTuple):
    """An append on its way to a thread, and who waits for it."""

    key: bytes
    value: bytes
    future: asyncio.Future[None]


class Committer:
    """A thread that takes what waits, at most `group` at a time, and commits it with its producers in turn."""

    def __init__(self, topic: str, producers: Sequence[Producer], group: int) -> None:
        self._topic, self._group, self._number = topic, group, 0
        self._producers = cycle(producers)
        self._queue = queue.SimpleQueue[Waiting | None]()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    async def append(self, workflow_id: WorkflowId, seq: int) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(Waiting(str(workflow_id).encode(), body_of(workflow_id, seq), future))
        await future

    async def close(self) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            taken = [first]
            while len(taken) < self._group:
                try:
                    another = self._queue.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    return
                taken.append(another)
            taken = [waiting for waiting in taken if not waiting.future.done()]
            if taken:
                self._commit(taken)

    def _commit(self, taken: list[Waiting]) -> None:
        producer = next(self._producers)
        producer.begin_transaction()
        for waiting in taken:
            self._number += 1
            producer.produce(self._topic, waiting.value, waiting.key, partition=0, headers=headers_of(self._number))
        producer.commit_transaction(TIMEOUT_S)
        self._loop.call_soon_threadsafe(answer, taken)


def answer(taken: list[Waiting]) -> None:
    for waiting in taken:
        if not waiting.future.done():
            waiting.future.set_result(None)


@asynccontextmanager
async def open_serial(stack: EmbeddedStack) -> AsyncGenerator[AppendOne]:
    committer = Committer(fresh_topic(stack), [transactional(stack)], 1)
    try:
        yield committer.append
    finally:
        await committer.close()


@asynccontextmanager
async def open_prototype(stack: EmbeddedStack) -> AsyncGenerator[AppendOne]:
    committer = Committer(fresh_topic(stack), [transactional(stack), transactional(stack)], MAX_GROUP)
    try:
        yield committer.append
    finally:
        await committer.close()


@asynccontextmanager
async def open_idempotent(stack: EmbeddedStack) -> AsyncGenerator[AppendOne]:
    """No transaction: atomic for one record only, and nobody is ever fenced."""
    topic, producer, loop = fresh_topic(stack), make_producer(stack), asyncio.get_running_loop()
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            producer.poll(0.1)

    poller = threading.Thread(target=poll, daemon=True)
    poller.start()
    number = 0

    async def append(workflow_id: WorkflowId, seq: int) -> None:
        nonlocal number
        number += 1
        waiting = Waiting(str(workflow_id).encode(), body_of(workflow_id, seq), loop.create_future())
        producer.produce(
            topic,
            waiting.value,
            waiting.key,
            partition=0,
            headers=headers_of(number),
            on_delivery=lambda *_: loop.call_soon_threadsafe(answer, [waiting]),
        )
        await waiting.future

    try:
        yield append
    finally:
        stop.set()
        await asyncio.to_thread(poller.join)


def bulk_produce(stack: EmbeddedStack, events: int) -> float:
    """Records per second of two bare producers that commit groups of 5,000 in turn: key, headers, value as ours."""
    topic, producers = fresh_topic(stack), cycle([transactional(stack), transactional(stack)])
    workflow_id = WorkflowId.random()
    key, value = str(workflow_id).encode(), body_of(workflow_id, 1)
    began = time.perf_counter()
    for start in range(0, events, BULK_GROUP):
        producer = next(producers)
        producer.begin_transaction()
        for number in range(start, min(events, start + BULK_GROUP)):
            produce_when_there_is_room(producer, topic, value, key, headers_of(number))
        producer.commit_transaction(TIMEOUT_S)
    return events / (time.perf_counter() - began)


def produce_when_there_is_room(producer: Producer, topic: str, value: bytes, key: bytes, headers: Headers) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition=0, headers=headers)
        except BufferError:
            producer.poll(0.01)
        else:
            return


CONTENDERS = [
    Contender("kafka, one record a transaction", open_serial),
    Contender("kafka, group commit, no checks", open_prototype),
    Contender("kafka, idempotent, no transaction", open_idempotent),
]
