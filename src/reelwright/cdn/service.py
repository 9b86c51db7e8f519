"""The edge's decision for one request, and what it remembers of requests.

It is called once a segment, so it is synchronous and does no I/O but opening a file that is likely open already.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

import msgspec

from reelwright.cdn.adapters.access_log import AccessLog
from reelwright.cdn.adapters.cache import DiskCache, Fill
from reelwright.cdn.adapters.files import FileTable, OpenFile, Resident
from reelwright.cdn.adapters.manifests import STEERING, EdgeManifests, Made
from reelwright.cdn.adapters.places import Places, cmsd_static
from reelwright.cdn.contract import VIEWER_COOKIE, Access, token_of
from reelwright.cdn.core.access import LONGEST_PATH, check, parse
from reelwright.cdn.core.ranges import slice_of
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import NotFound, ReelwrightError
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.telemetry import counter

REQUESTS = counter("edge_requests_total", "Requests answered by the edge, by status.", ("status",))
SENT_BYTES = counter("edge_sent_bytes_total", "Body bytes the edge was asked to send.")

TYPES = {
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".vtt": "text/vtt; charset=utf-8",
    ".jpg": "image/jpeg",
    ".json": "application/json",
}
_HEALTH = ("/healthz", "/readyz")
HIT = "Cache-Status: reelwright; hit\r\n"
_PROBES = (*_HEALTH, "/allowed")
_SID = re.compile(r'(?:^|,)\s*sid="([^"]*)"')
_FILE = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._~-]{0,99}")
_NOR = re.compile(r'(?:^|,)\s*nor="([^"]{1,300})"')
_SELDOM = frozenset({"range", "if-range", "if-none-match"})
_TOKENS_KEPT = 10_000
_LINES_KEPT = 4_096
MADE = (".m3u8", ".mpd", f"/{STEERING}")
UNREPORTED_MOST = 20_000
_PHRASES = {int(status): status.phrase for status in HTTPStatus}


class Request(msgspec.Struct):
    """What the edge reads of a request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    address: str = ""
    """Of the client, where the answer depends on it."""
    line: bytes = b""
    """Its first line, where other requests may have the same and mean the same."""


class Asker(msgspec.Struct, frozen=True):
    """What a block of header lines says: read once for all requests that carry it."""

    headers: dict[str, str]
    plain: bool
    """It wants objects whole, whatever they are, and the answer depends on nothing but what follows."""
    viewer: str
    session: str
    lines: bytes
    """Of the answer's head, for this asker alone."""


class _Opened(msgspec.Struct, frozen=True):
    """What a first line opened: a small object that lies in memory."""

    name: str
    token: str
    expires_ns: int
    viewer: str | None
    """Whom the token is bound to."""
    resident: Resident


class Answer(msgspec.Struct):
    """What to send: a head, then either bytes, a piece of an open file, or of a fill as it arrives."""

    head: bytes
    status: int
    body: bytes = b""
    file: OpenFile | None = None
    fill: Fill | None = None
    start: int = 0
    end: int = 0
    made: bool = False
    """It is no object, but was made here."""


class Waiting(msgspec.Struct):
    """The answer depends on a fill whose size is not known yet."""

    fill: Fill
    name: str = ""
    """The object's, where the fill is what was asked for; else something is to be made of it."""


class Tally(msgspec.Struct):
    """What an edge process answered in a while."""

    statuses: dict[int, int]
    sent_bytes: int
    totals: dict[str, int]
    accesses: list[Access]


class Library(Protocol):
    """Where an edge finds objects: its own directory, or a cache that fetches."""

    follows: bool
    """Whether it matters here which session asks."""

    def find(self, name: str, session: str = "") -> OpenFile | Fill | None:
        """The object whole, on its way, or None when there is none; for a playback session, where that is known."""
        ...

    def holds(self, name: str) -> bool:
        """Whether it would be served without fetching it."""
        ...

    def touch(self, name: str) -> None:
        """Note a use by another program."""
        ...

    def used(self, name: str, size: int, session: str) -> None:
        """Note a use of what was found a moment ago and still lies in memory."""
        ...

    def prefetch(self, name: str) -> None:
        """Have an object ready that is wanted next."""
        ...

    def says(self, found: OpenFile | Fill) -> str:
        """The Cache-Status line of an answer, or nothing."""
        ...


