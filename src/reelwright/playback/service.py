"""Use cases of playback: begin a session, give it manifests, keep its signatures fresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from reelwright.accounts.contract import AccountsClient
from reelwright.catalog.contract import CatalogClient, Playable, Title
from reelwright.cdn.contract import SteeringClient, Viewing, sign_folder, token_of
from reelwright.events.contract import EventsClient
from reelwright.experiments.contract import ExperimentsClient
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Forbidden, NotFound
from reelwright.kernel.ids import AssetId, PlayableId, ProfileId, SessionId, UserId, new_id
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.principal import Principal
from reelwright.kernel.units import LATEST_S, whole_number
from reelwright.media.contract import MediaClient, Package, Track
from reelwright.media.core import dash, hls
from reelwright.media.core.renditions import menu_names
from reelwright.playback.adapters import sql
from reelwright.playback.contract import (
    Device,
    Felt,
    Heartbeat,
    NextPlayable,
    PlaybackSession,
    SessionRequest,
    TextOffer,
    ThumbnailOffer,
)
from reelwright.playback.core.select import Arms, arms_of, tracks_for
from reelwright.playback.settings import PlaybackSettings

DAY_MS = 86_400_000
API = "/api/v1/playback/sessions"
PATHWAYS_MOST = 3
"""Edges that a manifest names; others come as clones."""


class Gone(NotFound):
    """The session has ended; a player stops asking (RFC 8216bis section 7.1)."""

    status = 410
    slug = "session-ended"


class Watcher(msgspec.Struct, frozen=True):
    """Who asks for a manifest, from where."""

    caller: Principal
    access: str = ""
    """A capability made for the session, in place of cookies."""
    address: str = ""
    origin: str = ""
    """The URL of the service as the player knows it."""


class Ways(msgspec.Struct, frozen=True):
    """Signed bases of a session's media, best first."""

    bases: tuple[tuple[str, str], ...]
    """Edge name (empty where no edge is registered) and URL prefix."""
    expires_s: int

    @property
    def urls(self) -> tuple[str, ...]:
        """The prefixes."""
        return tuple(url for _, url in self.bases)

    def of(self, edge: str) -> str:
        """The prefix of an edge; the best one where that may not serve."""
        return dict(self.bases).get(edge) or self.bases[0][1]


