"""The API's description, completed: what the framework cannot know, or says otherwise than our handlers behave."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import Message, Scope

from reelwright.events.contract import Tally
from reelwright.kernel.errors import Invalid
from reelwright.kernel.http import Problem

_PROBLEM = {
    "description": "A problem (RFC 9457): what was seen, what was expected, what to do.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_BATCH = {
    "type": "object",
    "required": ["events"],
    "additionalProperties": False,
    "properties": {
        "events": {"type": "array", "maxItems": 500, "items": {}},
        "sent_ms": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": 1 << 48,
            "description": "The client's clock when it sent this: its times are corrected by the difference to ours.",
        },
        "tally": {"anyOf": [{"$ref": "#/components/schemas/Tally"}, {"type": "null"}]},
    },
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Send the same key again where no answer came: what was made is answered again, not made twice.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
}
_BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("/api/v1/events", "post"): {"application/json": {"schema": _BATCH}},
    ("/api/v1/cmcd", "post"): {"application/cmcd": {"schema": {"type": "string"}}},
    ("/api/v1/uploads/{upload_id}", "patch"): {
        "application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}
    },
}
"""Bodies that handlers read as streams."""
_FOREIGN_ERRORS = {
    ("/ofrep/v1/evaluate/flags/{key}", "post"): frozenset({"400", "404"}),
    ("/ofrep/v1/evaluate/flags", "post"): frozenset({"400"}),
}
"""Errors that another protocol writes in its own way, and whose route describes them itself."""


def _number(text: str) -> int | float:
    """JSON knows one kind of number: 2015.0 is a whole one."""
    value = float(text)
    return int(value) if value.is_integer() else value


_JSON = msgspec.json.Decoder(float_hook=_number)


class StrictRequest(Request[Any, Any, Any]):
    """Reads a JSON body as its handler's type at once: a number is no boolean, and a text is no number."""

    async def json(self) -> Any:
        """The body. Raises Invalid, naming the place and what was expected there."""
        data = self.scope["route_handler"].parsed_fn_signature.parameters.get("data")
        if data is None:
            return await super().json()
        try:
            return msgspec.convert(_JSON.decode(await self.body()), data.annotation, strict=True)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
            raise Invalid(f"the body is not as described: {error}") from error


class CompleteJson(JsonRenderPlugin):
    """Serves the completed document."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(complete(request.app, openapi_schema))


def complete(application: Litestar, document: dict[str, Any]) -> dict[str, Any]:
    """The document with exact schemas of what is sent, streamed bodies, and problems as every operation's error."""
    components = document.setdefault("components", {}).setdefault("schemas", {})
    sent: set[type[msgspec.Struct]] = {Problem, Tally}
    for route in application.routes:
        for handler in getattr(route, "route_handlers", ()):
            data = handler.parsed_fn_signature.parameters.get("data")
            if data is not None and isinstance(data.annotation, type) and issubclass(data.annotation, msgspec.Struct):
                sent.add(data.annotation)
    ordered = sorted(sent, key=lambda kind: kind.__name__)
    components.update(msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")[1])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete_operation(path, method, operation)
    return document


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    foreign = _FOREIGN_ERRORS.get((path, method), frozenset())
    for status in [one for one in responses if one.isdigit() and int(one) >= 400 and one not in foreign]:
        del responses[status]
    responses.get("204", {}).pop("content", None)
    responses["default"] = _PROBLEM
    body = _BODIES.get((path, method))
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if method == "post" and "201" in responses:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    for parameter in operation.get("parameters", ()):
        if parameter["name"].lower() == "if-match":
            parameter["required"] = True


async def tell_all_methods(message: Message, scope: Scope) -> None:
    """Name every method of the path: the framework tells OPTIONS only those of the first handler, and HEAD nobody."""
    if message["type"] != "http.response.start":
        return
    headers = list(message.get("headers", ()))
    allowed = {one for name, value in headers if name.lower() == b"allow" for one in value.decode().split(", ")}
    if scope.get("method") == "OPTIONS":
        template: Any = scope.get("path_template")
        routes = [route for route in scope["litestar_app"].routes if re.sub(r":\w+}", "}", route.path) == template]
        allowed |= {method for route in routes for method in getattr(route, "methods", ())}
    if allowed:
        allowed |= {"HEAD"} if "GET" in allowed else set()
        others = [(name, value) for name, value in headers if name.lower() != b"allow"]
        message["headers"] = [*others, (b"allow", ", ".join(sorted(allowed)).encode())]
