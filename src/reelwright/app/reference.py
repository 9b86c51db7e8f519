"""The reference pages under `docs/reference/`, written from the code: `python -m reelwright.app.reference FOLDER`.

A test compares the committed pages with these, so that nothing can be added without its line of documentation.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import typer

from reelwright.app.sections import sections
from reelwright.kernel.settings import ServiceSettings
from reelwright.kernel.telemetry import METRICS

NOTE = "<!-- Written by `make docs` from the code; edit there. -->\n"


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    return {
        "settings.md": settings_page(),
        "commands.md": commands_page(),
        "routes.md": routes_page(),
        "metrics.md": metrics_page(),
        "lake.md": lake_page(),
        "events.md": events_page(),
    }


def sources() -> dict[str, str]:
    """Path in the repository to text of every generated source file."""
    from reelwright.app.translated import typescript_of
    from reelwright.events.core.described import typescript
    from reelwright.playback.core.bitrate import next_rung

    bitrate = typescript_of(next_rung, comment="Written by `make docs` from `playback/core/bitrate.py`; edit there.")
    return {"frontend/src/events/event-types.ts": typescript(), "frontend/src/player/bitrate.ts": bitrate}


def settings_page() -> str:
    """Every key with its default, its variable and its meaning."""
    blocks = ["# Settings", NOTE, "In `reelwright.toml`, or as environment variables; the environment wins.\n"]
    every: list[tuple[str, type[msgspec.Struct]]] = [("", ServiceSettings), *sections().items()]
    for name, kind in every:
        blocks.append(f"## `[{name}]`\n" if name else "## Outside any section\n")
        blocks.append("| key | default | variable | meaning |\n|---|---|---|---|")
        hints = get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            variable = "REELWRIGHT_" + (f"{name}_" if name else "").upper() + field.name.upper()
            meaning = description_of(hints[field.name])
            blocks.append(f"| `{field.name}` | `{field.default!r}` | `{variable}` | {meaning} |")
        blocks.append("")
    return "\n".join(blocks)


def description_of(annotation: Any) -> str:
    """What the `Meta` of an annotated settings key says; empty when it says nothing."""
    return next((part.description for part in get_args(annotation) if getattr(part, "description", None)), "")


def commands_page() -> str:
    """Every command with its options."""
    from reelwright.app.cli import command_tree

    blocks = ["# Commands", NOTE]
    for path, command in walk_commands(command_tree()):
        blocks.append(f"## `{path}`\n\n{command.help or ''}\n")
        for parameter in command.params:
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            if parameter.name != "help":
                blocks.append(f"- {names}: {getattr(parameter, 'help', '') or ''}")
        blocks.append("")
    return "\n".join(blocks)


def walk_commands(root: Any, path: str = "reelwright") -> Iterator[tuple[str, Any]]:
    """Every command below `root` that does something by itself, with its full name."""
    children: Mapping[str, Any] = getattr(root, "commands", {})
    if not children or root.invoke_without_command:
        yield path, root
    for name in sorted(children):
        yield from walk_commands(children[name], f"{path} {name}")


def routes_page() -> str:
    """Every route of the API."""
    from reelwright.app.openapi import schema

    blocks = ["# Routes", NOTE, "The machine-readable form is `/api/v1/openapi.json`.\n"]
    blocks.append("| method | path | what it does |\n|---|---|---|")
    for path, operations in sorted(schema()["paths"].items()):
        for method, operation in operations.items():
            blocks.append(f"| {method.upper()} | `{path}` | {says(operation)} |")
    return "\n".join(blocks) + "\n"


def says(operation: Mapping[str, Any]) -> str:
    """The first sentence of an operation's description, else its summary."""
    text: str = operation.get("description") or operation.get("summary") or ""
    return text.strip().split("\n")[0]


def metrics_page() -> str:
    """Every metric."""
    import reelwright

    for module in pkgutil.walk_packages(reelwright.__path__, "reelwright."):
        if ".migrations" not in module.name and not module.name.endswith(("__main__", ".roles")):
            try:
                importlib.import_module(module.name)
            except ImportError:  # an extra that is not installed has no metrics here
                continue
    blocks = ["# Metrics", NOTE, "| metric | meaning |\n|---|---|"]
    return "\n".join([*blocks, *(f"| `{name}` | {text} |" for name, text in sorted(METRICS.items()))]) + "\n"


def lake_page() -> str:
    """Every table of the lake with its columns."""
    from reelwright.lake.core.tables import TABLES

    blocks = ["# Tables of the lake", NOTE]
    blocks.append('Ask them with `reelwright sql "SELECT …"`. All are partitioned by `day`; times are UTC.\n')
    for table in TABLES:
        blocks.append(f"## `{table.name}`\n\n{table.says[0].upper()}{table.says[1:]}.\n\n| column | type | meaning |")
        rows = (f"| `{column.name}` | {column.type} | {column.says} |" for column in table.columns)
        blocks.append("\n".join(["|---|---|---|", *rows]) + "\n")
    return "\n".join(blocks)


def events_page() -> str:
    """Every type of event with what it carries."""
    from reelwright.events.core.described import page

    return "\n".join(["# Events", NOTE, page()])


def write(folder: Path) -> None:
    """Write all pages into `folder`, and the generated sources where they belong."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
        typer.echo(f"wrote {folder / name}")
    for name, text in sources().items():
        (folder / "../.." / name).write_text(text, "utf-8")
        typer.echo(f"wrote {name}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