class PlaybackService:
    """Sessions and manifests."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        keys: KeyRing,
        settings: PlaybackSettings,
        media_urls: tuple[str, ...],
        accounts: AccountsClient,
        catalog: CatalogClient,
        media: MediaClient,
        events: EventsClient,
        experiments: ExperimentsClient,
        steering: SteeringClient,
        public_url: str,
    ) -> None:
        self._steering = steering
        self._host = urlsplit(public_url).hostname
        self._database = database
        self._clock = clock
        self._keys = keys
        self._settings = settings
        self._media_urls = media_urls
        self._accounts = accounts
        self._catalog = catalog
        self._media = media
        self._events = events
        self._experiments = experiments

    async def create_session(
        self, caller: Principal, request: SessionRequest, *, viewer: str, address: str = ""
    ) -> PlaybackSession:
        """Begin to play; `viewer` binds media URLs to the profile's cookie, empty binds them to nobody."""
        title, playable = await self._catalog.get_playable(request.playable_id, caller)
        if playable.asset_id is None or playable.state not in ("watchable", "ready"):
            raise Conflict(playable.problem or f"{playable.name} is still being prepared; try again in a moment")
        package = await self._media.get_package(playable.asset_id)
        tracks_for(package, request.device)
        arms = await self._arms(caller)
        session_id, now_ms = SessionId(new_id(self._clock)), self._now_ms()
        await self._database.write(
            sql.put_session,
            forget_ms=now_ms - self._settings.session_days * DAY_MS,
            id=session_id,
            user_id=caller.user_id or "",
            profile_id=caller.profile_id or "",
            playable_id=playable.id,
            asset_id=playable.asset_id,
            device=msgspec.to_builtins(request.device),
            viewer=viewer,
            created_ms=now_ms,
            seen_ms=now_ms,
            arms=msgspec.to_builtins(arms),
        )
        row = {
            "id": session_id,
            "profile_id": caller.profile_id or "",
            "viewer": viewer,
            "device": msgspec.to_builtins(request.device),
            "arms": msgspec.to_builtins(arms),
        }
        ways = await self._ways(row, package, address)
        described = await self._describe(session_id, caller, title, playable, package, ways)
        return msgspec.structs.replace(described, tracks=_offered(row, package))

    async def _describe(
        self,
        session_id: SessionId,
        caller: Principal,
        title: Title,
        playable: Playable,
        package: Package,
        ways: Ways,
    ) -> PlaybackSession:
        access = f"?access={self._access(session_id)}" if caller.kind != "session" else ""
        watched = await self._events.get_position(caller.profile_id, playable.id) if caller.profile_id else None
        at_edge = await self._at_edge(package, ways)
        names = menu_names(package.texts)
        return PlaybackSession(
            id=session_id,
            playable_id=playable.id,
            title_id=title.id,
            name=_name(title, playable),
            duration_s=package.duration_s,
            resume_s=0.0 if watched is None or watched.finished else watched.position_s,
            complete=package.complete,
            hls_url=f"{API}/{session_id}/master.m3u8{access}",
            dash_url=f"{API}/{session_id}/manifest.mpd{access}",
            media_bases=ways.urls,
            expires_s=ways.expires_s,
            edge_hls_url=f"{at_edge}.m3u8" if at_edge else "",
            edge_dash_url=f"{at_edge}.mpd" if at_edge else "",
            heartbeat_s=self._settings.heartbeat_s,
            start_share=await self._start_share(caller),
            texts=tuple(
                TextOffer(name=text.name, language=text.language, label=names[text.id]) for text in package.texts
            ),
            thumbnails=_thumbnails_of(package),
            next=await self._next(title, playable, caller),
        )

    async def _at_edge(self, package: Package, ways: Ways) -> str:
        """Where the best edge has the manifests that it makes by itself, without their suffix."""
        edge, url = ways.bases[0]
        if not edge or not package.complete:
            return ""
        return url + (await self._media.get_package_name(package.asset_id)).removesuffix(".json")

    async def _arms(self, caller: Principal) -> Arms:
        """What the experiments on edges and ladder give this viewer."""
        edges = await self._decide(caller, "steering") if len(self._media_urls) > 1 else {}
        ladder = await self._decide(caller, "ladder")
        return arms_of(edges.get("steering.edges"), ladder.get("ladder.rungs"))

    async def _decide(self, caller: Principal, layer: str) -> Mapping[str, Any]:
        who = {"profile": caller.profile_id, "kids": caller.kids}
        return await self._experiments.decide(layer, who, profile_id=caller.profile_id)

    async def _start_share(self, caller: Principal) -> float:
        """What the experiment on the player's start gives this viewer; what is no share of the estimate is all."""
        chosen = (await self._decide(caller, "player")).get("player.start_share")
        if isinstance(chosen, int | float) and not isinstance(chosen, bool) and 0.1 <= chosen <= 2:
            return float(chosen)
        return 1.0

    async def _next(self, title: Title, playable: Playable, caller: Principal) -> NextPlayable | None:
        if playable.episode is None:
            return None
        detail = await self._catalog.get_title(title.id, caller)
        later = [row for row in detail.playables if _place(row) > _place(playable) and row.asset_id]
        if not later:
            return None
        first = min(later, key=_place)
        return NextPlayable(playable_id=first.id, name=_name(title, first), url=f"/watch/{first.id}")

    async def heartbeat(
        self, session_id: SessionId, caller: Principal, felt: Felt | None = None, *, address: str = ""
    ) -> Heartbeat:
        """Keep a session alive, if the caller may still see the title; the answer carries fresh signatures."""
        row = await self._own(session_id, caller, "")
        await self._catalog.get_playable(PlayableId(row["playable_id"]), caller)
        package = await self._media.get_package(AssetId(row["asset_id"]))
        await self._database.write(sql.touch_session, session_id, self._now_ms())
        for url in (felt or Felt()).worked:
            await self._steering.tell(url.rstrip("/"), row["profile_id"], failed=False)
        for url in (felt or Felt()).failed:
            await self._steering.tell(url.rstrip("/"), row["profile_id"], failed=True)
        ways = await self._ways(row, package, address)
        return Heartbeat(
            media_bases=ways.urls,
            expires_s=ways.expires_s,
            complete=package.complete,
            tracks=_offered(row, package),
            thumbnails=_thumbnails_of(package),
        )

    async def end_session(self, session_id: SessionId, caller: Principal) -> None:
        """The player is closed."""
        await self._own(session_id, caller, "")
        await self._database.write(sql.delete_session, session_id)

    async def get_master(self, session_id: SessionId, who: Watcher) -> str:
        """The multivariant playlist; where edges are registered, once for each of the best of them."""
        row, package, tracks = await self._load(session_id, who.caller, who.access)
        ways = await self._ways(row, package, who.address, tracks)
        pathways = [hls.Pathway(name, self._playlists(row, who, name)) for name, _ in ways.bases[:PATHWAYS_MOST]]
        if not self._is_steered(row, ways):
            return hls.multivariant(package, tracks, self._playlists(row, who, ""))
        return hls.steered(package, tracks, pathways, self._steering_url(row, "hls", [one.id for one in pathways]))

    def _playlists(self, row: dict[str, Any], who: Watcher, edge: str) -> hls.UrlOf:
        query = urlencode({name: value for name, value in (("access", who.access), ("edge", edge)) if value})
        suffix = f"?{query}" if query else ""
        return lambda track_id: f"{API}/{row['id']}/{track_id}.m3u8{suffix}"

    async def get_playlist(self, session_id: SessionId, who: Watcher, track_id: str, edge: str = "") -> str:
        """One track's playlist, with its segments at an edge. Raises NotFound."""
        row, package, tracks = await self._load(session_id, who.caller, who.access)
        base = (await self._ways(row, package, who.address, tracks)).of(edge)
        for track in tracks:
            if track.id == track_id:
                return hls.media(track, base, complete=package.complete)
        for text in package.texts:
            if text.id == track_id:
                return hls.subtitles(text, base, package.duration_s)
        raise NotFound(f"no track {track_id[:40]!r} in this session")

    async def get_manifest(self, session_id: SessionId, who: Watcher) -> str:
        """The MPD. Raises Conflict while the title encodes: a static one would end with what is made now."""
        row, package, tracks = await self._load(session_id, who.caller, who.access)
        if not package.complete:
            raise Conflict("this is still being prepared; until it is whole it plays as HLS")
        ways = await self._ways(row, package, who.address, tracks)
        if not self._is_steered(row, ways):
            return dash.manifest(package, tracks, ways.urls[0])
        bases = ways.bases[:PATHWAYS_MOST]
        server = who.origin + self._steering_url(row, "dash", [name for name, _ in bases])
        return dash.steered(package, tracks, bases, server)

    async def get_steering(
        self, session_id: SessionId, who: Watcher, kind: Literal["hls", "dash"], known: list[str], current: str
    ) -> dict[str, Any]:
        """The content-steering document of a session, for whoever holds its signed URL. Raises Gone."""
        try:
            row, package, tracks = await self._load(session_id, who.caller, who.access)
        except NotFound as error:
            raise Gone("this session has ended; open the title again") from error
        steered = await self._steering.steer(self._viewing(row, package, who.address, tracks, "", current))
        if not steered.edges:
            raise Gone("no edge is registered any more")
        again = who.origin + self._steering_url(row, kind, known)  # absolute: shaka-player resolves no relative one
        found: dict[str, Any] = self._steering.document(steered, reload_uri=again, kind=kind, known=known)
        return found

    def _is_steered(self, row: dict[str, Any], ways: Ways) -> bool:
        return bool(ways.bases[0][0]) and not row["device"].get("steers", False)

    def _steering_url(self, row: dict[str, Any], kind: str, known: list[str]) -> str:
        query = urlencode({"access": self._access(row["id"]), "kind": kind, "known": ",".join(known)})
        return f"{API}/{row['id']}/steering.json?{query}"

    async def _load(
        self, session_id: SessionId, caller: Principal, access: str
    ) -> tuple[dict[str, Any], Package, tuple[Track, ...]]:
        row = await self._own(session_id, caller, access)
        viewer = await self._viewer(row) if access else caller
        await self._catalog.get_playable(PlayableId(row["playable_id"]), viewer)
        package = await self._media.get_package(AssetId(row["asset_id"]))
        return row, package, _tracks_in(row, package)

    async def _viewer(self, row: dict[str, Any]) -> Principal:
        """Whom a capability speaks for: the profile that watches, with the limit that it has now.

        Raises NotFound where its person was shut out: each manifest would bring URLs that are good for hours more.
        """
        if await self._accounts.is_shut_out(UserId(row["user_id"])):
            raise NotFound("no such playback session; open the title again")
        profile = await self._accounts.get_profile(ProfileId(row["profile_id"]))
        return Principal(
            kind="token",
            role="viewer",
            profile_id=profile.id,
            maturity_limit=profile.maturity_limit,
            kids=profile.kids,
        )

    async def _own(self, session_id: SessionId, caller: Principal, access: str) -> dict[str, Any]:
        """The session, if it is the caller's: same user and same profile, or a capability made for it."""
        row = await self._database.read(sql.get_session, session_id)
        if row is None or self._now_ms() - row["seen_ms"] > self._settings.session_days * DAY_MS:
            raise NotFound("no such playback session; open the title again")
        if access:
            if not self._may_access(session_id, access):
                raise Forbidden("this manifest URL is altered or has expired; open the title again")
        elif (caller.user_id or "", caller.profile_id or "") != (row["user_id"], row["profile_id"]):
            raise NotFound("no such playback session; open the title again")
        return row

    async def _ways(self, row: dict[str, Any], package: Package, address: str, tracks: Sequence[Track] = ()) -> Ways:
        """Where the session's media is to be fetched: at registered edges in steering's order, else where set."""
        expires_s = self._now_ms() // 1000 + self._settings.media_url_s
        # A cookie of this host would not reach an edge elsewhere.
        viewer = row["viewer"] if await self._steering.all_on(self._host) else ""
        path = sign_folder(self._keys, package.folder, expires_s=expires_s, viewer=viewer or None)
        viewing = self._viewing(row, package, address, tracks, token_of(path), "")
        viewing = msgspec.structs.replace(viewing, otherwise=self._media_urls)
        edges = (await self._steering.steer(viewing)).edges
        return Ways(tuple((name, url.rstrip("/") + path) for name, url in edges), expires_s)

    def _viewing(
        self,
        row: dict[str, Any],
        package: Package,
        address: str,
        tracks: Sequence[Track],
        token: str,
        current: str,
    ) -> Viewing:
        tracks = tracks or package.tracks
        return Viewing(
            session_id=row["id"],
            viewer=row["profile_id"],
            folder=package.folder,
            folder_bytes=sum(segment.bytes for track in package.tracks for segment in track.segments),
            bps=float(max((track.average_bps for track in tracks), default=1_000_000)),
            address=address,
            token=token or f"document {row['id']}",
            current=current,
            order=_arms_in(row).edges,
        )

    def _access(self, session_id: SessionId) -> str:
        expires_s = self._now_ms() // 1000 + self._settings.media_url_s
        key, signature = self._keys.sign("manifest", f"{session_id}|{expires_s}")
        return f"{key}.{expires_s}.{signature}"

    def _may_access(self, session_id: SessionId, access: str) -> bool:
        key, _, rest = access[:100].partition(".")
        expires, _, signature = rest.partition(".")
        expires_s = whole_number(expires, LATEST_S)
        if expires_s is None or expires_s < self._now_ms() // 1000:
            return False
        return self._keys.verifies("manifest", f"{session_id}|{expires}", key, signature)

    async def count_active(self, *, since_ms: int, until_ms: int) -> int:
        """Playback sessions that were seen in a window: who a fault may have touched."""
        return await self._database.read(sql.count_active, since_ms, until_ms)

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def _place(playable: Playable) -> tuple[int, int]:
    return (playable.season or 0, playable.episode or 0)


def _name(title: Title, playable: Playable) -> str:
    if playable.episode is None:
        return title.name
    return f"{title.name} · S{playable.season or 0:02}E{playable.episode:02} · {playable.name}"


def _tracks_in(row: Mapping[str, Any], package: Package) -> tuple[Track, ...]:
    return tracks_for(package, msgspec.convert(row["device"], Device), _arms_in(row).ladder)


def _thumbnails_of(package: Package) -> ThumbnailOffer | None:
    return msgspec.convert(msgspec.to_builtins(package.sprites), ThumbnailOffer | None)


def _offered(row: Mapping[str, Any], package: Package) -> int:
    """How many tracks the session's manifests name."""
    return len(_tracks_in(row, package)) + len(package.texts)


def _arms_in(row: Mapping[str, Any]) -> Arms:
    return msgspec.convert(row["arms"], Arms)
