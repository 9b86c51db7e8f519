"""The command line tells what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from reelwright.experiments.adapters import sql
from reelwright.experiments.cli import app
from reelwright.experiments.contract import BUCKETS, Cell, Change, Configuration, Experiment, Layer
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one running experiment."""
    database = Database(f"sqlite:///{tmp_path}/reelwright.sqlite")
    database.migrate(["reelwright.experiments"])
    one = Experiment(
        key="ranker", layer="home", cells=(Cell(key="all", weight=1),), buckets=((0, BUCKETS),), state="running"
    )
    configuration = Configuration(layers=(Layer(key="home"),), experiments=(one,))
    change = Change(revision=1, at_ms=0, by="ada", what="made")
    database.transact(sql.put_configuration, 0, configuration, change)
    return tmp_path


def test_list_and_assign(data: Path) -> None:
    """State and share; cell and reason."""
    listed = CliRunner().invoke(app, ["list", "--data", str(data)])
    assert "ranker" in listed.output and "running" in listed.output and "100.00%" in listed.output
    assigned = CliRunner().invoke(app, ["assign", '{"profile": "x"}', "--data", str(data)])
    assert "all" in assigned.output and "split" in assigned.output
    nobody = CliRunner().invoke(app, ["assign", "{}", "--data", str(data)])
    assert "no unit" in nobody.output


def test_what_is_no_object_is_refused(data: Path) -> None:
    """With what was expected."""
    assert isinstance(CliRunner().invoke(app, ["assign", "[1]", "--data", str(data)]).exception, Invalid)
