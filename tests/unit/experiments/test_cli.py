"""The command line tells what is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from reelwright.events.contract import Event, Fact
from reelwright.experiments.adapters import sql
from reelwright.experiments.adapters.viewing import project_viewing, put_baselines
from reelwright.experiments.cli import app
from reelwright.experiments.contract import (
    BUCKETS,
    Cell,
    Change,
    Configuration,
    Experiment,
    Guardrail,
    Layer,
    NoSuchExperiment,
    NotMeasured,
)
from reelwright.experiments.core.sizes import Baseline
from reelwright.experiments.service import analyse, size
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, NotFound, ReelwrightError
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id


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


def test_a_size_is_planned_before_there_is_a_scorecard(data: Path) -> None:
    """Nothing is known at first, and that is said; then viewers by arm, in words and as JSON."""
    ask = ["analyse", "player-start", "--plan", "5", "--data", str(data)]
    assert "No data yet: sizes rest on" in CliRunner().invoke(app, ask).output
    known = (Baseline(metric="start_ms", day=9, viewers=900, level=400.0, deviation=0.5),)
    Database(f"sqlite:///{data}/reelwright.sqlite").transact(put_baselines, known)
    said = CliRunner().invoke(app, ask).output
    (told,) = json.loads(CliRunner().invoke(app, [*ask, "--json"]).output)
    assert told["metric"] == "start_ms" and told["total"] == sum(viewers for _, viewers in told["cells"])
    assert f"{told['total']:,}" in said and "viewers, cautious" in said and "a change of 5 %" in said
    for key, problem in (("nothing", NoSuchExperiment), ("home-interleaved", Invalid), ("ranker", Invalid)):
        asked = CliRunner().invoke(app, ["analyse", key, "--plan", "5", "--data", str(data)])
        assert isinstance(asked.exception, problem)


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


def test_analyse_says_the_verdict_and_every_metric(data: Path) -> None:
    """Measured on demand; before anybody was exposed it says so; an unknown experiment and folder are named."""
    database = Database(f"sqlite:///{data}/reelwright.sqlite")
    cells = (Cell(key="a", weight=0.5), Cell(key="b", weight=0.5))
    one = Experiment(
        key="start",
        layer="home",
        cells=cells,
        metrics=("start_ms", "watch_hours"),
        guardrails=(Guardrail(metric="errors_per_play", worse="up"),),
    )
    configuration = Configuration(layers=(Layer(key="home"),), experiments=(one,))
    change = Change(revision=2, at_ms=0, by="ada", what="made")
    database.transact(sql.put_configuration, 1, configuration, change)
    unmeasured = CliRunner().invoke(app, ["analyse", "start", "--data", str(data)])
    assert isinstance(unmeasured.exception, NotMeasured)
    early = CliRunner().invoke(app, ["analyse", "start", "--measure", "--data", str(data)])
    assert early.exit_code == 0 and "Nobody has been exposed yet." in early.output
    facts = []
    for number in range(400):
        profile_id = ProfileId(new_id())
        cell = "ab"[number % 2]
        film = {"title_id": TitleId(new_id()), "playable_id": PlayableId(new_id()), "at_ms": 1_790_000_000_000}
        for kind, more in (
            ("exposure", {"data": {"experiment": "start", "cell": cell}}),
            ("play", {"data": {"start_ms": 300 + number % 7 + 200 * (number % 2)}}),
        ):
            event = Event(id=EventId(new_id()), type=kind, **film, **more)  # type: ignore[arg-type]
            facts.append(Fact(profile_id=profile_id, synthetic=False, event=event))
    database.transact(project_viewing, facts)
    found = CliRunner().invoke(app, ["analyse", "start", "--measure", "--data", str(data)])
    assert "b is worse (time from play to first frame" in found.output and "a 200 (50%), b 200 (50%)" in found.output
    assert (
        "start_ms" in found.output and "worse" in found.output and "guardrail errors_per_play up of b" in found.output
    )
    told = json.loads(CliRunner().invoke(app, ["analyse", "start", "--json", "--data", str(data)]).output)
    assert told["decided"] == "worse" and told["arms"][1]["viewers"] == 200
    planned = replace(one, metrics=("start_p95_ms",), planned_units=800, looks=(0.25, 0.5, 1.0))
    change = Change(revision=3, at_ms=0, by="ada", what="looks")
    database.transact(sql.put_configuration, 2, replace(configuration, experiments=(planned,)), change)
    looked = CliRunner().invoke(app, ["analyse", "start", "--measure", "--data", str(data)]).output
    assert "b is worse (start time, 95th percentile: +" in looked and "start_p95_ms" in looked
    told_looks = "looks alone: 200 viewers (2026-09-21), 400 viewers (2026-09-21), 800 viewers (not yet)"
    assert told_looks in " ".join(looked.split())
    assert isinstance(CliRunner().invoke(app, ["analyse", "x", "--data", str(data)]).exception, NoSuchExperiment)
    nowhere = CliRunner().invoke(app, ["analyse", "start", "--data", str(data / "none")])
    assert isinstance(nowhere.exception, NotFound) and "name its folder with --data" in str(nowhere.exception)


@pytest.mark.parametrize("ask", [analyse, partial(size, effect=0.05)], ids=["analyse", "size"])
def test_a_notebook_with_a_mistyped_path_makes_no_database(tmp_path: Path, ask: Callable[[str, str], object]) -> None:
    """An empty file would later pass for a service's."""
    with pytest.raises(NotFound, match="there is no database at"):
        ask(f"sqlite:///{tmp_path}/typo.sqlite", "ranker")
    assert list(tmp_path.iterdir()) == []


