"""The encoder's command lines."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.media.test_plan import source

from reelwright.media.core import command
from reelwright.media.core.plan import AudioInfo, LadderPlanner

PLAN = LadderPlanner(codecs=("h264", "av1"), threads=3).plan(source(640, 360, duration_s=100))
SOUND = AudioInfo(stream=1, language="und", title="", channels=2, default=True)
HOSTILE = "/films/-i /etc/passwd;%03d concat:http://x [0:v] 'q'.mp4"
OUTPUTS = [(rung, f"{rung.id}.mp4") for rung in PLAN.rungs]
OPENING = {
    "video": command.video_command(PLAN, HOSTILE, OUTPUTS, start=400, end=800),
    "audio": command.audio_command(PLAN, HOSTILE, SOUND, "aac", "a.mp4"),
    "look": command.look_command(PLAN, HOSTILE, 400, "look.jpg"),
    "pictures": command.picture_command(PLAN, HOSTILE, 10, [(640, 360, "still.jpg")]),
    "subtitle": command.subtitle_command(PLAN, HOSTILE, [(2, "s.srt"), (3, "t.srt")]),
}


@pytest.mark.parametrize("arguments", OPENING.values(), ids=OPENING.keys())
def test_a_source_is_opened_as_a_file_of_the_known_container(arguments: list[str]) -> None:
    """The demuxer is forced, only files and pipes may be opened, and a name is never a protocol or an option."""
    at = arguments.index("-i")
    before = arguments[:at]
    assert arguments[at + 1] == f"file:{HOSTILE}" and arguments.count("-i") == 1
    assert before[before.index("-f") + 1] == "mov"
    assert before[before.index("-protocol_whitelist") + 1] == "file,pipe"
    assert not any("/etc/passwd" in argument for argument in arguments if argument != f"file:{HOSTILE}")


def test_every_output_has_pinned_threads_and_nothing_but_its_essence() -> None:
    """The result depends on the threads; chapters and metadata of the source would make other bytes, or tracks."""
    arguments = OPENING["video"]
    assert arguments.count("-threads") == len(PLAN.rungs) == arguments.count("-map_chapters")
    assert {arguments[at + 1] for at, word in enumerate(arguments) if word == "-threads"} == {"3"}
    assert sum("lp=1" in argument for argument in arguments) == sum(rung.codec == "av1" for rung in PLAN.rungs)


def test_all_rungs_of_a_chunk_come_from_one_decode() -> None:
    """Each size is scaled from the next larger one."""
    graph = OPENING["video"][OPENING["video"].index("-filter_complex") + 1]
    assert graph.count("[0:0]") == 1
    assert graph.count("scale=") == len({(rung.width, rung.height) for rung in PLAN.rungs})


def test_a_chunk_that_is_lost_whole_opens_no_source() -> None:
    """It is black, and must not fail again where the first run failed."""
    arguments = command.video_command(PLAN, HOSTILE, OUTPUTS, start=400, end=800, black=400)
    assert "-i" not in arguments and any("color=c=black" in argument for argument in arguments)


def test_containers_without_an_index_are_decoded_from_far_before() -> None:
    """A seek in them lands between key frames."""
    info = msgspec.structs.replace(PLAN.info, demuxer="mpegts")
    plan = msgspec.structs.replace(PLAN, info=info)
    arguments = command.video_command(plan, "/x.ts", OUTPUTS, start=400, end=800)
    assert float(arguments[arguments.index("-ss") + 1]) == pytest.approx(400 / 25 - 12)


def test_interlaced_and_hdr_pictures_are_changed_and_others_are_not() -> None:
    """Deinterlacing and tone mapping cost quality where they are not needed."""
    for field, value, word in (
        ("interlaced", True, "bwdif"),
        ("transfer", "pq", "tonemap"),
        ("transfer", "hlg", "tonemap"),
    ):
        plan = msgspec.structs.replace(PLAN, info=msgspec.structs.replace(PLAN.info, **{field: value}))
        changed = " ".join(command.video_command(plan, "/x", OUTPUTS, start=400, end=800))
        assert word in changed
    assert not {"bwdif", "tonemap"} & set(" ".join(OPENING["video"]).replace("=", ",").split(","))
