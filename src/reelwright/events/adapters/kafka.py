"""Event logs on a broker that speaks Kafka's protocol: a topic of one partition for each source.

A place in a topic is written as in a log on disk: `SEGMENT` records are one segment, so that consumers keep one kind
of offset. An append is answered when every replica that the topic asks for has the record (`acks=all`). What a broken
connection sends twice may lie there twice: consumers know an event by its id. An idempotent producer would add
nothing to that, takes a third of the rate, and ends for good where a broker has forgotten its sequence.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from reelwright.events.adapters.reader import FAILED, Reader, names
from reelwright.events.contract import Backlogged
from reelwright.events.core.frame import LARGEST_BYTES, START, Position
from reelwright.kernel.errors import Invalid, MissingExtra, Unavailable

SCHEME = "kafka://"
DEFAULT_PREFIX = "reelwright"
SEGMENT = 10_000
ANSWER_S = 15.0
"""How long the broker may take for an answer."""
_DELIVERY_MS = 10_000
_ASK_S = 1.0
"""How long a broker that was away may take to say that it is back."""
_COME_BACK_MS = 1000
"""The longest pause between two attempts to reach it."""
_MOST_BYTES = LARGEST_BYTES + (1 << 20)
_WAITING_RECORDS = 100_000
_TOPIC = {"retention.ms": "-1", "cleanup.policy": "delete", "max.message.bytes": str(_MOST_BYTES)}
"""Nothing is removed by age: the lake removes what it has had for long enough."""


def position_of(offset: int) -> Position:
    """The place before the record with this offset."""
    return (offset // SEGMENT + 1, offset % SEGMENT)


def offset_of(position: Position) -> int:
    """The offset of the record behind a place."""
    return max(0, position[0] - 1) * SEGMENT + (position[1] if position[0] else 0)


class Broker:
    """A cluster by URL, `kafka://host:port[,host:port]/prefix`; topics are named `prefix.source`."""

    def __init__(self, url: str) -> None:
        try:
            import confluent_kafka
            from confluent_kafka import admin
        except ImportError as error:
            raise MissingExtra("kafka", f"the bus {url}") from error
        hosts, _, prefix = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not hosts or "/" in prefix:
            raise Invalid(f"a bus looks like kafka://host:9092/prefix, got {url!r}")
        self.kafka: Any = confluent_kafka
        self._admin_of: Any = admin
        self._hosts = hosts
        self.prefix = f"{prefix or DEFAULT_PREFIX}.events."
        self._consumer: Any = None
        self._lock = threading.RLock()

    def topic(self, source: str) -> str:
        """The topic of a source."""
        return self.prefix + source

    def producer(self) -> Any:
        """One that waits for all replicas."""
        return self.kafka.Producer(
            self._settings(
                **{
                    "acks": "all",
                    "linger.ms": 1,
                    "delivery.timeout.ms": _DELIVERY_MS,
                    "message.max.bytes": _MOST_BYTES,
                    "queue.buffering.max.messages": _WAITING_RECORDS,
                    "reconnect.backoff.max.ms": _COME_BACK_MS,
                }
            )
        )

    def _settings(self, **more: Any) -> dict[str, Any]:
        return {"bootstrap.servers": self._hosts, "log_level": 2, **more}

    @contextlib.contextmanager
    def consumer(self) -> Iterator[Any]:
        """The one consumer, for one user at a time; it is told where to read, and commits nothing itself."""
        with self._lock:
            if self._consumer is None:
                self._consumer = self.kafka.Consumer(
                    self._settings(
                        **{
                            "group.id": f"{self.prefix}reader",
                            "enable.auto.commit": False,
                            "enable.partition.eof": True,
                            "auto.offset.reset": "earliest",
                            "isolation.level": "read_committed",
                            "fetch.message.max.bytes": _MOST_BYTES,
                            "fetch.wait.max.ms": 50,
                        }
                    )
                )
            yield self._consumer

    def sources(self) -> list[str]:
        """Every source that has a topic. Raises Unavailable."""
        with self.consumer() as consumer:
            topics = self._asked(lambda: consumer.list_topics(timeout=ANSWER_S).topics)
        return sorted(name.removeprefix(self.prefix) for name in topics if name.startswith(self.prefix))

    def bounds(self, source: str) -> tuple[int, int]:
        """Offsets of the first record that is there, and behind the last; zeros where nobody wrote."""
        partition = self.kafka.TopicPartition(self.topic(source), 0)
        with self.consumer() as consumer:
            if self.topic(source) not in self._asked(lambda: consumer.list_topics(timeout=ANSWER_S).topics):
                return (0, 0)
            found = self._asked(lambda: consumer.get_watermark_offsets(partition, timeout=ANSWER_S, cached=False))
        if found is None:
            raise Unavailable(f"the bus does not say how far {source} is")
        return (int(found[0]), int(found[1]))

    def read(self, source: str, first: int, until: int) -> Iterator[tuple[int, bytes]]:
        """Records of a source, each with its offset. Raises Unavailable."""
        if first >= until:
            return
        with self.consumer() as consumer:
            consumer.assign([self.kafka.TopicPartition(self.topic(source), 0, first)])
            try:
                yield from self._polled(consumer, source, until)
            finally:
                consumer.unassign()

    def _polled(self, consumer: Any, source: str, until: int) -> Iterator[tuple[int, bytes]]:
        heard = time.monotonic()
        while True:
            for message in consumer.consume(num_messages=500, timeout=0.2):
                heard = time.monotonic()
                error = message.error()
                if error is not None and error.code() == self.kafka.KafkaError._PARTITION_EOF:
                    return
                if error is not None:
                    raise Unavailable(f"the bus cannot be read: {error.str()}")
                if message.offset() >= until:
                    return
                yield message.offset(), message.value()
                if message.offset() == until - 1:
                    return
            if time.monotonic() - heard > ANSWER_S:
                raise Unavailable(f"the bus has not sent what {source} holds for {ANSWER_S:g} s")

    def make(self, source: str) -> None:
        """A topic for a source, where there is none. Raises Unavailable."""
        admin = self._admin_of.AdminClient(self._settings())
        topic = self._admin_of.NewTopic(self.topic(source), num_partitions=1, replication_factor=-1, config=_TOPIC)
        try:
            admin.create_topics([topic], request_timeout=ANSWER_S)[topic.topic].result(ANSWER_S)
        except self.kafka.KafkaException as error:
            if error.args[0].code() != self.kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                raise Unavailable(f"the bus makes no topic {topic.topic}: {error.args[0].str()}") from error

    def remove_before(self, source: str, offset: int) -> None:
        """Forget the records before an offset. Raises Unavailable."""
        admin = self._admin_of.AdminClient(self._settings())
        partition = self.kafka.TopicPartition(self.topic(source), 0, offset)
        self._asked(lambda: admin.delete_records([partition])[partition].result(ANSWER_S))

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (self.kafka.KafkaException, TimeoutError) as error:
            raise Unavailable(f"the bus does not answer: {error}") from error

    def close(self) -> None:
        """Let go of the consumer."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
            self._consumer = None


