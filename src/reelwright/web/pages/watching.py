"""Title, player, search, list and pictures."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.params import Parameter

from reelwright.accounts.service import AccountsService
from reelwright.catalog.contract import Playable, TitleDetail
from reelwright.catalog.service import CatalogService
from reelwright.events.contract import Event, EventsClient, EventType
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import NotFound
from reelwright.kernel.ids import EventId, PlayableId, TitleId, new_id
from reelwright.kernel.objects import ObjectStore
from reelwright.kernel.principal import principal_of, require_profile
from reelwright.media.service import MediaService
from reelwright.recommend.contract import RecommendClient
from reelwright.web.forms import go, read_form
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer
from reelwright.web.service import offers_of

PRIVATE = "private, max-age=31536000, immutable"
"""Pictures carry their content's name in the URL, and are shown to those who may see the title only."""


class WatchPages(Controller):
    """Titles, the player, search, the own list: for whoever watches as a profile."""

    include_in_schema = False
    guards = (require_profile,)

    @get("/title/{title_id:str}")
    async def title(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        events: EventsClient,
        recommend: RecommendClient,
        media: MediaService,
        renderer: Renderer,
    ) -> Response[Any]:
        """What it is, in two lines; play, resume, episodes, languages, more like this."""
        caller = principal_of(request)
        detail = await catalog.get_title(TitleId(title_id), caller)
        assert caller.profile_id is not None
        watched = {row.playable_id: row for row in await events.list_watched(caller.profile_id)}
        saved = detail.title.id in await events.list_saved(caller.profile_id)
        thumb = (await events.list_thumbs(caller.profile_id)).get(detail.title.id, 0)
        play = _next_to_play(detail, watched)
        return renderer.page(
            request,
            "title.html",
            profile=await profile_of(request, accounts),
            detail=detail,
            play=play,
            offers=await offers_of(media, play),
            watched=watched,
            saved=saved,
            thumb=thumb,
            similar=await recommend.list_similar(detail.title.id, caller),
        )

    @post("/title/{title_id:str}")
    async def say(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        events: EventsClient,
    ) -> Response[Any]:
        """Save it, or judge it."""
        form, caller = await read_form(request, accounts), principal_of(request)
        await catalog.get_title(TitleId(title_id), caller)
        kind: EventType = "list_change" if form.get("do") in ("save", "unsave") else "thumb"
        value: dict[str, dict[str, Any]] = {
            "save": {"saved": True},
            "unsave": {"saved": False},
            "up": {"value": 1},
            "down": {"value": -1},
        }
        event = Event(
            id=EventId(new_id()),
            type=kind,
            at_ms=SystemClock().wall_ns() // 1_000_000,
            title_id=TitleId(title_id),
            data=value.get(form.get("do", ""), {"value": 0}),
        )
        await events.record([event], profile_id=caller.profile_id)
        return go(f"/title/{title_id}")

    @get("/watch/{playable_id:str}")
    async def watch(
        self,
        request: Request[Any, Any, Any],
        playable_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        renderer: Renderer,
    ) -> Response[Any]:
        """The picture, edge to edge."""
        title, playable = await catalog.get_playable(PlayableId(playable_id), principal_of(request))
        profile = await profile_of(request, accounts)
        return renderer.page(request, "watch.html", profile=profile, title=title, playable=playable)

    @get("/search")
    async def search(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        catalog: CatalogService,
        renderer: Renderer,
        q: Annotated[str, Parameter(max_length=200)] = "",
    ) -> Response[Any]:
        """Words, and the titles that have them."""
        found = await catalog.search(q, principal_of(request), limit=60) if q.strip() else []
        genres = [] if q.strip() else await _genres(catalog, request)
        profile = await profile_of(request, accounts)
        return renderer.page(request, "search.html", profile=profile, q=q, found=found, genres=genres)

    @get("/my-list")
    async def my_list(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        catalog: CatalogService,
        events: EventsClient,
        renderer: Renderer,
    ) -> Response[Any]:
        """Titles that the profile has saved, latest first."""
        caller = principal_of(request)
        assert caller.profile_id is not None
        saved = await events.list_saved(caller.profile_id)
        there = {detail.title.id: detail.title for detail in await catalog.list_titles(caller)}
        titles = [there[title_id] for title_id in saved if title_id in there]
        return renderer.page(request, "my_list.html", profile=await profile_of(request, accounts), titles=titles)

    @get("/art/{item_id:str}/{kind:str}")
    async def art(
        self,
        request: Request[Any, Any, Any],
        item_id: str,
        kind: str,
        catalog: CatalogService,
        objects: ObjectStore,
    ) -> Response[bytes]:
        """A poster, backdrop or still, for whoever may see what it shows."""
        import anyio.to_thread

        caller = principal_of(request)
        if kind == "still":
            name = (await catalog.get_playable(PlayableId(item_id), caller))[1].still
        elif kind in ("poster", "backdrop"):
            name = getattr((await catalog.get_title(TitleId(item_id), caller)).title, kind)
        else:
            name = ""
        if not name:
            raise NotFound("there is no such picture")
        body = await anyio.to_thread.run_sync(objects.get, name)
        return Response(body, media_type="image/jpeg", headers={"Cache-Control": PRIVATE})


def _next_to_play(detail: TitleDetail, watched: dict[PlayableId, Any]) -> Playable | None:
    """What the big button plays: what was begun last, else the first that was not finished."""
    there = [playable for playable in detail.playables if playable.state in ("watchable", "ready")]
    begun = [playable for playable in there if playable.id in watched and not watched[playable.id].finished]
    if begun:
        return max(begun, key=lambda playable: int(watched[playable.id].last_ms))
    return next((playable for playable in there if playable.id not in watched), there[0] if there else None)


async def _genres(catalog: CatalogService, request: Request[Any, Any, Any]) -> list[str]:
    details = await catalog.list_titles(principal_of(request))
    return sorted({genre for detail in details for genre in detail.title.genres})