def test_import_checks_stores_and_removes(data: Path, tmp_path: Path) -> None:
    """What somebody gets is shown; a broken file, another vendor's and an unknown operator are refused by name."""
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    good = tmp_path / "flags.json"
    good.write_text(
        json.dumps({"flags": {"new-menu": {**flag, "targeting": {"fractional": [["on", 1], ["off", 1]]}}}})
    )
    run = partial(CliRunner().invoke, app)
    checked = run(
        ["import", "flagd", str(good), "--check", "--context", '{"targetingKey": "x"}', "--data", str(data)]
    )
    assert "new-menu" in checked.output and "targeting_match" in checked.output and "nothing stored" in checked.output
    assert "flags of flagd" not in run(["list", "--data", str(data)]).output
    assert "1 flags of flagd imported." in run(["import", "flagd", str(good), "--data", str(data)]).output
    assert "flagd: 1 flags of flagd" in run(["list", "--data", str(data)]).output
    piped = run(["import", "flagd", "-", "--check"], input=good.read_text())
    assert "1 flags of flagd read" in piped.output
    assert "Removed flagd." in run(["import", "flagd", "-", "--remove", "--data", str(data)]).output
    assert "flags of flagd" not in run(["list", "--data", str(data)]).output
    bad = tmp_path / "bad.json"
    for text, says in (
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\x00", "is no JSON"),
        ("[]", "is a JSON object"),
        ('{"features": {}}', "object 'flags'"),
        (json.dumps({"flags": {"f": {**flag, "targeting": {"near": [1]}}}}), "operator 'near'"),
    ):
        bad.write_text(text)
        refused = run(["import", "flagd", str(bad), "--data", str(data)])
        assert isinstance(refused.exception, ReelwrightError) and says in str(refused.exception), text[:40]
    missing = run(["import", "flagd", str(tmp_path / "none"), "--data", str(data)])
    assert "No such file" in str(missing.exception)
    assert "none of growthbook" in str(run(["import", "split", str(good), "--data", str(data)]).exception)
    assert len(json.loads(run(["list", "--json", "--data", str(data)]).output)["imports"]) == 0
