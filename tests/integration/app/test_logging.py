"""Composing the application leaves logs in one form."""

from __future__ import annotations

import logging
from pathlib import Path

from tests.composed import Composed


def test_the_framework_adds_no_logging_of_its_own(tmp_path: Path) -> None:
    """One handler writes our lines, however often the application is composed; the framework brings no other."""
    before = {id(handler) for handler in logging.getLogger().handlers if handler.name != "reelwright"}
    others = [*logging.getLogger("litestar").handlers]  # of tests that make applications of their own
    for name in ("first", "second"):
        Composed(tmp_path / name)
    after = logging.getLogger().handlers
    assert [handler.name for handler in after if id(handler) not in before] == ["reelwright"]
    assert logging.getLogger("litestar").handlers == others
