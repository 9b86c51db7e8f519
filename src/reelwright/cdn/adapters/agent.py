"""An edge's side of the control plane: reports every few seconds, carries out what it is told, and lives without.

What it has been told lies in a file, so that an edge which starts while the control plane is away goes on as before:
it serves, checks signatures with the ring that it has, and fills by its last plan.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol, TypeVar

import httpx
import msgspec

from reelwright.cdn.contract import KEYS_FOR_EDGES, Atlas, EdgeOrders, EdgeReport, FillPlan, PurgeOrder
from reelwright.kernel.clock import Clock, VirtualClock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.peers import peer_token
from reelwright.kernel.telemetry import counter, gauge, logger

REPORTS = counter("edge_reports_total", "Reports to the control plane, by what came of them.", ("outcome",))
AWAY = gauge("edge_control_away", "1 while the control plane does not answer this edge.")
LONGEST_WAIT_S = 30.0
PATIENCE_S = 10.0
"""After a start the control plane may still be starting too: until then its silence is no news."""
ACCESSES_A_REPORT = 500
ATLAS = "atlas.json"
"""Beside what else is remembered: it changes more often."""
Kept = TypeVar("Kept", bound=msgspec.Struct)
log = logger(__name__)


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What an edge was told, as it lies on its disk."""

    purged: int = -1
    fill: FillPlan | None = None


class Told(Protocol):
    """What the control plane may order of an edge."""

    def describe(self) -> EdgeReport:
        """The edge as it is now; without what the agent knows better."""
        ...

    def purge(self, order: PurgeOrder) -> int:
        """Carry out a purge; the number of objects that went."""
        ...

    def purge_all(self) -> None:
        """Forget everything: it is not known what was purged meanwhile."""
        ...

    def fill(self, plan: FillPlan) -> None:
        """Follow a plan from now on."""
        ...

    def show_all(self) -> None:
        """Describe the whole inventory next time."""
        ...

    def keys_changed(self) -> None:
        """The key ring is another."""
        ...

    def follow(self, atlas: Atlas) -> None:
        """Steer by this from now on."""
        ...

    def sent(self, accesses: int, decided: int) -> None:
        """The last description has arrived, and so many of its accesses and decisions are stored."""
        ...


REFUSALS = (400, 403, 409, 422)
"""Statuses of a report that the control plane does not take as it is."""


