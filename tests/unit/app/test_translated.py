"""What the browser decides is what Python decides: the translation runs, and gives the same answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from reelwright.app.translated import typescript_of
from reelwright.playback.core.bitrate import next_rung

FRONTEND = Path(__file__).resolve().parents[3] / "frontend"
RUN = """(async () => {
const told = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const { transformWithOxc } = await import('vite');
const { code } = await transformWithOxc(told.source, 'rule.ts');
const { nextRung } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
console.log(JSON.stringify(told.cases.map((one) => nextRung(...one))));
})();"""


@pytest.mark.skipif(
    shutil.which("node") is None or not (FRONTEND / "node_modules" / "vite").is_dir(),
    reason="node and vite: frontend/build.py",
)
def test_the_translated_rule_gives_the_same_answers() -> None:
    """For any ladder, speeds, buffer and rung before."""
    chance = Random(5)
    cases = [
        (
            sorted(chance.uniform(1e5, 2e7) for _ in range(chance.randint(1, 12))),
            [chance.lognormvariate(15, 1) for _ in range(chance.randint(0, 20))],
            chance.choice((0.0, 8.0, 18.0, chance.uniform(0, 60))),
            chance.randint(-1, 11),
        )
        for _ in range(3000)
    ]
    told = json.dumps({"source": typescript_of(next_rung, comment="made"), "cases": cases})
    done = subprocess.run(["node", "-e", RUN], input=told, cwd=FRONTEND, capture_output=True, text=True, check=True)
    answers = [next_rung(*one) for one in cases]
    assert json.loads(done.stdout) == answers
    assert len({*answers}) > 6


def twice(values: Sequence[float]) -> float:
    """Sum of `values`, twice over."""
    found = 0.0
    for at in range(len(values)):
        found += 2 * values[at]
    return found


def test_names_types_and_comments_are_typescripts() -> None:
    """As a reader of the front end expects them."""
    text = typescript_of(twice, comment="Made.")
    assert text.startswith(
        "/** Made. */\n\n/** Sum of `values`, twice over. */\nexport function twice(values: readonly "
    )
    assert "for (let at = 0; at < values.length; at += 1) {\n    found += (2 * values[at]!);\n  }" in text


def whole(value: float) -> float:
    """Division without a rest, which the two languages see differently."""
    return value // 2


def untyped(value) -> float:  # type: ignore[no-untyped-def]
    """Anything."""
    return value  # type: ignore[no-any-return]


def chained(value: float) -> float:
    """A comparison that TypeScript reads otherwise."""
    return 1.0 if 0 < value < 1 else 0.0


def stepped(values: Sequence[float]) -> float:
    """Every second one."""
    found = 0.0
    for at in range(0, len(values), 2):
        found += values[at]
    return found


def from_the_end(values: Sequence[float]) -> float:
    """The last one, which is undefined there."""
    return values[-1]


@pytest.mark.parametrize("function", [whole, untyped, chained, stepped, from_the_end])
def test_what_is_not_known_is_refused(function: Callable[..., object]) -> None:
    """Never guessed."""
    with pytest.raises(ValueError, match=r"not translated|no type"):
        typescript_of(function, comment="Made.")