class LocalLibrary:
    """The media directory of this machine; nothing is stored twice."""

    follows = False

    def __init__(self, files: FileTable) -> None:
        self._files = files

    def touch(self, name: str) -> None:
        """Nothing is evicted here."""

    def used(self, name: str, size: int, session: str) -> None:
        """Nor is anything chosen."""

    def prefetch(self, name: str) -> None:
        """All is here."""

    def says(self, _found: OpenFile | Fill) -> str:
        """This is the source, no cache."""
        return ""

    def find(self, name: str, _session: str = "") -> OpenFile | Fill | None:
        """The file, if it is there."""
        return self._files.open(name)

    def holds(self, name: str) -> bool:
        """Whether the file is there."""
        return self._files.open(name) is not None


class CachingLibrary:
    """A cache in front of upstreams."""

    follows = True

    def __init__(self, cache: DiskCache) -> None:
        self._cache = cache

    def touch(self, name: str) -> None:
        """Another program sends it from our directory: it is in use, and proved before the first time."""
        self._cache.find(name)

    def used(self, name: str, size: int, session: str) -> None:
        """A viewer was sent it from memory."""
        self._cache.used(name, size, session)

    def prefetch(self, name: str) -> None:
        """A viewer says that it wants this next."""
        self._cache.prefetch(name)

    def says(self, found: OpenFile | Fill) -> str:
        """Cache-Status (RFC 9211)."""
        if isinstance(found, OpenFile):
            return HIT
        return f"Cache-Status: reelwright; fwd=uri-miss; stored{'; collapsed' if found.joined else ''}\r\n"

    def find(self, name: str, session: str = "") -> OpenFile | Fill | None:
        """What is held, else a fetch."""
        return self._cache.find(name, session) or self._cache.fill(name, session)

    def holds(self, name: str) -> bool:
        """Whether it is held whole."""
        return self._cache.holds(name)


