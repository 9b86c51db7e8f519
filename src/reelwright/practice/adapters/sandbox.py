"""Runs a person's code apart: bubblewrap where it works, and JSON lines over its standard input and output.

Inside there is no network, no /proc, no file of the host but Python and the system's libraries (read-only), a small
private /tmp, no second process, and bounded CPU time, memory, output and wall-clock time.
"""

from __future__ import annotations

import functools
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import msgspec

from reelwright.kernel.bounded import bounded, interpreter
from reelwright.practice.adapters.seccomp import filter_program
from reelwright.practice.contract import Broken, Refused

Confinement = Literal["bubblewrap", "limits"]
DRIVERS = Path(__file__).resolve().parents[1] / "labs" / "drivers"
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
TMP_BYTES, FILES_MOST = 16 << 20, 64
PRINTED_BYTES, TOLD_BYTES = 1 << 20, 4000
BUSY_SHARE = 0.5
"""Of the wall clock: who waited longer than this for a processor was not given their time."""
_LIVE: weakref.WeakSet[Sandbox] = weakref.WeakSet()
ENDING: ContextVar[threading.Event | None] = ContextVar("ending", default=None)
"""Set by who ends this context's runs, before `end_all`: what starts meanwhile is ended as well."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may use."""

    cpu_s: int = 20
    wall_s: float = 40.0
    memory_bytes: int = 512 << 20
    line_bytes: int = 16 << 20
    output_bytes: int = 128 << 20
    source_bytes: int = 256 << 10


def choose_confinement(*, people: int, loopback: bool, agreed: bool) -> Confinement:
    """How code may run here. Raises Refused: without bubblewrap only one person, on loopback, who has agreed."""
    if bubblewrap_works():
        return "bubblewrap"
    if people > 1 or not loopback:
        raise Refused(
            "labs run code only in a sandbox when several people use this server or it is reached from outside; "
            "bubblewrap does not work here: install it, and allow unprivileged user namespaces"
        )
    if not agreed:
        raise Refused(
            "bubblewrap does not work here, so your own code would run as you do, with limits of CPU time and memory "
            "only; say once that this is what you want"
        )
    return "limits"


@functools.cache
def bubblewrap_works() -> bool:
    """Whether bubblewrap, with the very options of a lab, runs a program here; found out by doing it."""
    if shutil.which("bwrap") is None or filter_program() is None:
        return False
    try:
        with Sandbox("def answer(message): return message", driver="echo.py", bounds=Bounds(wall_s=15)) as sandbox:
            return bool(sandbox.ask({"ping": 1}) == {"ping": 1})
    except (Broken, OSError):
        return False


def end_all() -> None:
    """Kill whatever runs, in whichever thread: this process is about to end."""
    for sandbox in list(_LIVE):
        sandbox.kill()


_OWN = re.compile(r'File "/lab/solution\.py", line (\d+)')
_LABS = re.compile(r'File "/lab/driver\.py", line \d+, in \w+\n *([^\n]+)\n')
_MISSING = re.compile(r"File \"/lab/driver\.py\", line \d+, in \w+\n[^\n]*\n(?:[ ^~]+\n)?KeyError: '(\w+)'\s*$")


