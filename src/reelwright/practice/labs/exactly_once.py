"""Lab: a consumer whose totals count every acknowledged event once, whenever it is killed and the power is cut."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from reelwright.events.adapters.wal import Log
from reelwright.events.core.frame import START, frame
from reelwright.kernel.files import AppendFile, ForgetfulDisk
from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, InProcess, Judged, Lab, Prediction, Serve

FOLDER = Path("/lab")
RUNS, BATCHES, EVENTS, CRASHES = 24, 10, 6, 4
MOST_OPERATIONS = 20_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
BRIEF = """\
Write `class Consumer` with `__init__(self, disk)`, `take(self, events)` and `totals(self)`. An event is
`(id, key, amount)`. `take` returns once its events survive a power cut; `totals` is the sum of amounts by key, each
event id counted once. The process is killed with SIGKILL between any two operations of the disk, and often the power
goes too: then only what was synced is sure to be there, the rest partly, with zeros or torn. A new `Consumer` is made
on the same disk, and a batch whose `take` did not return comes again. Clients repeat events in later batches as well.

`disk` has `list()`, `size(name)`, `read(name)`, `append(name, data)`, `truncate(name, size)`, `sync(name)`,
`sync_folder()`; a new file's name survives only after `sync_folder`. It is the port on which the service's own log
runs in its tests.

It passes when every total is exact after every crash.
"""
Event = tuple[str, str, int]


class _Killed(BaseException):
    """The process is to die here."""


class _Machine:
    """The disk of one run, and when the process on it dies."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._disk = ForgetfulDisk(chance)
        self.operations = 0
        self._crash_at = 0

    def arm(self) -> None:
        """Choose the next operation at which the process dies."""
        self._crash_at = self.operations + self._chance.randint(1, self._chance.choice((3, 14)))

    def disarm(self) -> None:
        """Let it live."""
        self._crash_at = 0

    def restart(self, decider: Decider, *, power: bool) -> None:
        """Kill the process; with `power`, lose what was not synced."""
        decider.restart()
        if power:
            self._disk.cut_power()

    def serve(self, call: Any) -> Any:
        """One operation; dies before or after it when its time has come."""
        self.operations += 1
        if self.operations > MOST_OPERATIONS:
            raise Broken(f"more than {MOST_OPERATIONS} operations of the disk")
        dies = self.operations == self._crash_at
        if dies and self._chance.random() < 0.5:
            raise _Killed
        try:
            answer: dict[str, Any] = {"value": self._do(call)}
        except OSError as error:
            answer = {"error": str(error)}
        if dies:
            raise _Killed
        return answer

    def _do(self, call: Any) -> Any:
        verb, *rest = call if isinstance(call, list) and call else [""]
        if verb == "list":
            return self._disk.list(FOLDER)
        if verb == "sync_folder":
            return self._disk.sync_folder(FOLDER)
        if not rest or not isinstance(rest[0], str) or not _NAME.fullmatch(rest[0]):
            raise OSError(f"a name has small letters, digits, dots and hyphens, got {str(rest)[:60]}")
        path = FOLDER / rest[0]
        if verb == "size":
            return self._disk.size(path)
        if verb == "read":
            return base64.b64encode(self._disk.read(path, 0, self._disk.size(path))).decode()
        file = self._disk.append(path)
        if verb == "append":
            return file.write(base64.b64decode(rest[1]))
        if verb == "truncate":
            return file.truncate(int(rest[1]))
        if verb == "sync":
            return file.sync()
        raise OSError(f"no such operation: {verb!r}")


def judge(decider: Decider, seed: int) -> Judged:
    """Some runs with crashes, each from an empty disk, against sums that were never on one."""
    wrong = crashes = 0
    reason = picture = ""
    for number in range(RUNS):
        chance = Random(f"exactly-once|{seed}|{number}")  # noqa: S311 (repeatable, not secret)
        decider.restart()
        told, history = _run(decider, chance)
        crashes += len(history)
        if told:
            wrong += 1
            reason = reason or f"run {number + 1}, killed {len(history)} times: {told}"
            picture = picture or _draw(history)
    return Judged(passed=wrong == 0, reason=reason, picture=picture, measures={"wrong_runs": float(wrong)})


def _run(decider: Decider, chance: Random) -> tuple[str, list[tuple[int, bool]]]:
    """What is wrong after one run, and its history: (batch, whether the power went)."""
    machine = _Machine(chance)
    history: list[tuple[int, bool]] = []
    counted: dict[str, Event] = {}
    for number, batch in enumerate(_batches(chance)):
        while True:
            machine.arm() if len(history) < CRASHES and chance.random() < 0.7 else machine.disarm()
            try:
                decider.ask({"take": batch}, machine.serve)
                break
            except _Killed:
                power = chance.random() < 0.6
                history.append((number, power))
                machine.restart(decider, power=power)
        counted.update((event[0], event) for event in batch)
        if history and chance.random() < 0.3:
            told = _compare(decider, machine, counted)
            if told:
                return f"after batch {number + 1}: {told}", history
    machine.restart(decider, power=True)
    return _compare(decider, machine, counted), history


def _batches(chance: Random) -> Iterator[list[Event]]:
    sent: list[Event] = []
    for number in range(BATCHES):
        batch = [(f"e{number}-{place}", chance.choice("abcde"), chance.randint(1, 9)) for place in range(EVENTS)]
        repeats = [chance.choice(sent) for _ in range(chance.randint(0, 3))] if sent else []
        sent += batch
        mixed = batch + repeats
        chance.shuffle(mixed)
        yield mixed


