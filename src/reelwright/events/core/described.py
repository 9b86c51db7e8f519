"""The schema as people and browsers read it: the reference page, and TypeScript types for the front end. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import getdoc
from typing import Any

import msgspec
from msgspec import inspect

from reelwright.events.contract import MAX_BATCH, MAX_EVENT_BYTES
from reelwright.events.core.schema import SCHEMA, Data, Typed, tag_of, version_of

_INTRODUCTION = f"""\
A client reports events in batches: `POST /api/v1/events` with `{{"events": […]}}`, at most {MAX_BATCH} events and
2 MiB, counted after `Content-Encoding: gzip` has been undone. The answer has one verdict an event, in order:
`stored`, `duplicate` or `failed` with a reason. A bad event never fails its batch. The batch may say `sent_ms`, the
client's clock when it sent it: where that is more than 30 s off ours, the events' times are corrected by the
difference. An event counts as stored once it would survive a power cut.

The batch may also say, as `tally`, how much its device has sent: `sender`, an id that the device makes up once for
each profile, and of every hour that changed since the last batch the `hour` (since the epoch, by the time in the
events' ids), how many events the device `made` in it and of how many it is `done`, because they were judged or given
up. The numbers never fall, so that batches may come twice or late. Of what a device is done with and what never came,
the ledger (`/studio/data`, `reelwright lake ledger`) says so.

One event has at most {MAX_EVENT_BYTES} bytes, and fields that its type does not know are refused. What is refused is
kept with the reason, and can be sent again once the type is known.

Each type has a version. A device that still sends an earlier one is understood, and what lies in a log from before is
read as the version that is written now.

A player that reports CMCD in event mode posts its reports, one a line, to `/api/v1/cmcd`, and gets a verdict for
each. The id of such an event is made from its line, so that a report that is sent twice is one event.
"""


def page() -> str:
    """The reference page, in Markdown."""
    blocks = [_INTRODUCTION, "## What every event says\n", *_table(Typed, without=())]
    kinds = [SCHEMA.kinds[key] for key in SCHEMA.current.items()]
    for kind in kinds:
        blocks += [f"\n## `{tag_of(kind)}`\n", f"{getdoc(kind)}{_about(kind)}\n"]
        data = _data_of(kind)
        if data is not None:
            blocks += [*_table(data, without=()), ""]
        blocks += [f"{getdoc(SCHEMA.kinds[key])}" for key in SCHEMA.before_of(tag_of(kind))]
    return "\n".join(blocks).replace("\n\n\n", "\n\n")


def _about(kind: type[Typed]) -> str:
    required = [field.name for field in msgspec.structs.fields(kind) if field.required and field.name in _NAMES]
    version = version_of(kind)
    names = f" Names {' and '.join(f'`{name}`' for name in required)}." if required else ""
    return names + (f" Version {version}." if version > 1 else "")


_NAMES = ("session_id", "title_id", "playable_id")


def _table(kind: type[msgspec.Struct], *, without: tuple[str, ...]) -> Iterator[str]:
    yield "| field | type | meaning |\n|---|---|---|"
    for field, found in _fields(kind):
        if field.name not in without:
            optional = "" if field.required else ", may be left out"
            words = typescript_of(found).replace("|", "\\|")
            yield f"| `{field.name}` | `{words}`{optional} | {_says(found)} |"


def typescript() -> str:
    """Types of what a client sends, for the front end."""
    kinds = [SCHEMA.kinds[key] for key in SCHEMA.current.items()]
    blocks = ["/** Written by `make docs` from the events' schema; edit there. */"]
    parts: dict[str, type[msgspec.Struct]] = {}
    for kind in kinds:
        data = _data_of(kind)
        if data is not None:
            parts.update(_parts(data))
    for name, part in parts.items():
        blocks.append(_interface(f"{name}", part, ()))
    for kind in kinds:
        optional = "" if version_of(kind) > 1 else "?"
        head = (f"type: '{tag_of(kind)}'", f"version{optional}: {version_of(kind)}")
        blocks.append(_interface(f"{kind.__name__}Event", kind, head))
    names = "\n  | ".join(f"{kind.__name__}Event" for kind in kinds)
    blocks.append(f"export type AnyEvent =\n  | {names};")
    return "\n\n".join(blocks) + "\n"


def _interface(name: str, kind: type[msgspec.Struct], head: tuple[str, ...]) -> str:
    lines = [f"  {line};" for line in head]
    for field, found in _fields(kind):
        if head and field.name == "version":
            continue
        if field.name != "data":
            lines.append(f"  /** {_says(found)} */")
        optional = "" if field.required else "?"
        lines.append(f"  {field.name}{optional}: {typescript_of(found)};")
    says = getdoc(kind) or ""
    return "\n".join([f"/** {says} */", f"export interface {name} {{", *lines, "}"])


def _fields(kind: type[msgspec.Struct]) -> Iterator[tuple[inspect.Field, inspect.Type]]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        yield field, field.type


def _data_of(kind: type[Typed]) -> type[msgspec.Struct] | None:
    for field, found in _fields(kind):
        if field.name == "data":
            inner = found.type if isinstance(found, inspect.Metadata) else found
            assert isinstance(inner, inspect.StructType)
            return inner.cls
    return None


def _parts(kind: type[msgspec.Struct]) -> Mapping[str, type[msgspec.Struct]]:
    """A struct, and those below it."""
    found: dict[str, type[msgspec.Struct]] = {}
    for _, inner in _fields(kind):
        for part in _structs(inner):
            found.update(_parts(part))
    return {**found, kind.__name__: kind}


def _structs(found: Any) -> Iterator[type[msgspec.Struct]]:
    match found:
        case inspect.StructType() if issubclass(found.cls, Data):
            yield found.cls
        case inspect.Metadata():
            yield from _structs(found.type)
        case inspect.UnionType():
            for one in found.types:
                yield from _structs(one)
        case inspect.ListType():
            yield from _structs(found.item_type)
        case inspect.DictType():
            yield from _structs(found.value_type)


def typescript_of(found: inspect.Type) -> str:
    """A type as TypeScript has it; that something may be null is said by leaving it out."""
    match found:
        case inspect.Metadata():
            return typescript_of(found.type)
        case inspect.UnionType():
            types = [one for one in found.types if not isinstance(one, inspect.NoneType)]
            return " | ".join(dict.fromkeys(typescript_of(one) for one in types))
        case inspect.LiteralType():
            words = (f"'{value}'" if isinstance(value, str) else str(value) for value in found.values)
            return " | ".join(sorted(words))
        case inspect.ListType():
            inner = typescript_of(found.item_type)
            return f"({inner})[]" if "|" in inner else f"{inner}[]"
        case inspect.DictType():
            return f"Record<string, {typescript_of(found.value_type)}>"
        case inspect.StructType():
            return found.cls.__name__
        case inspect.BoolType():
            return "boolean"
        case inspect.StrType():
            return "string"
        case inspect.IntType() | inspect.FloatType():
            return "number"
    raise TypeError(f"no TypeScript for {found}")


def _says(found: Any) -> str:
    """The `Meta` description of a field, however deep it lies."""
    while isinstance(found, inspect.Metadata):
        schema = found.extra_json_schema or {}
        if schema.get("description"):
            return str(schema["description"])
        found = found.type
    return ""