class Sandbox:
    """One process with a person's code; a context manager that ends it."""

    def __init__(
        self, source: str, *, driver: str, bounds: Bounds | None = None, confinement: Confinement = "bubblewrap"
    ) -> None:
        self._bounds = bounds or Bounds()
        if len(source.encode()) > self._bounds.source_bytes:
            raise Broken(f"the code has more than {self._bounds.source_bytes >> 10} KB")
        self._source = source
        self._driver = DRIVERS / driver
        self._confinement: Confinement = confinement
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline_s = self._queued_s = 0.0
        self._read = 0
        self._rest = b""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="lab-")
        (Path(self._folder.name) / "solution.py").write_text(self._source, encoding="utf-8")
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self._deadline_s = time.monotonic() + self._bounds.wall_s
        self._queued_s = _queued_s(os.getpid())
        _LIVE.add(self)
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        folder = Path(self._folder.name)
        with tempfile.TemporaryFile() as program:
            program.write(filter_program() or b"")
            program.seek(0)
            inside = self._confinement == "bubblewrap"
            command = self._bounded() + (self._confined(folder, program.fileno()) if inside else self._bare(folder))
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                pass_fds=(program.fileno(),) if inside else (),
                env={"PATH": "/usr/bin:/bin"},
                cwd=folder,
                start_new_session=True,
            )
        self._rest = b""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        ending = ENDING.get()
        if ending is not None and ending.is_set():
            self.kill()
            raise Broken("the service ends")

    def restart(self) -> None:
        """kill -9, and begin again with nothing in memory; the wall clock of the whole run goes on."""
        self.kill()
        self._start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _LIVE.discard(self)
        self.kill()
        self._errors.close()
        self._folder.cleanup()

    def kill(self) -> None:
        """End it with SIGKILL; everything inside ends with it.

        To the whole group: bubblewrap's own child has not yet asked to die with its parent when it is very young.
        """
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    def cpu_ns(self) -> int:
        """The CPU time that all of it has taken so far, in ns, as the kernel counts it."""
        assert self._process is not None
        return sum(map(_cpu_ns, _family(self._process.pid)))

    def ask(self, message: Any, serve: Callable[[Any], Any] | None = None) -> Any:
        """Send one message and return the answer. Raises Broken when there is none, none in time, or no JSON.

        What the code asks for meanwhile (`{"call": …}`) is answered by `serve`; what that raises goes through.
        """
        self._send(msgspec.json.encode(message) + b"\n")
        while True:
            line = self._line()
            try:
                answer = msgspec.json.decode(line)
            except msgspec.DecodeError as error:
                raise Broken(f"an answer is no JSON ({error}): {line[:80]!r}") from None
            if not isinstance(answer, dict):
                return answer
            if "failed" in answer:
                raise Broken(f"the code raised: {self._too_much() or _told(str(answer['failed'])[-8000:])[-2000:]}")
            if serve is None or "call" not in answer:
                return answer.get("answer", answer)
            self._send(msgspec.json.encode(serve(answer["call"])) + b"\n")

    def _send(self, data: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        pipe = self._process.stdin
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_WRITE)
            while data:
                self._wait(selector)
                try:
                    data = data[os.write(pipe.fileno(), data[: 1 << 16]) :]
                except BrokenPipeError:
                    raise Broken(self._why_ended()) from None

    def _line(self) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        pipe = self._process.stdout
        parts = [self._rest]
        size = len(self._rest)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in parts[-1]:
                self._wait(selector)
                data = os.read(pipe.fileno(), 1 << 16)
                if not data:
                    raise Broken(self._why_ended())
                parts.append(data)
                size += len(data)
                self._read += len(data)
                if size > self._bounds.line_bytes or self._read > self._bounds.output_bytes:
                    self.kill()
                    raise Broken(f"more output than {self._bounds.line_bytes >> 20} MB an answer")
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line

    def _wait(self, selector: selectors.BaseSelector) -> None:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0 or not selector.select(left_s):
            self._blame_the_machine()
            self.kill()
            raise Broken(f"no answer within {self._bounds.wall_s:g} s")

    def _blame_the_machine(self) -> None:
        """Raise OSError where the time went by in the queue for a processor: that says nothing about the code."""
        assert self._process is not None
        queued_s = _queued_s(os.getpid()) - self._queued_s + sum(map(_queued_s, _family(self._process.pid)))
        if queued_s > BUSY_SHARE * self._bounds.wall_s:
            self.kill()
            raise OSError(
                f"this machine was too busy: of {self._bounds.wall_s:g} s the code waited {queued_s:.0f} to run"
            )

    def _why_ended(self) -> str:
        assert self._process is not None
        try:
            status = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            status = None
        said = self._too_much() or _told(self.printed())[-800:]
        return f"the code ended with status {status}{self._meaning(status)}" + (f": {said}" if said else "")

    def printed(self) -> str:
        """The last of what the code printed, tracebacks of its end among it."""
        said = os.pread(self._errors.fileno(), TOLD_BYTES, max(0, self._size() - TOLD_BYTES))
        return said.decode("utf-8", "replace").strip()

    def _size(self) -> int:
        return os.fstat(self._errors.fileno()).st_size

    def _too_much(self) -> str:
        full = self._size() >= PRINTED_BYTES
        return (
            f"it printed more than {PRINTED_BYTES >> 20} MB, and there is no room for more: print less"
            if full
            else ""
        )

    def _meaning(self, status: int | None) -> str:
        """What a status says to whoever wrote the code; a signal's is negative, or above 128 from bubblewrap."""
        number = 0 if status is None else -status if status < 0 else status - 128
        if number in (signal.SIGKILL, signal.SIGXCPU):
            return f", killed after {self._bounds.cpu_s} s of CPU time: it is far too slow, or loops without end"
        if number in set(signal.Signals):
            return f", a crash of Python itself ({signal.Signals(number).name})"
        return " before it answered"

    def _bounded(self) -> list[str]:
        bounds = self._bounds
        return bounded(
            cpu_s=bounds.cpu_s, memory_bytes=bounds.memory_bytes, file_bytes=PRINTED_BYTES, files=FILES_MOST
        )

    def _bare(self, folder: Path) -> list[str]:
        return [interpreter(), "-I", "-S", "-B", str(self._driver), str(folder / "solution.py")]

    def _confined(self, folder: Path, program: int) -> list[str]:
        return [
            "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
            *_bound(_SYSTEM), *_bound((sys.base_prefix,)),
            "--dev", "/dev", "--remount-ro", "/dev",
            "--size", str(TMP_BYTES), "--tmpfs", "/tmp",  # noqa: S108 (its own)
            "--ro-bind", str(self._driver), "/lab/driver.py",
            "--ro-bind", str(folder / "solution.py"), "/lab/solution.py",
            "--chdir", "/tmp", "--hostname", "lab", "--seccomp", str(program), "--remount-ro", "/",  # noqa: S108
            "--", interpreter(), "-I", "-S", "-B", "/lab/driver.py", "/lab/solution.py",
        ]  # fmt: skip


