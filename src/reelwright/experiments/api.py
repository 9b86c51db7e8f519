"""Routes of experiments, and OpenFeature's remote evaluation protocol (OFREP 0.3.0)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, Response, get, post, put
from litestar.exceptions import ValidationException
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter
from msgspec import Meta

from reelwright.experiments.contract import (
    BadConfiguration,
    BadContext,
    Change,
    Configuration,
    Experiment,
    Layer,
    State,
)
from reelwright.experiments.core import lifecycle
from reelwright.experiments.core.flags import TARGETING_KEY, encode
from reelwright.experiments.service import ExperimentsService
from reelwright.kernel.errors import Invalid
from reelwright.kernel.principal import Principal, principal_of, require


class StateChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The next step of an experiment's life."""

    state: State


class SizeChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of its layer an experiment is to have."""

    share: Annotated[float, Meta(ge=0, le=1)]


class Preview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody, by attributes."""

    attributes: dict[str, Any]


class PreviewRow(msgspec.Struct, frozen=True):
    """One experiment for them: which cell, or why none."""

    experiment: str
    layer: str
    cell: str | None
    reason: str


_CONTEXT = Meta(extra_json_schema={"properties": {TARGETING_KEY: {"type": ["string", "null"]}}})


class OfrepBody(msgspec.Struct, frozen=True):
    """What an OFREP client sends."""

    context: Annotated[dict[str, Any], _CONTEXT] = {}


class OfrepFlag(msgspec.Struct, frozen=True):
    """One flag, as OFREP answers: a value with its reason, or an error."""

    key: str
    value: Any = None
    reason: str = ""
    variant: str = ""
    metadata: dict[str, Any] = {}
    errorCode: str = ""
    errorDetails: str = ""


class OfrepFailure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why nothing was evaluated; `key` where one flag was asked for."""

    errorCode: Literal["PARSE_ERROR", "INVALID_CONTEXT"]
    errorDetails: str
    key: str = ""


class OfrepFlags(msgspec.Struct, frozen=True):
    """Every flag."""

    flags: list[OfrepFlag]


_REFUSED = {400: ResponseSpec(OfrepFailure, description="Not evaluated.", generate_examples=False)}
_NOT_FOUND = {404: ResponseSpec(OfrepFlag, description="No such flag.", generate_examples=False)}
_NOT_MODIFIED = {304: ResponseSpec(None, description="The last answer still holds.", generate_examples=False)}


class ExperimentRoutes(Controller):
    """Configuration."""

    path = "/api/v1/experiments"
    tags = ("experiments",)
    guards = (require("editor"),)

    @get("/", summary="Get the configuration")
    async def get_configuration(self, experiments: ExperimentsService) -> Configuration:
        """Get everything that is in force."""
        return experiments.snapshot.configuration

    @get("/changes", summary="List changes")
    async def list_changes(self, experiments: ExperimentsService) -> list[Change]:
        """List who changed what, the newest first."""
        return await experiments.list_changes()

    @put("/layers/{key:str}", summary="Put a layer")
    async def put_layer(
        self, request: Request[Any, Any, Any], key: str, data: Layer, experiments: ExperimentsService
    ) -> Layer:
        """Put a layer, new or in place of the one of its name."""
        _same(key, data.key)
        await experiments.put_layer(data, by=_who(principal_of(request)))
        return data

    @get("/{key:str}", summary="Get an experiment")
    async def get_experiment(self, key: str, experiments: ExperimentsService) -> Experiment:
        """Get one experiment."""
        return lifecycle.find(experiments.snapshot.configuration, key)

    @put("/{key:str}", summary="Put an experiment")
    async def put_experiment(
        self, request: Request[Any, Any, Any], key: str, data: Experiment, experiments: ExperimentsService
    ) -> Experiment:
        """Put an experiment: a new one as a draft, a known one in the state that it has."""
        _same(key, data.key)
        return await experiments.put_experiment(data, by=_who(principal_of(request)))

    @put("/{key:str}/state", summary="Move an experiment")
    async def move(
        self, request: Request[Any, Any, Any], key: str, data: StateChange, experiments: ExperimentsService
    ) -> Experiment:
        """Move an experiment one step: draft, canary, running, stopped, archived."""
        return await experiments.move(key, data.state, by=_who(principal_of(request)))

    @put("/{key:str}/share", summary="Resize an experiment")
    async def resize(
        self, request: Request[Any, Any, Any], key: str, data: SizeChange, experiments: ExperimentsService
    ) -> Experiment:
        """Resize an experiment; only those are moved that it frees or takes."""
        return await experiments.resize(key, data.share, by=_who(principal_of(request)))

    @post("/preview", summary="Preview", status_code=200)
    async def preview(self, data: Preview, experiments: ExperimentsService) -> list[PreviewRow]:
        """Say what somebody with these attributes would see, and why; nothing is reported."""
        found = experiments.assign(data.attributes)
        return [PreviewRow(one.experiment, one.layer, one.cell, one.reason.name.lower()) for one in found]


def _refuse(request: Request[Any, Any, Any], error: Invalid | ValidationException) -> Response[Any]:
    """OFREP's own words for a body that is missing or no JSON, and for one that is no context."""
    cause = error.__cause__
    broken = isinstance(error, ValidationException) or (
        isinstance(cause, ValueError) and not isinstance(cause, msgspec.ValidationError)
    )
    failure = OfrepFailure(
        errorCode="PARSE_ERROR" if broken else "INVALID_CONTEXT",
        errorDetails=str(error),
        key=str(request.path_params.get("key", "")),
    )
    return _json(msgspec.json.encode(failure), 400)


