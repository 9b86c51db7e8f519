"""Routes of playback."""

from __future__ import annotations

import asyncio
import gzip
from typing import Annotated, Any, Literal

from litestar import Controller, Request, Response, delete, get, post
from litestar.params import Parameter, QueryParameter

from reelwright.kernel.ids import SessionId
from reelwright.kernel.principal import principal_of, require_profile
from reelwright.playback.contract import Felt, Heartbeat, PlaybackSession, SessionRequest
from reelwright.playback.ports import ViewerBinding
from reelwright.playback.service import PlaybackService, Watcher

HLS_TYPE = "application/vnd.apple.mpegurl"
DASH_TYPE = "application/dash+xml"


class PlaybackRoutes(Controller):
    """Playback sessions and their manifests."""

    path = "/api/v1/playback/sessions"
    tags = ("playback",)

    @post("/", summary="Begin to play", guards=[require_profile])
    async def create_session(
        self, request: Request[Any, Any, Any], data: SessionRequest, playback: PlaybackService, viewers: ViewerBinding
    ) -> Response[PlaybackSession]:
        """Begin to play a film or episode: manifests for the device, where to resume, what comes next."""
        caller = principal_of(request)
        viewer, cookies = viewers.bind(caller)
        session = await playback.create_session(caller, data, viewer=viewer, address=_address(request))
        return Response(session, status_code=201, cookies=cookies)

    @get("/{session_id:str}/master.m3u8", summary="Get the HLS multivariant playlist")
    async def get_master(
        self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService, access: str = ""
    ) -> Response[bytes]:
        """Get the HLS multivariant playlist, filtered for the session's device."""
        text = await playback.get_master(SessionId(session_id), _watcher(request, access))
        return await _manifest(request, text, HLS_TYPE)

    @get("/{session_id:str}/manifest.mpd", summary="Get the DASH manifest")
    async def get_manifest(
        self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService, access: str = ""
    ) -> Response[bytes]:
        """Get the DASH manifest over the same segments."""
        text = await playback.get_manifest(SessionId(session_id), _watcher(request, access))
        return await _manifest(request, text, DASH_TYPE)

    @get("/{session_id:str}/steering.json", summary="Get the content-steering document")
    async def get_steering(
        self,
        request: Request[Any, Any, Any],
        session_id: str,
        playback: PlaybackService,
        access: str = "",
        kind: Annotated[Literal["hls", "dash"], Parameter(description="Which of the two formats.")] = "hls",
        known: Annotated[str, Parameter(max_length=200, description="Pathways that the manifest names.")] = "",
        hls_now: Annotated[
            str, QueryParameter(name="_HLS_pathway", max_length=200, description="As HLS says it.")
        ] = "",
        dash_now: Annotated[
            str, QueryParameter(name="_DASH_pathway", max_length=500, description="As DASH does.")
        ] = "",
    ) -> Response[Any]:
        """Get a session's edges in their order of now, as HLS or DASH content steering has it; 410 after its end."""
        current = (hls_now or dash_now).strip('"').partition(",")[0]
        names = [name for name in known.split(",") if name]
        document = await playback.get_steering(SessionId(session_id), _watcher(request, access), kind, names, current)
        return Response(document, headers={"Cache-Control": "no-store"})

    @get("/{session_id:str}/{playlist:str}", summary="Get an HLS media playlist")
    async def get_playlist(
        self,
        request: Request[Any, Any, Any],
        session_id: str,
        playlist: str,
        playback: PlaybackService,
        access: str = "",
        edge: Annotated[str, Parameter(max_length=48, description="Pathway: where its segments are.")] = "",
    ) -> Response[bytes]:
        """Get the HLS playlist of one track, `{track}.m3u8`."""
        track_id = playlist.removesuffix(".m3u8")
        text = await playback.get_playlist(SessionId(session_id), _watcher(request, access), track_id, edge)
        return await _manifest(request, text, HLS_TYPE)

    @post("/{session_id:str}/heartbeat", summary="Keep a session alive", guards=[require_profile], status_code=200)
    async def heartbeat(
        self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService, data: Felt | None = None
    ) -> Heartbeat:
        """Keep a session alive; the answer carries media URLs with fresh signatures, the best edge first."""
        caller = principal_of(request)
        return await playback.heartbeat(SessionId(session_id), caller, data, address=_address(request))

    @delete("/{session_id:str}", summary="End a session", guards=[require_profile], status_code=204)
    async def end_session(self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService) -> None:
        """End a session; its media URLs still work until they expire."""
        await playback.end_session(SessionId(session_id), principal_of(request))


def _address(request: Request[Any, Any, Any]) -> str:
    return request.client.host if request.client else ""


def _watcher(request: Request[Any, Any, Any], access: str) -> Watcher:
    origin = str(request.base_url).rstrip("/")
    return Watcher(principal_of(request), access=access, address=_address(request), origin=origin)


async def _manifest(request: Request[Any, Any, Any], text: str, media_type: str) -> Response[bytes]:
    """Compressed where the player takes that: a film's playlist repeats the same base in every line."""
    body, headers = text.encode(), {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = await asyncio.to_thread(gzip.compress, body, 6), {**headers, "Content-Encoding": "gzip"}
    return Response(body, media_type=media_type, headers=headers)


ROUTES = (PlaybackRoutes,)
