"""Routes of the catalogue: titles, search, uploads (tus 1.0.0)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, head, patch, post
from litestar.exceptions import InternalServerException
from litestar.params import HeaderParameter, Parameter

from reelwright.catalog.adapters.uploads import safe_name
from reelwright.catalog.contract import Playable, Title, TitleDetail
from reelwright.catalog.core.naming import VIDEO_SUFFIXES
from reelwright.catalog.service import CatalogService, TitleChange, UploadService, UploadState
from reelwright.kernel.errors import Invalid, Terminal, Transient
from reelwright.kernel.http import decode_cursor, encode_cursor, etag_of
from reelwright.kernel.ids import PlayableId, TitleId
from reelwright.kernel.principal import principal_of, require
from reelwright.kernel.units import whole_number

Limit = Annotated[int, Parameter(ge=1, le=200, description="Titles a page.")]
Cursor = Annotated[str | None, Parameter(max_length=200, description="`next` of the page before.")]
PAGE = 50
LARGEST = 1 << 50


class TitlePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the titles, and where the next ones begin."""

    titles: list[TitleDetail]
    next: str | None
    """Cursor of the next page; null on the last one."""


class PreconditionRequired(Terminal):
    """A change must say which state it was made from."""

    status = 428
    slug = "precondition-required"


class WrongMediaType(Terminal):
    """The body has another type than this route takes."""

    status = 415
    slug = "wrong-media-type"


class WrongTusVersion(Terminal):
    """The client speaks another version of tus."""

    status = 412
    slug = "wrong-tus-version"


class CutOff(Transient):
    """The sender hung up; what had arrived is kept."""

    slug = "cut-off"


class TitleRoutes(Controller):
    """Titles and playables."""

    path = "/api/v1"
    tags = ("catalog",)
    guards = (require("viewer"),)

    @get("/titles", summary="List titles")
    async def list_titles(
        self,
        request: Request[Any, Any, Any],
        catalog: CatalogService,
        cursor: Cursor = None,
        limit: Limit = PAGE,
        waiting: bool = False,
    ) -> TitlePage:
        """List titles the caller may see, newest first; `waiting` adds those not playable yet, for editors."""
        caller = principal_of(request)
        after = decode_cursor(cursor, int, str) if cursor else None
        found = await catalog.list_page(
            caller,
            limit=limit + 1,
            after=(after[0], after[1]) if after else None,
            waiting=waiting and caller.may("editor"),
        )
        page, last = found[:limit], found[:limit][-1:]
        more = len(found) > limit
        return TitlePage(titles=page, next=encode_cursor(last[0].title.added_ms, last[0].title.id) if more else None)

    @get("/titles/{title_id:str}", summary="Get a title")
    async def get_title(
        self, request: Request[Any, Any, Any], title_id: str, catalog: CatalogService
    ) -> Response[TitleDetail]:
        """Get one title with its playables; its ETag is what a change must send back as If-Match."""
        detail = await catalog.get_title(TitleId(title_id), principal_of(request))
        return Response(detail, headers={"ETag": _etag(detail.title, detail)})

    @patch("/titles/{title_id:str}", summary="Change a title", guards=[require("editor")])
    async def change_title(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        data: TitleChange,
        catalog: CatalogService,
        if_match: Annotated[
            str | None, HeaderParameter(name="If-Match", description="The ETag that was read.")
        ] = None,
    ) -> Response[Title]:
        """Change a title; If-Match must carry the ETag that was read."""
        if if_match is None:
            raise PreconditionRequired("send the title's ETag as If-Match, so that no other change is lost")
        # An encode changes the playables, and with them the tag; only the part before the dash is edited.
        revision = whole_number(if_match.removeprefix("W/").strip('"').partition("-")[0], 1 << 31)
        caller = principal_of(request)
        title = await catalog.change_title(TitleId(title_id), caller, data, -1 if revision is None else revision)
        return Response(title, headers={"ETag": _etag(title)})

    @delete("/titles/{title_id:str}", summary="Remove a title", guards=[require("editor")], status_code=204)
    async def delete_title(self, request: Request[Any, Any, Any], title_id: str, catalog: CatalogService) -> None:
        """Remove a title from the catalogue; its source files stay where they are, what was made of them goes."""
        await catalog.delete_title(TitleId(title_id), principal_of(request))

    @get("/playables/{playable_id:str}", summary="Get a playable")
    async def get_playable(
        self, request: Request[Any, Any, Any], playable_id: str, catalog: CatalogService
    ) -> Playable:
        """Get a film or an episode: its state, length and place."""
        return (await catalog.get_playable(PlayableId(playable_id), principal_of(request)))[1]

    @get("/search", summary="Search titles")
    async def search(
        self,
        request: Request[Any, Any, Any],
        catalog: CatalogService,
        q: Annotated[str, Parameter(max_length=200, description="What to look for.")],
        limit: Limit = 30,
    ) -> list[Title]:
        """Search names, people, genres and summaries by word, prefix or near-miss, best first."""
        return await catalog.search(q, principal_of(request), limit=limit)