class KafkaReader(Reader):
    """What every source has on the broker."""

    def __init__(self, url: str) -> None:
        self._broker = Broker(url)

    def sources(self, *, failed: bool = False) -> list[str]:
        """Names of the sources, of stored or of refused events."""
        return [name for name in self._broker.sources() if name.endswith(FAILED) is failed]

    def durable(self, source: str) -> Position:
        """The end of what the source has acknowledged."""
        until = self._broker.bounds(source)[1]
        return position_of(until) if until else START

    def _payloads(self, source: str, after: Position) -> Iterator[tuple[Position, bytes]]:
        until = self._broker.bounds(source)[1]
        for offset, payload in self._broker.read(source, offset_of(after), until):
            yield position_of(offset + 1), payload

    def segments(self, source: str) -> list[int]:
        """Numbers of the segments of which something is there, ascending."""
        first, until = self._broker.bounds(source)
        return list(range(position_of(first)[0], position_of(max(first, until - 1))[0] + 1)) if until > first else []

    def remove_segment(self, source: str, number: int) -> None:
        """Forget a segment, and whatever lies before it."""
        self._broker.remove_before(source, offset_of((number + 1, 0)))

    def erase(self, source: str, until: Position, needle: bytes) -> None:
        """A broker changes no record: where one has the bytes, all that consumers are through with goes."""
        if any(place <= until for place in self._places_of(source, needle)):
            self._broker.remove_before(source, offset_of(until))

    def holds(self, source: str, needle: bytes) -> bool:
        """Whether any record has the bytes, plain or as a refused event's."""
        return any(True for _ in self._places_of(source, needle))

    def _places_of(self, source: str, needle: bytes) -> list[Position]:
        return [place for place, payload in self._payloads(source, START) if names(payload, needle)]


