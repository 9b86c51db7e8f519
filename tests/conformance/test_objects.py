"""Every object store keeps the same promises: a directory, and S3 (a server of moto's, or REELWRIGHT_TEST_S3)."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.kernel.errors import Invalid, NotFound, Unavailable
from reelwright.kernel.objects import DirectoryObjects, ObjectStore, checked_name, content_name, open_objects


@pytest.fixture(params=["directory", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind in turn."""
    if request.param == "directory":
        return open_objects(f"file://{tmp_path}/objects")
    return open_objects(request.getfixturevalue("s3_url"))


def test_what_is_put_is_got_by_the_same_name(objects: ObjectStore, tmp_path: Path) -> None:
    """Bytes, an empty object, and a file's content."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 3_000_000)
    objects.put("a/b/one.m4s", b"one")
    objects.put("a/empty", b"")
    objects.put("a/large.mp4", file)
    assert objects.get("a/b/one.m4s") == b"one"
    assert (objects.get("a/empty"), objects.size("a/empty")) == (b"", 0)
    assert (objects.get("a/large.mp4"), objects.size("a/large.mp4")) == (b"x" * 3_000_000, 3_000_000)


def test_what_is_not_there_is_said_not_to_be(objects: ObjectStore) -> None:
    """`get` raises, `size` has no answer, `list` is empty, `delete` has nothing to do."""
    objects.put("folder/there", b"1")
    with pytest.raises(NotFound, match="folder/missing"):
        objects.get("folder/missing")
    assert objects.size("folder/missing") is None
    assert list(objects.list("nothing")) == []
    objects.delete("folder/missing")
    assert objects.get("folder/there") == b"1"


def test_a_folder_is_not_an_object(objects: ObjectStore) -> None:
    """A name that only begins others names nothing."""
    objects.put("folder/there", b"1")
    assert objects.size("folder") is None
    with pytest.raises(NotFound):
        objects.get("folder")


def test_listing_gives_the_names_below_a_folder_and_no_others(objects: ObjectStore) -> None:
    """Whole path segments count: `asset1` is not below `asset`. The names can be got again."""
    names = {f"asset/{number:04}.m4s" for number in range(25)} | {"asset/deep/er/x.vtt"}
    for name in [*names, "asset1/x", "other/asset/x"]:
        objects.put(name, name.encode())
    listed = list(objects.list("asset"))
    assert sorted(listed) == sorted(names)
    assert all(objects.get(name) == name.encode() for name in listed)


def test_a_later_put_replaces_and_a_delete_removes(objects: ObjectStore) -> None:
    """For names that are not made from content."""
    objects.put("x", b"first")
    objects.put("x", b"second, longer")
    assert objects.get("x") == b"second, longer" and objects.size("x") == 14
    objects.delete("x")
    assert objects.size("x") is None


def test_readers_see_all_of_an_object_or_none(objects: ObjectStore) -> None:
    """While it is written over and over."""
    bodies = [bytes([number]) * 200_000 for number in range(6)]
    seen: list[bytes] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                seen.append(objects.get("shared/x"))
            except NotFound:
                continue

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for body in bodies:
            objects.put("shared/x", body)
    finally:
        done.set()
        reader.join()
    assert set(seen) <= set(bodies)
    assert list(objects.list("shared")) == ["shared/x"]


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../up", "a/../b", "a//b", ".hidden", "a/.hidden", "a/", "-option", "a\0b", "ä", "a" * 600],
)
def test_a_name_can_never_leave_the_store(objects: ObjectStore, name: str) -> None:
    """Refused before anything is touched."""
    for act in (lambda: objects.put(name, b"x"), lambda: objects.get(name), lambda: objects.size(name),
                lambda: objects.delete(name), lambda: list(objects.list(name))):  # fmt: skip
        with pytest.raises(Invalid, match="not an object name"):
            act()


@given(st.text(max_size=30))
def test_a_checked_name_is_a_path_below(name: str) -> None:
    """Whatever passes names something inside the root."""
    try:
        checked = checked_name(name)
    except Invalid:
        return
    assert (Path("/root") / checked).resolve().is_relative_to("/root") and checked == name


def test_names_from_content_differ_when_the_content_does() -> None:
    """26 hex digits are 104 bits."""
    assert content_name("a", b"x", ".m4s") == f"a/{hashlib.sha256(b'x').hexdigest()[:26]}.m4s"
    assert content_name("a", b"y", ".m4s") != content_name("a", b"x", ".m4s")


def test_a_store_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not lost and not absent: trying again later may succeed."""
    for name, value in (("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_REGION", "eu"), ("AWS_ACCESS_KEY_ID", "x"),
                        ("AWS_SECRET_ACCESS_KEY", "x")):  # fmt: skip
        monkeypatch.setenv(name, value)
    silent = open_objects("s3://bucket")
    for act in (lambda: silent.put("x", b""), lambda: silent.get("x"), lambda: silent.size("x"),
                lambda: silent.delete("x"), lambda: list(silent.list("x"))):  # fmt: skip
        with pytest.raises(Unavailable, match="s3://bucket"):
            act()


def test_a_put_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """Not even a part of it: the folder is as it was."""
    objects = DirectoryObjects(tmp_path / "objects")
    objects.put("x/there", b"1")
    with pytest.raises(Unavailable, match="x/gone"):
        objects.put("x/gone", tmp_path / "no such file")
    files = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["there"]


def test_what_killed_writers_left_is_swept_away(tmp_path: Path) -> None:
    """Parts that are old; a young one may still be written by another process."""
    root = tmp_path / "objects"
    DirectoryObjects(root).put("x", b"1")
    for name, age_s in (("old", 4000), ("young", 10)):
        part = root / ".parts" / name
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age_s, time.time() - age_s))
    objects = DirectoryObjects(root)
    assert [path.name for path in (root / ".parts").iterdir()] == ["young"]
    with pytest.raises(Invalid):
        objects.get(".parts/young")