class UploadRoutes(Controller):
    """Resumable uploads, as tus 1.0.0 (core, creation, checksum, termination)."""

    path = "/api/v1/uploads"
    tags = ("catalog",)
    guards = (require("editor"),)

    @post("/", summary="Begin an upload", status_code=201)
    async def create_upload(
        self,
        request: Request[Any, Any, Any],
        uploads: UploadService,
        upload_length: Annotated[str, HeaderParameter(name="Upload-Length", description="Bytes of the file.")],
        upload_metadata: Annotated[str, HeaderParameter(name="Upload-Metadata", description="`filename` in base64.")],
    ) -> Response[None]:
        """Begin an upload of `Upload-Length` bytes; `Upload-Metadata` names the file. Location is where to PATCH."""
        _check_version(request)
        length = whole_number(upload_length, LARGEST)
        if length is None:
            raise Invalid(f"Upload-Length is the file's bytes, got {upload_length[:30]!r}")
        upload_id = await uploads.create(principal_of(request), name=_file_name(upload_metadata), length=length)
        return _answer(UploadState(offset=0, length=length), 201, Location=f"/api/v1/uploads/{upload_id}")

    @head("/{upload_id:str}", summary="Ask how much has arrived")
    async def get_offset(
        self, request: Request[Any, Any, Any], upload_id: str, uploads: UploadService
    ) -> Response[None]:
        """Ask how many bytes of an upload have arrived, as `Upload-Offset`."""
        state = await uploads.get(principal_of(request), upload_id)
        return _answer(state, 200, **{"Cache-Control": "no-store"})

    @patch("/{upload_id:str}", summary="Send a part", status_code=204, request_max_body_size=None)
    async def append(
        self,
        request: Request[Any, Any, Any],
        upload_id: str,
        uploads: UploadService,
        upload_offset: Annotated[str, HeaderParameter(name="Upload-Offset", description="Where these bytes begin.")],
        upload_checksum: Annotated[
            str,
            HeaderParameter(name="Upload-Checksum", description="`sha1` or `sha256`, and the checksum in base64."),
        ] = "",
    ) -> Response[None]:
        """Send bytes from `Upload-Offset` on; when the last has arrived the film is added."""
        _check_version(request)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/offset+octet-stream":
            raise WrongMediaType("send Content-Type: application/offset+octet-stream")
        offset = whole_number(upload_offset, LARGEST)
        if offset is None:
            raise Invalid(f"Upload-Offset is where these bytes begin, got {upload_offset[:30]!r}")
        state = await uploads.append(
            principal_of(request), upload_id, _blocks(request), offset=offset, checksum=_checksum(upload_checksum)
        )
        return _answer(state, 204)

    @delete("/{upload_id:str}", summary="Give up an upload", status_code=204)
    async def give_up(self, request: Request[Any, Any, Any], upload_id: str, uploads: UploadService) -> None:
        """Throw away an upload that has not become a film."""
        await uploads.give_up(principal_of(request), upload_id)


def _etag(title: Title, detail: TitleDetail | None = None) -> str:
    """The title's revision, then everything that is shown."""
    return f'"{title.revision}-{etag_of(title, detail)[1:11]}"'


def _answer(state: UploadState, status_code: int, **headers: str) -> Response[None]:
    told = {"Upload-Offset": str(state.offset), "Upload-Length": str(state.length), "Tus-Resumable": "1.0.0"}
    return Response(None, status_code=status_code, headers={**told, **headers})


def _check_version(request: Request[Any, Any, Any]) -> None:
    version = request.headers.get("tus-resumable", "1.0.0")
    if version != "1.0.0":
        raise WrongTusVersion(f"tus 1.0.0 is spoken here, not {version[:20]!r}")


async def _blocks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    try:
        async for block in request.stream():
            yield block
    except InternalServerException as error:  # Litestar's word for a client that has gone
        raise CutOff("the connection ended before the part did; ask with HEAD and go on from there") from error


def _file_name(metadata: str) -> str:
    pairs = (pair.strip().partition(" ") for pair in metadata.split(","))
    encoded = next((value for key, _, value in pairs if key == "filename"), "")
    try:
        name = safe_name(base64.b64decode(encoded, validate=True).decode("utf-8"))
    except (binascii.Error, ValueError):
        raise Invalid("Upload-Metadata carries `filename` and the name in base64") from None
    if not any(name.lower().endswith(suffix) for suffix in VIDEO_SUFFIXES):
        raise Invalid(f"{name} has no film's suffix; known are {', '.join(sorted(VIDEO_SUFFIXES))}")
    return name


def _checksum(header: str) -> str:
    if not header:
        return ""
    algorithm, _, encoded = header.partition(" ")
    try:
        return f"{algorithm} {base64.b64decode(encoded, validate=True).hex()}"
    except (binascii.Error, ValueError):
        raise Invalid("Upload-Checksum is an algorithm and the checksum in base64") from None


ROUTES = (TitleRoutes, UploadRoutes)