class KafkaLog:
    """One source's topic, written by its process alone; kept like a `Wal`."""

    def __init__(self, url: str, source: str, *, waiting_bytes: int, after: Position = START) -> None:
        self._broker = Broker(url)
        self._source = source
        self._waiting_bytes = waiting_bytes
        self._waiting = 0
        self._mean_bytes = 0.0
        self._broker.make(source)
        self._end = self._broker.bounds(source)[1]
        if self._end < offset_of(after):
            self._broker.close()
            raise Unavailable(
                f"the topic {self._broker.topic(source)} ends at {self._end}, but {offset_of(after)} records of it "
                "were projected: name a new prefix in [events] bus, or bring the topic back"
            )
        self._away = ""
        """Why the bus takes nothing; until it answers again nobody waits for it."""
        self._producer = self._broker.producer()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"kafka-{source}", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(0.1)
            if self._away and self._answers():
                self._away = ""

    def _answers(self) -> bool:
        try:
            self._producer.list_topics(self._broker.topic(self._source), timeout=_ASK_S)
        except self._broker.kafka.KafkaException:
            return False
        return True

    @property
    def durable(self) -> Position:
        """The end of what was acknowledged."""
        return position_of(self._end) if self._end else (1, 0)

    async def append(self, payload: bytes) -> None:
        """Store a payload; returns once the broker has acknowledged it. On Backlogged or Unavailable ask again.

        Where one has waited in vain, all are refused at once until the broker answers: who waits holds a place of
        those who play.
        """
        if self._away:
            raise Unavailable(f"the bus takes no events: {self._away}; send the batch again")
        if self._waiting + len(payload) > self._waiting_bytes:
            raise Backlogged("the bus is not keeping up; send the batch again in a second")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()

        def delivered(error: Any, message: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                loop.call_soon_threadsafe(_settle, done, error, message.offset())

        self._waiting += len(payload)
        try:
            self._producer.produce(self._broker.topic(self._source), payload, partition=0, on_delivery=delivered)
            self._move(await done)
        except BufferError as error:
            raise Backlogged("the bus is not keeping up; send the batch again in a second") from error
        except self._broker.kafka.KafkaException as error:
            if error.args[0].code() == self._broker.kafka.KafkaError._MSG_TIMED_OUT:
                self._away = error.args[0].str()
            raise Unavailable(f"the bus takes no events: {error.args[0].str()}; send the batch again") from error
        finally:
            self._waiting -= len(payload)
        self._mean_bytes += (len(payload) - self._mean_bytes) / 100

    def _move(self, offset: int) -> None:
        """Acknowledgements come in the order of their offsets, unless the broker has begun anew."""
        if offset < self._end:
            raise Unavailable(
                f"the broker has lost {self._broker.topic(self._source)} behind {offset}: consumers would not read "
                "what it takes now; bring the topic back, or name a new prefix in [events] bus"
            )
        self._end = offset + 1

    def read(self, after: Position) -> Iterator[tuple[Position, bytes]]:
        """Acknowledged payloads after a position, each with the position behind it."""
        for offset, payload in self._broker.read(self._source, offset_of(after), self._end):
            yield position_of(offset + 1), payload

    def bytes_after(self, after: Position) -> int:
        """About how much lies between a position and the end: records times their mean size."""
        return round(max(0, self._end - offset_of(after)) * self._mean_bytes)

    async def close(self) -> None:
        """Wait for what is on its way, then let go."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._producer.flush(ANSWER_S)
        self._closed.set()
        self._thread.join()
        self._broker.close()


def _settle(done: asyncio.Future[int], error: Any, offset: int) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(offset)
    else:
        from confluent_kafka import KafkaException

        done.set_exception(KafkaException(error))