def _compare(decider: Decider, machine: _Machine, counted: dict[str, Event]) -> str:
    machine.disarm()
    expected: dict[str, int] = {}
    for _, key, amount in counted.values():
        expected[key] = expected.get(key, 0) + amount
    got = decider.ask({"totals": True}, machine.serve)
    if not isinstance(got, dict):
        raise Broken(f"totals are a mapping, got {str(got)[:80]}")
    for key in sorted({*expected, *map(str, got)}):
        if got.get(key, 0) != expected.get(key, 0) or type(got.get(key, 0)) is not int:
            what = (
                "lost" if isinstance(got.get(key, 0), int) and got.get(key, 0) < expected.get(key, 0) else "doubled"
            )
            return f"total of {key}: expected {expected.get(key, 0)}, got {got.get(key, 0)!r} ({what})"
    return ""


def _draw(history: list[tuple[int, bool]]) -> str:
    """Batches from left to right, with the moments of death."""
    marks = "".join(
        f'<circle class="{"power" if power else "kill"}" cx="{40 + 52 * batch + 9 * (place % 3)}" cy="50" r="5"/>'
        for place, (batch, power) in enumerate(history)
    )
    boxes = "".join(
        f'<rect class="batch" x="{20 + 56 * at}" y="70" width="48" height="20"/>' for at in range(BATCHES)
    )
    return picture(
        "Batches, and where the process was killed or the power went",
        boxes + marks,
        height=96,
        across="batches, first to last",
        key={"batch": "a batch", "kill": "killed there", "power": "the power went there"},
    )


class _ServedFile:
    def __init__(self, serve: Serve, name: str) -> None:
        self._serve, self._name = serve, name

    def write(self, data: bytes) -> None:
        _value(self._serve(["append", self._name, base64.b64encode(data).decode()]))

    def sync(self) -> None:
        _value(self._serve(["sync", self._name]))

    def truncate(self, size: int) -> None:
        _value(self._serve(["truncate", self._name, size]))

    def close(self) -> None:
        pass


class _ServedDisk:
    """The port of the service's log on the same served operations that a person's code has."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    def make_folder(self, folder: Path) -> None:
        """There is one folder."""

    def list(self, folder: Path) -> list[str]:  # noqa: ARG002 (the port's)
        return [str(name) for name in _value(self._serve(["list"]))]

    def size(self, path: Path) -> int:
        return int(_value(self._serve(["size", path.name])))

    def read(self, path: Path, start: int, stop: int) -> bytes:
        return base64.b64decode(_value(self._serve(["read", path.name])))[start:stop]

    def append(self, path: Path) -> AppendFile:
        _value(self._serve(["append", path.name, ""]))
        return _ServedFile(self._serve, path.name)

    def sync_folder(self, folder: Path) -> None:  # noqa: ARG002 (the port's)
        _value(self._serve(["sync_folder"]))

    def note(self, path: Path, data: bytes) -> None:
        """Nobody else reads this log."""


def _value(answer: Any) -> Any:
    if "error" in answer:
        raise OSError(answer["error"])
    return answer["value"]


class _OnOurLog:
    """The service's own write-ahead log, and a projection of it in memory."""

    def __init__(self, serve: Serve) -> None:
        self._events: dict[str, Event] = {}
        self._log = Log(_ServedDisk(serve), FOLDER, segment_bytes=2048)
        for _, payload in self._log.read(START):
            self._count(msgspec.json.decode(payload, type=list[Event]))

    def take(self, events: list[Event]) -> None:
        self._log.commit(frame(msgspec.json.encode(events)))
        self._count(events)

    def _count(self, events: list[Event]) -> None:
        self._events.update((event[0], event) for event in events)

    def totals(self) -> dict[str, int]:
        return _sums(self._events)


class _NeverSyncs:
    """Lines of JSON, read again at the start; the disk's cache is believed."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._events: dict[str, Event] = {}
        for line in self._lines():
            self._count(line)

    def _lines(self) -> list[bytes]:
        known = "log" in _value(self._serve(["list"]))
        return base64.b64decode(_value(self._serve(["read", "log"]))).splitlines() if known else []

    def _count(self, line: bytes) -> None:
        try:
            events = msgspec.json.decode(line, type=list[Event])
        except msgspec.DecodeError:
            return
        self._events.update((event[0], event) for event in events)

    def take(self, events: list[Event]) -> None:
        line = msgspec.json.encode(events)
        _value(self._serve(["append", "log", base64.b64encode(line + b"\n").decode()]))
        self._count(line)

    def totals(self) -> dict[str, int]:
        return _sums(self._events)


def _sums(events: dict[str, Event]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for _, key, amount in events.values():
        sums[key] = sums.get(key, 0) + amount
    return sums


def _policy(consumer_of: Callable[[Serve], _OnOurLog | _NeverSyncs]) -> Decider:
    def make() -> Any:
        consumer: list[_OnOurLog | _NeverSyncs] = []

        def answer(message: Any, serve: Serve | None) -> Any:
            assert serve is not None
            if not consumer:
                consumer.append(consumer_of(serve))
            if "totals" in message:
                return consumer[0].totals()
            consumer[0].take(message["take"])
            return True

        return answer

    return InProcess(make)


LAB = Lab(
    id="exactly-once",
    title="Every event once, whatever dies",
    brief=BRIEF,
    driver="exactly_once.py",
    judge=judge,
    policies={"reelwright": lambda: _policy(_OnOurLog), "textbook, never syncs": lambda: _policy(_NeverSyncs)},
    predicts=Prediction(
        asks=f"In how many of {RUNS} runs is a consumer wrong that appends and never syncs?",
        measure="wrong_runs",
        policy="textbook, never syncs",
    ),
    shows=(("reliability", 5), ("correctness", 4)),
    bounds=Bounds(wall_s=50),
)
