"""Nothing can be added without a line that says what it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from reelwright.app.cli import command_tree
from reelwright.app.openapi import schema
from reelwright.app.reference import description_of, metrics_page, pages, sources, walk_commands
from reelwright.app.sections import sections
from reelwright.kernel.settings import ServiceSettings
from reelwright.kernel.telemetry import METRICS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", ["", *sorted(sections())])
def test_every_setting_is_described(name: str) -> None:
    """A key whose meaning is not written down cannot be set on purpose."""
    kind: type[msgspec.Struct] = sections()[name] if name else ServiceSettings
    hints = get_type_hints(kind, include_extras=True)
    missing = [field.name for field in msgspec.structs.fields(kind) if len(description_of(hints[field.name])) < 10]
    assert missing == []


def test_every_command_and_option_is_described() -> None:
    """`--help` is the first page that a person reads."""
    missing = []
    for path, command in walk_commands(command_tree()):
        if not command.help:
            missing.append(path)
        missing += [
            f"{path} {parameter.name}"
            for parameter in command.params
            if parameter.name != "help" and parameter.param_type_name == "option" and not parameter.help
        ]
    assert missing == []


def test_every_route_is_described() -> None:
    """Each operation says in a sentence what it does."""
    missing = [
        f"{method.upper()} {path}"
        for path, operations in schema()["paths"].items()
        for method, operation in operations.items()
        if len(operation.get("description", "")) < 15 or not operation.get("summary")
    ]
    assert missing == []


def test_every_metric_is_described() -> None:
    """A name on `/metrics` is explained, and has the form that Prometheus expects."""
    metrics_page()  # imports every module, so that all metrics are known
    assert METRICS
    assert [name for name, text in METRICS.items() if len(text) < 10] == []
    assert [name for name in METRICS if not re.fullmatch(r"reelwright_[a-z0-9_]+", name)] == []


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_reference_pages_are_those_of_the_code(name: str) -> None:
    """`make docs` was run after the last change."""
    committed = DOCS / "reference" / name
    assert committed.exists() and committed.read_text("utf-8") == pages()[name], "run `make docs` and commit"


@pytest.mark.parametrize("name", sorted(sources()))
def test_the_generated_sources_are_those_of_the_code(name: str) -> None:
    """What the front end is compiled against is the schema that the collector checks with."""
    assert (ROOT / name).read_text("utf-8") == sources()[name], "run `make docs` and commit"


def links(text: str) -> list[str]:
    """Relative link targets in Markdown."""
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", text, flags=re.S))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize(
    "page",
    [
        path.relative_to(ROOT).as_posix()
        for glob in ("*.md", "docs/**/*.md", "src/reelwright/*/README.md")
        for path in ROOT.glob(glob)
    ],
)
def test_links_in_documentation_lead_somewhere(page: str) -> None:
    """A page that names another page finds it."""
    path = ROOT / page
    missing = [target for target in links(path.read_text("utf-8")) if not (path.parent / target).exists()]
    assert missing == []


def test_every_page_is_in_the_navigation() -> None:
    """A page that nobody can reach is not documentation."""
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    named = set(re.findall(r":?\s([\w/-]+\.md)\s*$", text, flags=re.M))
    found = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert found - named - {page for page in found if page.startswith("decisions/")} == set()
    assert named - found == set()
