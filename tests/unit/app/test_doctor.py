"""`reelwright doctor` says what is missing and the line that installs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reelwright.app.cli import app
from reelwright.app.doctor import examine


def test_everything_found_missing_comes_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without programs on the path, each finding names an install line."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    missing = [finding for finding in examine(tmp_path) if not finding.ok]
    assert {finding.what for finding in missing} >= {"load for the benchmarks", "browser tests and screenshots"}
    assert all(finding.do and not finding.needed for finding in missing)


def test_an_encoder_that_cannot_run_fails_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is needed and missing is an exit code that scripts see."""
    monkeypatch.setenv("REELWRIGHT_FFMPEG", str(tmp_path / "nothing"))
    result = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path)])
    assert result.exit_code == 1 and "imageio-ffmpeg" in result.output.replace("\n", "")


def test_a_complete_installation_passes(tmp_path: Path) -> None:
    """Here, where the tests run, everything needed is there."""
    assert CliRunner().invoke(app, ["doctor", "--data", str(tmp_path)]).exit_code == 0
