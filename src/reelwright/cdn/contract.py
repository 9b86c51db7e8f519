"""The CDN as other systems see it: signed media URLs and what the edge refuses.

A media URL is `{edge}/m/{token}/{object name}`. The token signs a folder, an expiry and (where it is bound) a viewer,
so that one token opens every segment of an asset and relative URLs inherit it:

    token  = {key}.{expires}.{bound}.{signature}
    signed = {folder}|{expires}|{viewer or ""}          HMAC-SHA256, purpose "media"

`expires` is seconds since the epoch; `bound` is 1 when the request must carry the cookie `rw_viewer` whose value was
signed in, so that a URL that was made for one profile opens nothing for another; 0 for players without cookies.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Meta

from reelwright.cdn.core.steering import EdgeOrder, EdgeState
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KeyRing

PURPOSE = "media"
VIEWER_COOKIE = "rw_viewer"
KEYS_FOR_EDGES = "keys for edges"
"""Purpose of the key that seals a ring on its way to an edge."""


def sign_folder(keys: KeyRing, folder: str, *, expires_s: int, viewer: str | None) -> str:
    """The path `/m/{token}/` that opens every object in `folder` until `expires_s`, for `viewer` where given."""
    key, signature = keys.sign(PURPOSE, f"{folder}|{expires_s}|{viewer or ''}")
    return f"/m/{key}.{expires_s}.{int(viewer is not None)}.{signature}/"


def token_of(path: str) -> str:
    """The signature in a media URL: it names the decision that made the URL."""
    _, found, rest = path.partition("/m/")
    parts = rest.partition("/")[0].split(".")
    return parts[3][:64] if found and len(parts) == 4 else ""


EdgeName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$")]
"""Also the edge's pathway in content steering."""
Region = Annotated[str, Meta(min_length=1, max_length=40)]
Amount = Annotated[float, Meta(ge=0, le=1e18)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class UnfitOrder(Invalid):
    """An order that is well-formed, and that no edge could follow."""

    status = 422
    slug = "unfit-order"


class Access(msgspec.Struct, frozen=True):
    """One answered request for an object."""

    at_ms: Annotated[int, Meta(ge=0, le=2**53)]
    object: Annotated[str, Meta(max_length=1024)]
    size: Count
    status: Annotated[int, Meta(ge=100, le=599)]
    session: Annotated[str, Meta(max_length=64)] = ""
    """CMCD's session id; empty where the player sends none."""
    token: Annotated[str, Meta(max_length=64)] = ""
    """The URL's signature, by which the decision that sent the viewer here is found."""
    hit: bool = True
    """Whether it lay there; else it was fetched through."""


class FillProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an edge is with its orders to fill."""

    plan: Annotated[str, Meta(max_length=64)] = ""
    done: Count = 0
    failed: Count = 0
    total: Count = 0
    done_bytes: Count = 0
    total_bytes: Count = 0
    rate_bps: Amount = 0.0


class Decided(msgspec.Struct, frozen=True):
    """A steering document that an edge gave by itself."""

    at_ms: Annotated[int, Meta(ge=0, le=2**53)]
    token: Annotated[str, Meta(max_length=64)]
    region: Annotated[str, Meta(max_length=40)]
    chosen: EdgeName
    nearest: EdgeName
    why: Annotated[str, Meta(max_length=16)] = ""
    bps: Amount = 0.0


class Atlas(msgspec.Struct, frozen=True, kw_only=True):
    """The edges as the control plane sees them: what an edge steers by, also while that is away."""

    id: Annotated[str, Meta(max_length=32)] = ""
    edges: list[EdgeState] = []
    prices: dict[str, float] = {}
    ttl_s: int = 30


class EdgeReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an edge says of itself, every few seconds. Counts are since it started."""

    boot: Annotated[str, Meta(min_length=1, max_length=32)]
    """New with each start, so that two edges under one name are found."""
    url: Annotated[str, Meta(pattern=r"^https?://[^/\s]{1,250}$")]
    """Where viewers reach it."""
    kind: Literal["edge", "gateway"] = "edge"
    capacity_bps: Annotated[float, Meta(gt=0, le=1e15)]
    costs: Annotated[dict[Region, Amount], Meta(max_length=500)] = {}
    """By region, what a gigabit from here costs; `*` is for all others."""
    load_bps: Amount = 0.0
    state: Literal["ok", "failing"] = "ok"
    source: bool = False
    """It serves the media store itself, so that it holds everything."""
    connections: Count = 0
    requests: Count = 0
    hits: Count = 0
    failed: Count = 0
    sent_bytes: Count = 0
    fetched_bytes: Count = 0
    held_bytes: Count = 0
    budget_bytes: Count = 0
    inventory: Annotated[dict[Annotated[str, Meta(max_length=120)], Count], Meta(max_length=10_000)] | None = None
    """Bytes held by folder; None while nothing has changed."""
    purged: Annotated[int, Meta(ge=-1, le=2**53)] = -1
    """The last order to purge that was carried out; -1 for an edge that knows of none."""
    key: Annotated[str, Meta(max_length=32)] = ""
    """The newest key that it verifies with."""
    fill: FillProgress = FillProgress()
    accesses: Annotated[list[Access], Meta(max_length=500)] = []
    accepted: Count = 0
    """So many accesses were accepted before these: equal ones of one millisecond are told apart by their number."""
    atlas: Annotated[str, Meta(max_length=32)] = ""
    """The state of all edges by which it steers."""
    decided: Annotated[list[Decided], Meta(max_length=500)] = []


class PurgeOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to go, everywhere: exactly one of path, prefix and tag."""

    host: Annotated[str, Meta(max_length=250)] = ""
    """Under which viewers ask gateways; edges have one name space and do not look at it."""
    path: Annotated[str, Meta(max_length=1024)] = ""
    prefix: Annotated[str, Meta(max_length=1024)] = ""
    tag: Annotated[str, Meta(max_length=250)] = ""
    soft: bool = False


class NumberedPurge(msgspec.Struct, frozen=True, kw_only=True):
    """An order in its place; an edge carries them out in turn, each once."""

    seq: int
    order: PurgeOrder


class FillItem(msgspec.Struct, frozen=True):
    """An object to be there before it is asked for."""

    name: str
    size: int
    sha256: str = ""
    """Empty where the name is the hash of the content."""


class FillPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What an edge is to fetch, when, how fast and from whom."""

    id: str = ""
    items: list[FillItem] = []
    window: tuple[int, int] = (120, 840)
    """Minutes after local midnight between which it may fetch; the end may be past midnight."""
    rate_bps: float = 100e6
    peers: list[str] = []
    """Edges that hold some of it; asked before the upstreams."""


class EdgeOrders(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a report."""

    purges: list[NumberedPurge] = []
    purged: int = -1
    """Where the orders end; what lies before has been carried out or is given here."""
    purge_all: bool = False
    """The edge was away for longer than orders are remembered."""
    keys: str = ""
    """A newer key ring, sealed with the newest key of the edge."""
    drained: bool = False
    fill: FillPlan | None = None
    show_all: bool = False
    """What the edge holds is not known here; its next report is to say."""
    heartbeat_s: float = 2.0
    accepted: int = 0
    """Accesses that are stored; the edge forgets as many."""
    noted: int = 0
    """Decisions that are stored, likewise."""
    atlas: Atlas | None = None
    """Where the edge has another."""


class EdgeView(msgspec.Struct, frozen=True, kw_only=True):
    """An edge as those who run the service see it."""

    name: str
    url: str
    kind: str
    state: Literal["ok", "draining", "down", "distrusted"]
    why: str
    regions: list[str]
    capacity_bps: float
    load_bps: float
    connections: int
    requests: int
    hits: int
    sent_bytes: int
    fetched_bytes: int
    held_bytes: int
    budget_bytes: int
    fill: FillProgress
    purged: int
    key: str
    seen_ms: int
    drained: bool

    @property
    def hit_ratio(self) -> float | None:
        """Requests answered from what lay there; None before the first."""
        return self.hits / self.requests if self.requests else None

    @property
    def offload(self) -> float | None:
        """Share of the sent bytes that nobody upstream had to send."""
        return max(0.0, 1 - self.fetched_bytes / self.sent_bytes) if self.sent_bytes else None


class PurgeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order: at once where an edge answered, at its next report elsewhere."""

    seq: int
    purged: dict[str, int]
    """Objects that went, by edge."""
    later: list[str]
    """Edges that did not answer; they read the order with their next report."""


class Viewing(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to be sent somewhere, and for what."""

    session_id: str
    viewer: str
    """The profile: failures are counted once a profile."""
    folder: str
    folder_bytes: int = 0
    bps: float
    address: str
    """The client's address."""
    token: str
    """The signature of the media URLs that come of it."""
    current: str = ""
    """The pathway that the player uses now, where it says so."""
    order: EdgeOrder = "listed"
    """What an experiment says."""
    otherwise: tuple[str, ...] = ()
    """URLs to use while no edge is registered."""


class Steered(msgspec.Struct, frozen=True, kw_only=True):
    """Edges for one session, best first, and the reasons."""

    edges: list[tuple[str, str]]
    """Name and URL; without a name where no edge is registered."""
    reasons: list[tuple[str, str]]
    """For every edge that is known, its name and why it stands where it does."""
    region: str = "*"


@runtime_checkable  # handlers are given it by name, and its type is checked
class SteeringClient(Protocol):
    """What playback asks."""

    ttl_s: int

    async def steer(self, viewing: Viewing) -> Steered:
        """The edges for a session; those of `otherwise` while none is registered."""
        ...

    async def all_on(self, host: str | None) -> bool:
        """Whether every registered edge has this host name, so that cookies for it reach them all."""
        ...

    async def tell(self, edge: str, viewer: str, *, failed: bool) -> None:
        """A player's word on an edge, by name or URL."""
        ...

    def document(self, steered: Steered, *, reload_uri: str, kind: Literal["hls", "dash"], known: list[str]) -> Any:
        """The content-steering document; edges that are not among the manifest's `known` are cloned."""
        ...