class Agent:
    """Reports for one edge until it is cancelled."""

    def __init__(self, name: str, control: str, *, keys: KeyRing, clock: Clock, told: Told, memory: Path) -> None:
        if not control.startswith(("http://", "https://")):
            raise Invalid(f"cdn.control is http(s)://host:port of the service, got {control!r}")
        self._url = f"{control.rstrip('/')}/api/v1/cdn/edges/{name}/report"
        self._keys = keys
        self._clock = clock
        self._told = told
        self._memory = memory
        self._boot = secrets.token_hex(8)
        self._ahead_ns = 0
        """How far this machine's wall clock is behind the control plane's, once that has said so."""
        self._began_ns = clock.monotonic_ns()
        self._reached = False
        """Whether it has ever answered."""
        self._missed = False
        """Whether it was said that it does not answer."""
        self.remembered = _read(memory, Remembered)
        if self.remembered.fill is not None:
            told.fill(self.remembered.fill)
        self._atlas_file = memory.with_name(ATLAS)
        atlas = _read(self._atlas_file, Atlas)
        if atlas.id:
            told.follow(atlas)

    async def run(self) -> None:
        """Report for ever."""
        # Our own service may have a certificate for its public name only; what leaves this machine is checked.
        local = any(self._url.startswith(f"https://{host}") for host in ("127.0.0.1", "[::1]", "localhost"))
        async with httpx.AsyncClient(timeout=httpx.Timeout(10, connect=3), verify=not local) as client:
            wait_s = 0.0
            while True:
                try:
                    wait_s = await self._report(client)
                except (httpx.HTTPError, Invalid, msgspec.MsgspecError, OSError) as error:
                    wait_s = min(LONGEST_WAIT_S, max(0.5, 2 * wait_s))
                    self._failed(error)
                await asyncio.sleep(wait_s)

    async def _report(self, client: httpx.AsyncClient) -> float:
        """One report; the seconds until the next."""
        report = msgspec.structs.replace(
            self._told.describe(), boot=self._boot, purged=self.remembered.purged, key=self._keys.newest.name
        )
        clock = VirtualClock(self._clock.wall_ns() + self._ahead_ns)
        headers = {"Authorization": f"Bearer {peer_token(self._keys, clock)}", "Content-Type": "application/json"}
        answer = await client.post(self._url, content=msgspec.json.encode(report), headers=headers)
        if answer.status_code == 401:
            self._set_clock(answer)
        if answer.status_code in REFUSALS:
            raise Refused(_detail(answer))
        answer.raise_for_status()
        orders = msgspec.json.decode(answer.content, type=EdgeOrders)
        self._obey(orders)
        self._worked()
        behind = len(report.accesses) >= ACCESSES_A_REPORT or len(orders.purges) > 0
        return 0.05 if behind else orders.heartbeat_s

    def _obey(self, orders: EdgeOrders) -> None:
        if orders.purge_all:
            self._told.purge_all()
        for one in orders.purges:
            self._told.purge(one.order)
        if orders.keys and self._keys.replaced(self._unsealed(orders.keys)):
            log.info("the key ring came from the control plane", newest=self._keys.newest.name)
            self._told.keys_changed()
        if orders.fill is not None:
            self._told.fill(orders.fill)
        if orders.atlas is not None:
            self._told.follow(orders.atlas)
            _write(self._atlas_file, orders.atlas)
        self._told.sent(orders.accepted, orders.noted)
        if orders.show_all:
            self._told.show_all()
        self._remember(
            Remembered(purged=orders.purged, fill=orders.fill if orders.fill is not None else self.remembered.fill)
        )

    def _unsealed(self, sealed: str) -> bytes:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            data = base64.b64decode(sealed, validate=True)
            known = self._keys.newest.name
            return AESGCM(self._keys.derived(known, KEYS_FOR_EDGES)).decrypt(data[:12], data[12:], known.encode())
        except (InvalidTag, ValueError) as error:
            raise Invalid("the keys from the control plane cannot be opened; copy its key ring here") from error

    def _set_clock(self, answer: httpx.Response) -> None:
        """A token is refused when our clock is wrong; the answer says what time it is there."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            self._ahead_ns = int(theirs * 1e9) - self._clock.wall_ns()

    def _remember(self, told: Remembered) -> None:
        if told == self.remembered:
            return
        self.remembered = told
        _write(self._memory, told)

    def _worked(self) -> None:
        REPORTS.labels("ok").inc()
        AWAY.set(0)
        if self._missed:
            log.info("the control plane answers again", url=self._url)
        self._reached, self._missed = True, False

    def _failed(self, error: Exception) -> None:
        REPORTS.labels("failed").inc()
        AWAY.set(1)
        refused = isinstance(error, Refused)
        starting = not self._reached and self._clock.monotonic_ns() - self._began_ns < PATIENCE_S * 1e9
        if self._missed or (starting and not refused):
            return
        what = "refuses this edge's reports" if refused else "does not answer"
        problem = str(error) or type(error).__name__
        log.warning(f"the control plane {what}; this edge serves on", url=self._url, problem=problem)
        self._missed = True


class Refused(Invalid):
    """The control plane understood a report and does not take it: to wait mends nothing."""


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _write(path: Path, told: msgspec.Struct) -> None:
    """Whole, or not at all."""
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(msgspec.json.encode(told))
    part.replace(path)


def _read(path: Path, kind: type[Kept]) -> Kept:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return kind()