class Edge:
    """Answers requests for media."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        library: Library,
        clock: Clock,
        origins: frozenset[str],
        access_log: AccessLog | None = None,
    ) -> None:
        self._access_log = access_log
        self._unlogged: list[Access] = []
        self.keys = keys
        self._library = library
        self._follows = library.follows
        self._clock = clock
        self._origins = origins
        self._known: OrderedDict[str, tuple[int, str | None, str]] = OrderedDict()
        """By path up to the file: when its token expires, whom it is bound to, and the objects' folder."""
        self._opened: dict[bytes, _Opened] = {}
        """By first line, what was sent from memory."""
        self._again = self._again_bytes = 0
        self._statuses: Counter[int] = Counter()
        self._sent_bytes = 0
        self._totals: Counter[str] = Counter()
        self.unreported: deque[Access] = deque(maxlen=UNREPORTED_MOST)
        """Accesses that the control plane has not stored yet; the oldest are lost while it is away for long."""
        self.reports = False
        """Whether there is a control plane to report to."""
        self.manifests: EdgeManifests | None = None
        """What it answers by itself; None where it serves objects alone."""
        self.places: Places | None = None
        """What objects are; None where that is not known."""
        self.purge: Callable[[str, Request], int] | None = None
        """Carries out an order to purge, given its target; None where nobody may."""

    def forget_tokens(self) -> None:
        """Verify every token anew: the key ring has changed."""
        self._known.clear()
        self._opened.clear()

    @property
    def totals(self) -> Counter[str]:
        """Since the start: requests, hits, failed, sent_bytes."""
        self._count_again()
        return self._totals

    def asker_of(self, headers: dict[str, str]) -> Asker:
        """What header lines say of who asks."""
        request = Request("GET", "", headers)
        plain = _SELDOM.isdisjoint(headers) and "cmcd-request" not in headers
        lines = self._cors(request).encode("latin-1", "replace")
        return Asker(headers, plain, _viewer(request), session_of(request, ""), lines)

    def again(self, line: bytes, asker: Asker) -> bytes | None:
        """The whole answer to a GET whose first line was answered from memory before; None where it takes more."""
        opened = self._opened.get(line)
        if opened is None or not asker.plain:
            return None
        clock, resident = self._clock, opened.resident
        wall_ns = clock.wall_ns()
        if clock.monotonic_ns() >= resident.until_ns or wall_ns >= opened.expires_ns:
            return None
        if opened.viewer is not None and opened.viewer != asker.viewer:
            return None
        self._again += 1
        self._again_bytes += resident.size
        if self._follows:
            self._library.used(opened.name, resident.size, asker.session)
        if self.reports or self._access_log is not None:
            access = Access(wall_ns // 10**6, opened.name, resident.size, 200, asker.session, opened.token)
            self._report(access)
        return resident.answer(asker.lines)

    def answer(self, request: Request) -> Answer | Waiting:
        """The answer to one request; never raises."""
        try:
            found = self._decide(request)
        except ReelwrightError as error:
            return self._failed(request, error)
        if isinstance(found, Answer):
            self._note(request, found)
        return found

    def go_on(self, request: Request, waiting: Waiting) -> Answer | None:
        """The answer to a request that has waited; None where it is to be decided anew."""
        if waiting.fill.problem is not None:
            return self._failed(request, waiting.fill.problem)
        if not waiting.name:
            return None
        self._foresee(request, waiting.name)
        answer = self._serve(request, waiting.name, waiting.fill)
        self._note(request, answer)
        return answer

    def _failed(self, request: Request, error: ReelwrightError) -> Answer:
        """The answer that an error becomes."""
        answer = self.problem(request, error.status, error.slug, str(error))
        self._note(request, answer)
        return answer

    def problem(self, request: Request | None, status: int, slug: str, detail: str) -> Answer:
        """A problem+json answer (RFC 9457)."""
        document = {"type": f"https://reelwright.dev/problems/{slug}", "title": _PHRASES[status], "status": status,
                    "detail": detail}  # fmt: skip
        body = msgspec.json.encode(document)
        cors = self._cors(request) if request else ""
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n{cors}\r\n"
        )
        return Answer(
            head.encode("latin-1", "replace"), status, b"" if request and request.method == "HEAD" else body
        )

    def flush(self) -> None:
        """Move counts into the metrics; called once a second, since a metric costs more than a request's decision."""
        self._count_again()
        statuses, self._statuses = self._statuses, Counter()
        for status, count in statuses.items():
            REQUESTS.labels(str(status)).inc(count)
        if self._access_log is not None:
            unlogged, self._unlogged = self._unlogged, []
            self._access_log.write(unlogged)
        SENT_BYTES.inc(self._sent_bytes)
        self._sent_bytes = 0

    def taken(self) -> Tally:
        """What was answered since the last call, for another process to add to its own."""
        self._count_again()
        taken = Tally(dict(self._statuses), self._sent_bytes, dict(self._totals), list(self.unreported))
        self._sent_bytes = 0
        for one in (self._statuses, self._totals, self.unreported):
            one.clear()
        return taken

    def add(self, tally: Tally) -> None:
        """Count what another process answered."""
        self._statuses.update(tally.statuses)
        self._totals.update(tally.totals)
        self._sent_bytes += tally.sent_bytes
        for access in tally.accesses:
            self._report(access)

    def _decide(self, request: Request) -> Answer | Waiting:
        if request.method == "OPTIONS":
            return self._preflight(request)
        if request.method == "PURGE" and self.purge is not None:
            return _json({"purged": self.purge(request.path, request)})
        if request.method not in ("GET", "HEAD"):
            return self.problem(request, 405, "method-not-allowed", "only GET, HEAD and OPTIONS are answered here")
        path = request.path.partition("?")[0]
        if path in _HEALTH:
            return Answer(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n", 200, b"ok\n")
        if path == "/allowed":
            return self._allowed(request)
        name = self._admitted(path, request)
        if self.manifests is not None and name.endswith(MADE):
            return self._make(request, name, self.manifests)
        if "only-if-cached" in request.headers.get("cache-control", "") and not self._library.holds(name):
            raise NotFound("not held here, and it was asked not to fetch it")
        found = self._library.find(name, session_of(request, "") if self._follows else "")
        if found is None:
            raise NotFound("no such object")
        if isinstance(found, Fill) and found.file is None:
            if found.problem is not None:
                raise found.problem
            return Waiting(found, name)
        self._foresee(request, name)
        return self._serve(request, name, found)

    def _make(self, request: Request, name: str, manifests: EdgeManifests) -> Answer | Waiting:
        """A manifest or a steering document, from what lies here and was last known."""
        if name.endswith(f"/{STEERING}"):
            made = manifests.steering(request.path, request.address)
        else:
            found = manifests.manifest(name, request.path, request.headers, self._library.find)
            if not isinstance(found, Made):
                return Waiting(found)
            made = found
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {made.content_type}\r\nContent-Length: {len(made.body)}\r\n"
            f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{self._cors(request)}\r\n"
        )
        return Answer(head.encode("latin-1"), 200, made.body if request.method == "GET" else b"", made=True)

    def _foresee(self, request: Request, name: str) -> None:
        """CMCD's `nor`: what this viewer asks for next, within the folder that its token opens."""
        if "cmcd-request" not in request.headers and "?" not in request.path:
            return
        said = request.headers.get("cmcd-request") or unquote(request.path.partition("?CMCD=")[2])
        if "nor=" not in said or request.method != "GET":
            return
        match = _NOR.search(said)
        wanted = unquote(match[1]) if match else ""
        if _FILE.fullmatch(wanted):
            self._library.prefetch(name[: name.rfind("/") + 1] + wanted)

    def _admitted(self, path: str, request: Request) -> str:
        """The name of the object that a path opens for who asks. Raises what `parse` and `check` do."""
        cut = path.rfind("/") + 1
        now_s = self._clock.wall_ns() / 1e9
        known = self._known.get(path[:cut])
        fits = known is not None and now_s < known[0] and len(path) <= LONGEST_PATH and _FILE.fullmatch(path, cut)
        if fits and known is not None and (known[1] is None or known[1] == _viewer(request)):
            return known[2] + path[cut:]
        url = parse(path)
        viewer = _viewer(request) if url.bound else ""
        check(url, self.keys, viewer=viewer, now_s=now_s)
        self._known[path[:cut]] = (url.expires_s, viewer if url.bound else None, url.name[: url.name.rfind("/") + 1])
        if len(self._known) > _TOKENS_KEPT:
            self._known.popitem(last=False)
        return url.name

    def _allowed(self, request: Request) -> Answer:
        """What nginx asks before it sends a file of ours: 204 or 403; and the cache learns that it is used."""
        try:
            name = self._admitted(request.headers.get("x-original-uri", "").partition("?")[0], request)
        except ReelwrightError:
            return Answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403)
        self._library.touch(name)
        return Answer(b"HTTP/1.1 204 No Content\r\n\r\n", 204)

    def _serve(self, request: Request, name: str, found: OpenFile | Fill) -> Answer:
        headers = request.headers
        plain = request.method == "GET" and _SELDOM.isdisjoint(headers)
        if plain and isinstance(found, OpenFile) and found.resident is not None:
            if request.line:
                self._remember(request, name, found.resident)
            front, body = found.resident.parts(self._own(request, name, found).encode("latin-1"))
            return Answer(front, 200, body)
        suffix = name[name.rfind(".") :]
        tag = f'"{name[name.rfind("/") + 1 :]}"'
        bare = (
            f"ETag: {tag}\r\nCache-Control: private, max-age=31536000, immutable\r\nAccept-Ranges: bytes\r\n"
            f"X-Content-Type-Options: nosniff\r\n{self._library.says(found)}"
        )
        shared = f"{bare}{self._own(request, name, found)}"
        if _matches(headers.get("if-none-match"), tag):
            return Answer(f"HTTP/1.1 304 Not Modified\r\n{shared}\r\n".encode("latin-1"), 304)
        size = found.size
        applies = request.method == "GET" and headers.get("if-range") in (None, tag)  # RFC 9110, section 14.2
        wanted = headers.get("range") if applies else None
        piece = slice_of(wanted, size)
        if piece is None:
            head = (
                f"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\n"
                f"Content-Length: 0\r\n{shared}\r\n"
            )
            return Answer(head.encode("latin-1"), 416)
        status = "206 Partial Content" if piece.partial else "200 OK"
        part = f"Content-Range: bytes {piece.start}-{piece.end - 1}/{size}\r\n" if piece.partial else ""
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {TYPES.get(suffix, 'application/octet-stream')}\r\n"
            f"Content-Length: {piece.end - piece.start}\r\n{part}"
        )
        if plain and isinstance(found, OpenFile):
            found.admit(f"{head}{bare}".encode("latin-1"))
        head = f"{head}{shared}\r\n"
        answer = Answer(head.encode("latin-1"), 206 if piece.partial else 200)
        if request.method == "GET":
            answer.start, answer.end = piece.start, piece.end
            answer.fill = found if isinstance(found, Fill) else None
            answer.file = None if isinstance(found, Fill) else found
        return answer

    def _own(self, request: Request, name: str, found: OpenFile | Fill) -> str:
        """The lines that differ by who asks: CORS, and CMSD (CTA-5006) for a player that speaks CMCD."""
        cors = self._cors(request)
        if "cmcd-request" not in request.headers and "?CMCD=" not in request.path:
            return cors
        delay_ms = found.delay_ms if isinstance(found, Fill) else 0
        place = self.places.find(name) if self.places is not None else None
        static = f"CMSD-Static: {cmsd_static(*place)}\r\n" if place is not None else ""
        return f'{cors}{static}CMSD-Dynamic: "reelwright";rd={delay_ms}\r\n'

    def _cors(self, request: Request) -> str:
        origin = request.headers.get("origin")
        if origin is None:
            return ""
        if origin not in self._origins:
            return "Vary: Origin\r\n"
        return (
            f"Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
            "Access-Control-Expose-Headers: Content-Length, Content-Range, ETag, Cache-Status, "
            "CMSD-Static, CMSD-Dynamic\r\n"
            "Timing-Allow-Origin: *\r\n"
        )

    def _preflight(self, request: Request) -> Answer:
        head = (
            f"HTTP/1.1 204 No Content\r\n{self._cors(request)}Access-Control-Allow-Methods: GET, HEAD\r\n"
            "Access-Control-Allow-Headers: Range, If-Range, CMCD-Request, CMCD-Object, CMCD-Status, CMCD-Session\r\n"
            "Access-Control-Max-Age: 86400\r\n\r\n"
        )
        return Answer(head.encode("latin-1", "replace"), 204)

    def _remember(self, request: Request, name: str, resident: Resident) -> None:
        """Who sends this line again is answered from memory without more ado."""
        known = self._known.get(request.path[: request.path.rfind("/") + 1])
        if known is None or "?" in request.path:
            return
        if len(self._opened) >= _LINES_KEPT:
            del self._opened[next(iter(self._opened))]
        expires_s, viewer, _ = known
        self._opened[request.line] = _Opened(name, token_of(request.path), expires_s * 10**9, viewer, resident)

    def _count_again(self) -> None:
        """Count what `again` has answered since the last time."""
        count, sent = self._again, self._again_bytes
        self._again = self._again_bytes = 0
        self._count(200, count, sent)
        self._total(200, count, sent, hits=count)

    def _count(self, status: int, count: int, sent: int) -> None:
        self._statuses[status] += count
        self._sent_bytes += sent

    def _total(self, status: int, count: int, sent: int, *, hits: int) -> None:
        self._totals["requests"] += count
        self._totals["hits"] += hits
        self._totals["failed"] += count if status >= 500 else 0
        self._totals["sent_bytes"] += sent

    def _note(self, request: Request, answer: Answer) -> None:
        sent = len(answer.body) + answer.end - answer.start
        self._count(answer.status, 1, sent)
        path, _, query = request.path.partition("?")
        if path in _PROBES or request.method not in ("GET", "HEAD"):
            return  # health checks and orders are no viewing: they would feign hits, and events where nobody watches
        self._total(answer.status, 1, sent, hits=answer.fill is None and answer.status < 400)
        if answer.status not in (200, 206, 304) or answer.made:
            return
        if self.reports or self._access_log is not None:
            cmcd = query[5:] if query.startswith("CMCD=") else ""
            access = Access(
                self._clock.wall_ns() // 10**6,
                path.split("/", 3)[-1],
                sent,
                answer.status,
                session_of(request, cmcd),
                token_of(path),
                answer.fill is None,
            )
            self._report(access)

    def _report(self, access: Access) -> None:
        if self._access_log is not None:
            self._unlogged.append(access)
        if self.reports:
            self.unreported.append(access)


def _json(document: dict[str, int]) -> Answer:
    body = msgspec.json.encode(document)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return Answer(head.encode(), 200, body)


def session_of(request: Request, query: str) -> str:
    """CMCD's `sid`, from the header or the query; empty where there is none."""
    said = request.headers.get("cmcd-session") or unquote(query or request.path.partition("?CMCD=")[2])
    if not said:
        return ""
    match = _SID.search(said)
    return match[1][:64] if match else ""


def _viewer(request: Request) -> str:
    return cookie(request.headers.get("cookie", ""), VIEWER_COOKIE)


def cookie(header: str, name: str) -> str:
    """The value of a cookie; empty when it is not there."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def _matches(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or tag in {part.strip().removeprefix("W/") for part in header.split(",")}
