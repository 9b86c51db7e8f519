"""Practice in the terminal."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from reelwright.practice.cli import app


def test_a_stage_begins_at_once_and_is_kept_when_the_input_ends(tmp_path: Path) -> None:
    """The answer is judged; what was begun is named, so that one can go on in the pages."""
    run = CliRunner().invoke(app, ["start", "--data", str(tmp_path)], input="fine [bold]\n\n")
    assert run.exit_code == 0, run.output
    assert "not found" in run.output and "/practice/interviews/" in run.output


def test_calibrate_prints_agreement() -> None:
    """The figures of the gold set, each against its goal."""
    run = CliRunner().invoke(app, ["calibrate"])
    assert run.exit_code == 0, run.output
    assert "agreement.gold_kappa" in run.output and "attacks.reach_3" in run.output
