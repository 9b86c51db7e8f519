"""The guide, its checks and the styles, as they are packaged."""

from __future__ import annotations

import functools
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec
import yaml

from reelwright.practice.contract import Chapter, ReadinessItem, Scenario, Style


@functools.cache
def load_guide() -> tuple[Chapter, ...]:
    """The chapters in order; the text is Markdown without HTML."""
    files = [file for file in _folder("guide").iterdir() if file.name.endswith(".md")]
    return tuple(_chapter(file) for file in sorted(files, key=lambda file: file.name))


@functools.cache
def load_scenarios() -> tuple[Scenario, ...]:
    """Scenes that check acting on the culture."""
    return msgspec.convert(_read(_folder("guide") / "scenarios.yaml"), tuple[Scenario, ...])


@functools.cache
def load_readiness() -> tuple[ReadinessItem, ...]:
    """The ten-minute check."""
    return msgspec.convert(_read(_folder("guide") / "readiness.yaml"), tuple[ReadinessItem, ...])


@functools.cache
def load_styles() -> dict[str, Style]:
    """The packaged styles by id."""
    files = [file for file in _folder("styles").iterdir() if file.name.endswith(".yaml")]
    styles = [msgspec.convert(_read(file), Style) for file in sorted(files, key=lambda file: file.name)]
    return {style.id: style for style in styles}


def _folder(name: str) -> Traversable:
    return resources.files("reelwright.practice") / name


def _read(file: Traversable) -> object:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _chapter(file: Traversable) -> Chapter:
    first, _, text = file.read_text(encoding="utf-8").partition("\n")
    _, _, name = file.name.removesuffix(".md").partition("-")
    return Chapter(id=name, title=first.removeprefix("# ").strip(), text=text.strip())
