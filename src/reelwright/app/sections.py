"""The sections of `reelwright.toml`: every system's settings under its name."""

from __future__ import annotations

import importlib

import msgspec

from reelwright.app.installed import systems_with
from reelwright.kernel.errors import Invalid
from reelwright.kernel.settings import Source


def sections() -> dict[str, type[msgspec.Struct]]:
    """Section name to settings class: `[cdn]` is `CdnSettings` in `reelwright/cdn/settings.py`."""
    return {
        name: getattr(importlib.import_module(f"reelwright.{name}.settings"), f"{name.capitalize()}Settings")
        for name in systems_with("settings")
    }


def check(source: Source) -> None:
    """Refuse unknown sections and keys, and values out of range, naming them all at once."""
    known = sections()
    source.check(known)
    wrong = []
    for name, kind in known.items():
        try:
            source.section(name, kind)
        except Invalid as error:
            wrong.append(str(error))
    if wrong:
        raise Invalid("\n".join(wrong))