class OfrepRoutes(Controller):
    """Flags for OpenFeature's clients; a personal token is the bearer token."""

    path = "/ofrep/v1"
    tags = ("experiments",)
    guards = (require("viewer"),)
    exception_handlers: Any = {Invalid: _refuse, ValidationException: _refuse}  # noqa: RUF012 (as the framework has it)

    @post("/evaluate/flags/{key:str}", summary="Evaluate a flag", status_code=200, responses=_REFUSED | _NOT_FOUND)
    async def evaluate(self, key: str, data: OfrepBody, experiments: ExperimentsService) -> Response[OfrepFlag]:
        """Evaluate one flag for a context."""
        _checked(data.context)
        found = experiments.flags.resolve(key, data.context)
        return _json(encode(found), 404 if found.error_code == "FLAG_NOT_FOUND" else 200)

    @post("/evaluate/flags", summary="Evaluate all flags", status_code=200, responses=_REFUSED | _NOT_MODIFIED)
    async def evaluate_all(
        self,
        data: OfrepBody,
        experiments: ExperimentsService,
        if_none_match: Annotated[
            str | None, HeaderParameter(name="If-None-Match", description="The ETag of the last answer.")
        ] = None,
    ) -> Response[OfrepFlags]:
        """Evaluate every flag for a context; 304 where the last answer still holds."""
        _checked(data.context)
        flags = experiments.flags
        digest = hashlib.blake2b(msgspec.json.encode(data.context, order="sorted"), digest_size=12)
        digest.update(flags.version.encode())
        etag = f'"{digest.hexdigest()}"'
        if if_none_match == etag:
            return _json(b"", 304, {"ETag": etag})
        return _json(flags.encode_all(data.context), 200, {"ETag": etag})


def _json(body: bytes, status: int, headers: dict[str, str] | None = None) -> Response[Any]:
    """Written already; the type is for the description."""
    return Response(body, status_code=status, media_type="application/json", headers=headers or {})


def _checked(context: dict[str, Any]) -> None:
    key = context.get(TARGETING_KEY)
    if key is not None and not isinstance(key, str):
        raise BadContext(f"{TARGETING_KEY} is a text, got {type(key).__name__}")


def _same(path: str, body: str) -> None:
    if path != body:
        raise BadConfiguration([f"the path names {path[:60]!r}, the body {body[:60]!r}"])


def _who(caller: Principal) -> str:
    return str(caller.user_id or caller.kind)


ROUTES = (ExperimentRoutes, OfrepRoutes)
