"""Graded short answers: our own, and others' where a checkout has them beside it: read, measured, never copied."""

from __future__ import annotations

import csv
import re
import tarfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from importlib import resources
from pathlib import Path

import msgspec

from reelwright.practice.core.marks import TOP
from reelwright.practice.core.reference import Graded

FOLDER = Path("shared") / "data" / "grading"


class _Own(msgspec.Struct, frozen=True):
    asks: str
    reference: str
    answers: tuple[tuple[float, str], ...]


def read_own() -> list[Graded]:
    """Our own, with the marks of their author: `gold/short`."""
    folder = resources.files("reelwright.practice") / "gold" / "short"
    found: list[Graded] = []
    for file in sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name):
        for at, asked in enumerate(msgspec.yaml.decode(file.read_bytes(), type=tuple[_Own, ...])):
            name = f"{file.name.removesuffix('.yaml')}{at}"
            found += [Graded(name, asked.asks, (asked.reference,), text, mark / TOP) for mark, text in asked.answers]
    return found


def find_folder() -> Path | None:
    """The folder of evidence beside the checkout or above it."""
    here = Path(__file__).resolve()
    return next((parent / FOLDER for parent in here.parents if (parent / FOLDER).is_dir()), None)


def read_beetle(folder: Path) -> dict[str, list[Graded]]:
    """Splits of Beetle (SemEval-2013 task 7, two ways): train, test-unseen-answers, test-unseen-questions."""
    splits: dict[str, list[Graded]] = defaultdict(list)
    with tarfile.open(folder / "beetle_2way.tar.xz") as archive:
        for member in archive:
            if not member.name.endswith(".xml"):
                continue
            file = archive.extractfile(member)
            assert file is not None
            root = ET.fromstring(file.read())  # noqa: S314
            references = tuple(one.text or "" for one in root.iter("referenceAnswer"))
            asks = root.findtext("questionText") or ""
            splits[member.name.split("/")[1]] += [
                Graded(root.get("id", ""), asks, references, one.text or "", float(one.get("accuracy") == "correct"))
                for one in root.iter("studentAnswer")
            ]
    return splits


def read_mohler(folder: Path) -> list[Graded]:
    """Mohler, Bunescu, Mihalcea, ACL 2011: marks 0 to 5 as 0 to 1."""
    with (folder / "mohler_short_answers.csv").open(encoding="utf-8-sig", newline="") as file:
        return [
            Graded(row["number"], row["Questions"], (row["Answers"],), re.sub("<br>", " ", row["Texts"]),
                   float(row["Score"]) / 5)
            for row in csv.DictReader(file)
        ]  # fmt: skip