def _family(pid: int) -> list[int]:
    """A process and all that came of it, where Linux tells."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in _family(int(child)))]


def _queued_s(pid: int) -> float:
    """Seconds for which a process was ready and had no processor; 0 where Linux does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _cpu_ns(pid: int) -> int:
    """Of all its threads, the ended ones too; 0 of a process that has ended. `ps` tells hundredths of a second."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)  # clock_getcpuclockid(3), which Python lacks
    except OSError:
        said = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True).stdout
    return round(
        1e9 * functools.reduce(lambda sum_s, part: 60 * sum_s + float(part or 0), said.strip().split(":"), 0.0)
    )


def _bound(places: Sequence[str]) -> list[str]:
    options: list[str] = []
    for place in places:
        path = Path(place)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), place]
        elif path.exists():
            options += ["--ro-bind", place, place]
    return options


def _told(failed: str) -> str:
    """Of a traceback what concerns the code: from its first line on, or what our driver could not do with it."""
    found, own = _MISSING.search(failed), _OWN.search(failed)
    if found:
        return f"it has no {found[1]}, which the lab calls by this name"
    labs = _LABS.findall(failed)
    if own is None and labs:
        return f"what it gives does not fit the lab's `{labs[-1]}`: {failed.strip().splitlines()[-1]}"
    begins = failed.rfind("Traceback (", 0, own.start()) if own else -1
    said = failed if own is None or begins < 0 else failed[:begins] + failed[own.start() :]
    return _OWN.sub(r"line \1 of your code", said)
