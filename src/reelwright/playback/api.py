"""Routes of playback."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

from litestar import Controller, Request, Response, delete, get, post

from reelwright.kernel.ids import SessionId
from reelwright.kernel.principal import principal_of, require_profile
from reelwright.playback.contract import Heartbeat, PlaybackSession, SessionRequest
from reelwright.playback.ports import ViewerBinding
from reelwright.playback.service import PlaybackService

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
        session = await playback.create_session(caller, data, viewer=viewer)
        return Response(session, status_code=201, cookies=cookies)

    @get("/{session_id:str}/master.m3u8", summary="Get the HLS multivariant playlist")
    async def get_master(
        self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService, access: str = ""
    ) -> Response[bytes]:
        """Get the HLS multivariant playlist, filtered for the session's device."""
        text = await playback.get_master(SessionId(session_id), principal_of(request), access)
        return await _manifest(request, text, HLS_TYPE)

    @get("/{session_id:str}/manifest.mpd", summary="Get the DASH manifest")
    async def get_manifest(
        self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService, access: str = ""
    ) -> Response[bytes]:
        """Get the DASH manifest over the same segments."""
        text = await playback.get_manifest(SessionId(session_id), principal_of(request), access)
        return await _manifest(request, text, DASH_TYPE)

    @get("/{session_id:str}/{playlist:str}", summary="Get an HLS media playlist")
    async def get_playlist(
        self,
        request: Request[Any, Any, Any],
        session_id: str,
        playlist: str,
        playback: PlaybackService,
        access: str = "",
    ) -> Response[bytes]:
        """Get the HLS playlist of one track, `{track}.m3u8`."""
        track_id = playlist.removesuffix(".m3u8")
        text = await playback.get_playlist(SessionId(session_id), principal_of(request), access, track_id)
        return await _manifest(request, text, HLS_TYPE)

    @post("/{session_id:str}/heartbeat", summary="Keep a session alive", guards=[require_profile], status_code=200)
    async def heartbeat(
        self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService
    ) -> Heartbeat:
        """Keep a session alive; the answer carries media URLs with fresh signatures."""
        return await playback.heartbeat(SessionId(session_id), principal_of(request))

    @delete("/{session_id:str}", summary="End a session", guards=[require_profile], status_code=204)
    async def end_session(self, request: Request[Any, Any, Any], session_id: str, playback: PlaybackService) -> None:
        """End a session; its media URLs still work until they expire."""
        await playback.end_session(SessionId(session_id), principal_of(request))


async def _manifest(request: Request[Any, Any, Any], text: str, media_type: str) -> Response[bytes]:
    """Compressed where the player takes that: a film's playlist repeats the same base in every line."""
    body, headers = text.encode(), {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = await asyncio.to_thread(gzip.compress, body, 6), {**headers, "Content-Encoding": "gzip"}
    return Response(body, media_type=media_type, headers=headers)


ROUTES = (PlaybackRoutes,)
