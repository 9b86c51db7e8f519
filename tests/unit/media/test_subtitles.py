"""Subtitles of any usual form and encoding become WebVTT."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.contract import BadSource
from reelwright.media.core.subtitles import LARGEST_BYTES, clock, decode_text, to_webvtt

SPOKEN = {
    "rus": ("cp1251", "Привет, как дела? Я давно тебя не видел. Пойдём домой, уже поздно."),
    "ces": ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy. Kde jsi byl? Čekal jsem na tebe celou noc."),
    "fra": ("cp1252", "Où étais-tu hier soir ? J'ai attendu toute la nuit. C'était très bête, n’est-ce pas…"),
    "deu": ("latin-1", "Größe, Äpfel, Öl und Straße. Ich weiß nicht, wo er ist."),
    "ell": ("cp1253", "Πού ήσουν χθες το βράδυ; Σε περίμενα όλη τη νύχτα."),
    "tur": ("cp1254", "Dün gece neredeydin? Bütün gece seni bekledim. Şöyle böyle işte, çok güzel."),
    "heb": ("cp1255", "איפה היית אתמול בלילה? חיכיתי לך כל הלילה."),
    "ara": ("cp1256", "أين كنت الليلة الماضية؟ انتظرتك طوال الليل."),
    "jpn": ("shift_jis", "昨日の夜はどこにいたの？一晩中待っていたんだよ。"),
    "zho": ("gb18030", "你昨晚去哪儿了？我等了你一整夜。"),
    "kor": ("euc-kr", "어젯밤에 어디 있었어? 밤새도록 기다렸잖아."),
}
CUE = re.compile(r"(\d\d:\d\d:\d\d\.\d{3}) --> (\d\d:\d\d:\d\d\.\d{3})")


def srt(*texts: str) -> str:
    """One cue a text, a second each."""
    return "".join(
        f"{n}\r\n00:00:{n:02},000 --> 00:00:{n:02},900\r\n{text}\r\n\r\n" for n, text in enumerate(texts, 1)
    )


@pytest.mark.parametrize("language", SPOKEN)
def test_old_encodings_are_read_when_the_language_is_known(language: str) -> None:
    """`film.ru.srt` from 2003 is Windows-1251, whatever anybody declares."""
    encoding, text = SPOKEN[language]
    assert text in to_webvtt(srt(text).encode(encoding), "x.srt", language=language)


@pytest.mark.parametrize("language", [language for language in SPOKEN if language not in ("jpn",)])
def test_old_encodings_are_guessed_when_nobody_says_the_language(language: str) -> None:
    """A name without a language is usual, and four lines are enough to tell; Japanese needs more, or its name."""
    encoding, text = SPOKEN[language]
    assert text in to_webvtt(srt(*[text] * 4).encode(encoding), "x.srt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_recognised_with_and_without_a_mark(encoding: str) -> None:
    """Editors on Windows write UTF-16; some leave the mark out."""
    assert "Grüße, 世界 – ok" in to_webvtt(srt("Grüße, 世界 – ok").encode(encoding), "x.srt")


def test_ass_keeps_what_is_said_and_drops_how_it_looks() -> None:
    """Override blocks and drawing orders are not text; line ends are."""
    ass = (
        "[Script Info]\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:02.50,0:00:04.00,Default,,0,0,0,,{\\an8\\fs20}Second, line\\Nbelow\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,First\n"
        "Dialogue: 0,0:00:02.00,0:00:02.40,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 -2.5 b 1 2 3 4 5 6{\\p0}\n"
        "Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Not shown\n"
    )
    assert to_webvtt(ass.encode(), "x.ass") == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nFirst\n\n00:00:02.500 --> 00:00:04.000\nSecond, line\nbelow\n"
    )


def test_webvtt_loses_what_only_looks_and_keeps_its_cues() -> None:
    """Style blocks, notes, settings and voices are dropped, hours may be missing, entities are one character."""
    vtt = (
        "WEBVTT - title\n\nSTYLE\n::cue { color: red }\n\nNOTE a --> b\n\n1\n00:01.000 --> 00:02.000 align:start\n"
        "<v Fred>Fish &amp; <i>chips</i> <script>x</script>\n"
    )
    assert to_webvtt(vtt.encode(), "x.vtt") == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nFish &amp; <i>chips</i> x\n"
    )


def test_times_are_moved_with_the_first_picture() -> None:
    """What ends before the film begins is left out, what begins before it begins with it."""
    made = to_webvtt(srt("one", "two", "three").encode(), "x.srt", shift_ms=-2500)
    assert made == "WEBVTT\n\n00:00:00.000 --> 00:00:00.400\ntwo\n\n00:00:00.500 --> 00:00:01.400\nthree\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "no cue"), (b"just text", "no cue"), (b"\x00\x01\x02\x00" * 50, "not text"),
     (b"1\n00:00:05,000 --> 00:00:01,000\nbackwards\n", "no cue"), (b"x" * (LARGEST_BYTES + 1), "at most")],
)  # fmt: skip
def test_what_is_no_subtitle_is_named_with_the_reason(data: bytes, says: str) -> None:
    """The name of the file and what was expected."""
    with pytest.raises(BadSource, match=rf"film\.srt.*{says}"):
        to_webvtt(data, "film.srt")


@given(st.lists(st.text(max_size=80), min_size=1, max_size=6), st.sampled_from(["utf-8", "utf-16", "cp1252"]))
def test_no_text_can_make_a_cue_of_its_own(texts: list[str], encoding: str) -> None:
    """Whatever a line holds, there are never more cues than there were, and their times are in order."""
    data = srt(*texts).encode(encoding, "replace")
    try:
        made = to_webvtt(data, "x.srt")
    except BadSource:
        return
    head, *blocks = made.rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    given_cues = len(re.findall("-->", decode_text(data, "x.srt")))
    assert len(blocks) <= given_cues
    for block in blocks:
        first, *lines = block.split("\n")
        assert CUE.fullmatch(first) and lines and not any("-->" in line or not line.strip() for line in lines)
    assert [block[:12] for block in blocks] == sorted(block[:12] for block in blocks)


@given(st.binary(max_size=400))
def test_any_bytes_are_an_answer_or_a_clear_error(data: bytes) -> None:
    """A subtitle never ends a job."""
    try:
        assert to_webvtt(data, "x.srt").startswith("WEBVTT\n\n00:")
    except BadSource as error:
        assert "x.srt" in str(error)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "unit", [b"\n", b" ", b"<", b"{", b"{<", b"1:", b"00:00:00,000 -->", b"-->\n", b"&amp", b"\t\r"]
)
def test_hostile_repetition_takes_no_longer_than_reading(unit: bytes) -> None:
    """Patterns must not try every way to fail: five megabytes of one sign are read in the time of the file."""
    cue = b"1\n00:00:01,000 --> 00:00:02,000\n"
    for data in (unit * (LARGEST_BYTES // len(unit)), cue + unit * ((LARGEST_BYTES - 100) // len(unit))):
        try:
            assert to_webvtt(data, "x.srt").startswith("WEBVTT")
        except BadSource as error:
            assert "x.srt" in str(error)


@given(st.integers(0, 359_999_999))
def test_clock_times_are_read_back(milliseconds: int) -> None:
    """Hours, minutes, seconds, thousandths."""
    hours, minutes, rest = clock(milliseconds).split(":")
    assert int(hours) * 3_600_000 + int(minutes) * 60_000 + int(rest.replace(".", "")) == milliseconds
