"""The gold set as it is packaged: answers with verdicts of their author."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Literal

import msgspec

from reelwright.practice.contract import GoldQuestion


class _File(msgspec.Struct, frozen=True):
    kind: Literal["technical", "behavioural"]
    questions: tuple[GoldQuestion, ...]


@functools.cache
def load_gold() -> tuple[GoldQuestion, ...]:
    """Every question of the gold set, in order of file."""
    folder = resources.files("reelwright.practice") / "gold"
    found: list[GoldQuestion] = []
    for file in sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name):
        read = msgspec.yaml.decode(file.read_bytes(), type=_File)
        found += [msgspec.structs.replace(question, kind=read.kind) for question in read.questions]
    return tuple(found)
