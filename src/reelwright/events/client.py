"""Events of a service whose collector runs apart: told over HTTP, asked from the shared database."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import httpx
import msgspec

from reelwright.events.contract import Backlogged, Event, Tally, Verdict
from reelwright.events.service import Projections
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, Unavailable
from reelwright.kernel.ids import ProfileId
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.peers import peer_token

PATH = "/api/v1/peer/events"
PROJECTED = f"{PATH}/projected"
TIMEOUT_S = 5.0
_ASKED_S = 1.0
"""A reader waits this long for a collector that does not say how far it is, and then reads what there is."""
INTAKE_BYTES = 32 << 20


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a web process tells the collector: a client's events, and whose they are."""

    events: msgspec.Raw
    """A JSON array."""
    profile_id: ProfileId | None = None
    synthetic: bool = False
    now_ms: int | None = None
    sent_ms: int | None = None
    keep_failed: bool = True
    source: str = ""
    """What the ledger counts them under."""
    tally: Tally | None = None


class Answer(msgspec.Struct, frozen=True):
    """One verdict an event, in order."""

    verdicts: list[Verdict]


class CollectorClient(Projections):
    """Implements `EventsClient` against a collector that runs apart."""

    problem = ""
    """What waits to be counted is for the collector to say."""

    def __init__(
        self,
        *,
        url: str,
        database: Database,
        clock: Clock,
        keys: KeyRing,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(database=database, clock=clock, intake_bytes=INTAKE_BYTES)
        self._url = url + PATH
        self._projected_url = url + PROJECTED
        self._keys = keys
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, transport=transport)

    async def record_array(
        self,
        array: msgspec.Raw,
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        sent_ms: int | None = None,
        keep_failed: bool = True,
        source: str = "",
        tally: Tally | None = None,
    ) -> list[Verdict]:
        """Store a client's events at the collector. Raises Backlogged or Unavailable; then none counts as stored."""
        report = Report(
            events=array,
            profile_id=profile_id,
            synthetic=synthetic,
            now_ms=now_ms,
            sent_ms=sent_ms,
            keep_failed=keep_failed,
            source=source,
            tally=tally,
        )
        return await self._report(report)

    async def record_raw(
        self,
        raws: Sequence[msgspec.Raw],
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        keep_failed: bool = True,
        source: str = "",
    ) -> list[Verdict]:
        """The same for events one by one, some of which may be no JSON."""
        return await self.record_array(
            msgspec.Raw(b"[" + b",".join(map(_as_json, raws)) + b"]"),
            profile_id=profile_id,
            synthetic=synthetic,
            now_ms=now_ms,
            keep_failed=keep_failed,
            source=source,
        )

    async def catch_up(self) -> None:
        """Wait until what the collector has stored is projected, a second at most; not while it is away."""
        if self.refused:
            return
        with contextlib.suppress(httpx.HTTPError):
            await self._http.get(self._projected_url, headers=self._headers(), timeout=_ASKED_S)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {peer_token(self._keys, self._clock)}"}

    async def _report(self, report: Report) -> list[Verdict]:
        headers = {**self._headers(), "Content-Type": "application/json"}
        try:
            response = await self._http.post(self._url, content=msgspec.json.encode(report), headers=headers)
        except httpx.HTTPError as error:
            self._refuse(f"the collector at {self._url} does not answer: {error}")
            raise Unavailable(f"{self.refused}; send the batch again") from error
        return self._verdicts(response)

    def _verdicts(self, response: httpx.Response) -> list[Verdict]:
        if response.status_code == 429:
            raise Backlogged("the event log is not keeping up; send the batch again in a second")
        if response.status_code in (401, 403):
            raise Invalid("the collector does not know us: give both the same keys.json, and set their clocks")
        if response.status_code >= 300:
            self._refuse(f"the collector at {self._url} answered {response.status_code}")
            raise Unavailable(f"{self.refused}; send the batch again")
        self._refusal = ""
        return msgspec.json.decode(response.content, type=Answer).verdicts

    async def record(
        self,
        events: list[Event],
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        source: str = "",
    ) -> list[Verdict]:
        """Store events at the collector; returns after its fdatasync."""
        raws = [msgspec.Raw(msgspec.json.encode(event)) for event in events]
        return await self.record_raw(raws, profile_id=profile_id, synthetic=synthetic, now_ms=now_ms, source=source)

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _as_json(raw: msgspec.Raw) -> bytes:
    """An event as it came; what is no JSON goes as a text, which the collector refuses."""
    data = bytes(raw)
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(data.decode("utf-8", "replace"))
    return data
