"""The supervisor: starts the service's processes, restarts one that dies, and stops them cleanly.

It imports nothing of the systems, so that it stays small and cannot fall with one of them. Each child holds the read
end of a pipe; when the supervisor itself is killed the pipe closes and the children stop by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from reelwright.app.incidents import explain_exit, read_incidents, write_incidents, write_processes
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.operations import Incident, ProcessState
from reelwright.kernel.system import Health
from reelwright.kernel.telemetry import forget_process, logger

STOP_S = 4.0
FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 10.0
STEADY_S = 30.0
"""A process that ran this long is taken as well; its back-off starts anew."""
LATE_S = 20.0
"""Whoever is not ready after so long is asked why, and the log says it."""

log = logger(__name__)


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A process to keep running: its command, its environment, and where it answers `/readyz`."""

    name: str
    argv: tuple[str, ...]
    environ: dict[str, str] = {}
    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = False


def next_back_off_s(last_s: float, ran_s: float) -> float:
    """Seconds to wait before a restart: doubled each time, from the start again after a steady run."""
    if ran_s >= STEADY_S:
        return FIRST_BACK_OFF_S
    return min(LONGEST_BACK_OFF_S, last_s * 2 if last_s else FIRST_BACK_OFF_S)


class Supervisor:
    """Keeps `children` running until told to stop."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        run_folder: Path,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._children = children
        self._folder = run_folder
        self._clock = SystemClock()
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        self._states: dict[str, ProcessState] = {}
        self._incidents = read_incidents(run_folder)

    async def run(self) -> None:
        """Start everything, watch it, and return when everything has been stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        keepers = [asyncio.create_task(self._keep(child)) for child in self._children]
        announcer = asyncio.create_task(self._announce())
        await self._stopping.wait()
        announcer.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _announce(self) -> None:
        while any(self._states.get(child.name, None) is None for child in self._children) or any(
            state.state != "ready" for state in self._states.values()
        ):
            await asyncio.sleep(0.05)
        self._on_ready()

    async def _keep(self, child: Child) -> None:
        back_off_s, restarts = 0.0, 0
        while not self._stopping.is_set():
            process = await self._spawn(child)
            started_ns = self._clock.monotonic_ns()
            self._publish(child, "starting", process.pid, restarts)
            ready = asyncio.create_task(self._mark_ready(child, process.pid, restarts))
            ended = await self._wait(process)
            ready.cancel()
            if not ended:
                await self._stop(child, process)
                return
            back_off_s = next_back_off_s(back_off_s, (self._clock.monotonic_ns() - started_ns) / 1e9)
            restarts += 1
            self._record(child, process, back_off_s)
            self._publish(child, "restarting", process.pid, restarts)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), back_off_s)
        self._publish(child, "stopped", 0, restarts)

    async def _spawn(self, child: Child) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *child.argv,
            env={**os.environ, **child.environ},
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches only us, and we stop the children in order
        )

    async def _wait(self, process: asyncio.subprocess.Process) -> bool:
        """True when the process ended by itself, False when we are to stop it."""
        ended = asyncio.create_task(process.wait())
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        return not self._stopping.is_set()

    async def _stop(self, child: Child, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                log.warning("process did not stop in time; killed", name=child.name, pid=process.pid)
                _kill_group(process.pid)
                await process.wait()
        _kill_group(process.pid)  # encoders that it may have left
        self._publish(child, "stopped", 0, self._states[child.name].restarts)

    async def _mark_ready(self, child: Child, pid: int, restarts: int) -> None:
        began_ns, told = self._clock.monotonic_ns(), ""
        while child.port and (lacks := await lacking(child.host, child.port, tls=child.tls)):
            late = self._clock.monotonic_ns() - began_ns > LATE_S * 1e9
            if late and lacks != told:
                told = lacks
                log.warning("not ready yet", name=child.name, pid=pid, lacks=lacks)
            await asyncio.sleep(1.0 if late else 0.05)
        self._publish(child, "ready", pid, restarts)
        now_ms = self._now_ms()
        self._incidents = [
            msgspec.structs.replace(incident, back_ms=now_ms)
            if incident.process == child.name and incident.back_ms is None
            else incident
            for incident in self._incidents
        ]
        write_incidents(self._folder, self._incidents)

    def _record(self, child: Child, process: asyncio.subprocess.Process, back_off_s: float) -> None:
        _kill_group(process.pid)
        if metrics := child.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            forget_process(process.pid, metrics)
        why, advice = explain_exit(process.returncode or 0)
        incident = Incident(
            at_ms=self._now_ms(),
            process=child.name,
            pid=process.pid,
            why=why,
            done=f"restarted after {back_off_s:.1f} s",
            advice=advice,
        )
        log.error("process ended", name=child.name, pid=process.pid, why=why, restart_in_s=back_off_s)
        self._incidents.append(incident)
        write_incidents(self._folder, self._incidents)

    def _publish(self, child: Child, state: str, pid: int, restarts: int) -> None:
        scheme = "https" if child.tls else "http"
        address = f"{scheme}://{child.host}:{child.port}" if child.port else ""
        self._states[child.name] = msgspec.convert(
            {
                "name": child.name,
                "state": state,
                "pid": pid,
                "since_ms": self._now_ms(),
                "restarts": restarts,
                "address": address,
            },
            ProcessState,
        )
        write_processes(self._folder, list(self._states.values()))

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


async def lacking(host: str, port: int, *, tls: bool = False) -> str:
    """Why `GET /readyz` does not answer 200 within a second, as it says itself; empty where it does."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(host, port, ssl=_own_child() if tls else None)
            writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return "it does not answer"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0]
    if b" 200 " in status:
        return ""
    try:
        parts = msgspec.json.decode(body, type=list[Health])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        parts = []
    down = (f"{one.system}: {one.says}. {one.do}".rstrip() for one in parts if one.state == "down")
    return "; ".join(down) or f"it answers {status.decode('latin-1')!r}"


def _own_child() -> ssl.SSLContext:
    """TLS to a process that we have started: its certificate is for the public name, not for this address."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
