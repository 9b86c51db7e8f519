"""Foreign cases of ../shared, read where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import SHARED

CASES = SHARED / "cases" / "limits"
S = 10**9


def cases(name: str) -> Any:
    """The table `name`; skips where it is not here."""
    return json.loads(case_file(name).read_text("utf-8"))


def case_file(name: str) -> Path:
    """The file `name`; skips where it is not here."""
    path = CASES / name
    if not path.exists():
        pytest.skip(f"the foreign cases are not here: ../shared/cases/limits/{name}")
    return path
