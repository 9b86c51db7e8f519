"""Players that are not ours go from an edge that is drained or dies to another, without a stall."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.browser.players import WAYS, Theatre, theatre

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """A service with two edges."""
    with theatre(tmp_path_factory.mktemp("steered")) as made:
        yield made


@pytest.mark.parametrize(("name", "how"), WAYS)
def test_a_player_leaves_its_edge_for_another_and_nothing_stalls(
    running: Theatre, browser: Browser, dev_packages: Path, name: str, how: str
) -> None:
    """With ten seconds ahead: before they are played it has moved, and the picture never waits."""
    running.restore()
    left = running.leave(browser, dev_packages, name, getattr(running, how))
    assert not left.stalled
    assert left.moved_s < float("inf")
