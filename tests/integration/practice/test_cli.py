"""Practice in the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from reelwright.practice.adapters.sandbox import bubblewrap_works
from reelwright.practice.cli import app
from reelwright.practice.contract import NoInterview
from reelwright.practice.labs.lab import solutions
from reelwright.practice.labs.labs import LABS

bubblewrap = pytest.mark.skipif(
    not bubblewrap_works(), reason="bubblewrap with user namespaces: apt-get install bubblewrap"
)


def test_a_stage_begins_at_once_and_is_kept_when_the_input_ends(tmp_path: Path) -> None:
    """The answer is judged; what was begun is named, so that one can go on in the pages."""
    run = CliRunner().invoke(app, ["start", "--data", str(tmp_path)], input="fine [bold]\n\n")
    assert run.exit_code == 0, run.output
    assert "not found" in run.output and "/practice/interviews/" in run.output


def test_an_answer_that_is_too_long_is_asked_for_again(tmp_path: Path) -> None:
    """With its length; the stage stays as it was, and bytes that are no text stop nothing."""
    run = CliRunner().invoke(app, ["start", "--data", str(tmp_path)], input=b"word " * 300_000 + b"\n\nfine \xff\n\n")
    assert run.exit_code == 0, run.output
    assert "more than 1000000; shorten it" in run.output and "not found" in run.output


def test_nothing_to_go_on_with_is_said(tmp_path: Path) -> None:
    """With what begins one; an interview that is none is named, and a folder that is none is not begun."""
    nowhere = CliRunner().invoke(app, ["resume", "--data", str(tmp_path / "other")])
    assert isinstance(nowhere.exception, NoInterview) and "practice start" in str(nowhere.exception)
    assert not list(tmp_path.iterdir())
    CliRunner().invoke(app, ["start", "--data", str(tmp_path)], input="fine\n\n" * 200)
    for arguments, said in ([], "begin one"), (["nothing"], "'nothing'"):
        run = CliRunner().invoke(app, ["resume", *arguments, "--data", str(tmp_path)])
        assert isinstance(run.exception, NoInterview) and said in str(run.exception)


def test_calibrate_prints_agreement() -> None:
    """The figures of the gold set, each against its goal."""
    run = CliRunner().invoke(app, ["calibrate"])
    assert run.exit_code == 0, run.output
    assert "kappa" in run.output and "It may move a curve" in run.output


def test_labs_are_listed_and_shown() -> None:
    """What to write, and code to begin with that can be put into a file."""
    listed = CliRunner().invoke(app, ["lab"])
    assert listed.exit_code == 0
    lines = listed.output.splitlines()
    for lab in LABS.values():
        assert sum(line.split() == [lab.id, *lab.title.split()] for line in lines) == 1
    assert "It passes when" in CliRunner().invoke(app, ["lab", "show", "token-bucket"]).output
    compile(CliRunner().invoke(app, ["lab", "show", "token-bucket", "--code"]).output, "starter", "exec")


@bubblewrap
@pytest.mark.parametrize(("name", "code"), [("reference", 0), ("starter", 1)])
def test_a_lab_ends_with_its_verdict(tmp_path: Path, name: str, code: int) -> None:
    """The exit code is the verdict; JSON holds the counter-example, the seeds up to it and where one stands."""
    file = tmp_path / "mine.py"
    file.write_text(solutions(LABS["token-bucket"])[name])
    run = CliRunner().invoke(app, ["lab", "run", "token-bucket", str(file), "--hidden", "--json"])
    assert run.exit_code == code, run.output
    result = msgspec.json.decode(run.stdout)
    assert result["hidden"] and len(result["seeds"]) == (1 if code else 3) and "reelwright" in result["standing"]
    assert bool(result["reason"]) is bool(code) and result["picture"].startswith("<svg") is bool(code)


@bubblewrap
def test_what_is_simulated_is_no_line_of_the_log(tmp_path: Path) -> None:
    """Disks lose power in this lab, and our own log beside the person's code finds its tail torn each time."""
    file = tmp_path / "mine.py"
    file.write_text(solutions(LABS["exactly-once"])["reference"])
    command = [sys.executable, "-c", "from reelwright.app.cli import main; main()", "practice", "lab", "run"]
    run = subprocess.run([*command, "exactly-once", str(file)], capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == ""


@pytest.mark.parametrize("arguments", [["nothing", "x.py"], ["token-bucket", "not-there.py"]])
def test_a_lab_that_cannot_be_run_says_why(arguments: list[str]) -> None:
    """Another exit code than that of a wrong solution."""
    run = CliRunner().invoke(app, ["lab", "run", *arguments])
    assert run.exit_code == 2 and "reelwright:" in run.output
