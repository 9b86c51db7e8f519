"""Subtitles of any usual form, in any usual encoding, as WebVTT."""

from __future__ import annotations

import html
import re

from charset_normalizer import from_bytes

from reelwright.media.contract import BadSource

LARGEST_BYTES = 5 << 20
LONGEST_CUE = 2000
"""Characters; no player shows more."""
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(rf"^[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}", re.MULTILINE)
_ASS_TIME = re.compile(_TIME)
_OVERRIDE = re.compile(r"\{[^{}]{0,500}\}")
_DRAWING = re.compile(r"m -?[\d.]+ -?[\d.]+(?: (?:[mnlbspc]|-?[\d.]+))*")
"""A shape that ASS draws where a player can: nothing to read."""
_TAG = re.compile(r"</?(?!/?[biu]>)[^<>]{0,500}>")
_ALLOWED = re.compile(r"&lt;(/?[biu])&gt;")

Cue = tuple[int, int, str]
"""Start and end in milliseconds, and the text as WebVTT wants it."""


def to_webvtt(data: bytes, name: str, *, language: str = "und", shift_ms: int = 0) -> str:
    """SRT, ASS/SSA or WebVTT bytes as a WebVTT document, every time moved by `shift_ms`.

    Raises BadSource when there is not one cue in it.
    """
    if len(data) > LARGEST_BYTES:
        raise BadSource(f"subtitle {name} is larger than {LARGEST_BYTES} bytes; at most so many are taken")
    text = decode_text(data, name, language).replace("\r\n", "\n").replace("\r", "\n")
    cues = _ass_cues(text) if "[Events]" in text else _srt_cues(text)
    moved = [(start + shift_ms, end + shift_ms, body) for start, end, body in cues if body]
    blocks = [f"{clock(max(0, start))} --> {clock(end)}\n{body}" for start, end, body in sorted(moved) if end > 0]
    if not blocks:
        raise BadSource(f"subtitle {name} has no cue like '00:00:01,000 --> 00:00:02,000'; is it SRT, ASS or WebVTT?")
    return "WEBVTT\n\n" + "\n\n".join(blocks) + "\n"


def decode_text(data: bytes, name: str, language: str = "und") -> str:
    """The text: by byte order mark, as UTF-8, as UTF-16 without a mark, else in the likeliest old encoding."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data[:4000]:
        return _utf16_without_mark(data, name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_old_encoding(data, language), "replace")


def _utf16_without_mark(data: bytes, name: str) -> str:
    for encoding in ("utf-16-le", "utf-16-be"):
        text = data.decode(encoding, "ignore")
        if "-->" in text or "[Events]" in text:
            return text
    raise BadSource(f"subtitle {name} is not text")


def _old_encoding(data: bytes, language: str) -> str:
    """What was usual for the language; where it is unknown, Western European if it looks so, else a guess."""
    usual = _USUAL.get(language)
    if usual and _decodes(data, usual):
        return usual
    if _looks_western(data.decode("cp1252", "replace")):
        return "cp1252"
    best = from_bytes(data).best()
    return best.encoding if best is not None else "cp1252"


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _looks_western(text: str) -> bool:
    """Few letters beyond ASCII, nearly all of them usual ones: other alphabets read as cp1252 are full of them."""
    letters = sum(character.isalpha() for character in text)
    beyond = [character for character in text if character > "\x7f"]
    usual = sum(character in _WESTERN for character in beyond)
    return len(beyond) < 0.4 * letters and usual >= 0.9 * len(beyond)


_WESTERN = frozenset("éèêëàâçùûüîïôöäßñáíóúåøæœÉÈÀÇÜÖÄÅØÆ¿¡’‘“”…–—«»´°ìòãõêº\xa0")
_USUAL = {
    language: encoding
    for encoding, languages in {
        "cp1250": "ces slk pol hun hrv slv ron bos sqi cze slo rum",
        "cp1251": "rus ukr bul srp mkd bel",
        "cp1252": "eng deu ger fra fre spa ita por nld dut swe dan nor nob fin isl cat",
        "cp1253": "ell gre",
        "cp1254": "tur",
        "cp1255": "heb",
        "cp1256": "ara fas per urd",
        "cp1257": "lit lav est",
        "cp932": "jpn",
        "cp949": "kor",
        "gb18030": "zho chi",
    }.items()
    for language in languages.split()
}


def _srt_cues(text: str) -> list[Cue]:
    found = list(_CUE.finditer(text))
    cues = []
    for index, match in enumerate(found):
        until = found[index + 1].start() if index + 1 < len(found) else len(text)
        after = text.find("\n", match.end(), until)
        body = text[after + 1 : until] if after >= 0 else ""
        lines = body.lstrip("\n").split("\n\n", 1)[0].split("\n")
        cues.append((_milliseconds(match.groups()[:4]), _milliseconds(match.groups()[4:]), _clean(lines)))
    return [cue for cue in cues if cue[1] > cue[0]]


def _ass_cues(text: str) -> list[Cue]:
    cues = []
    for line in text.split("\n"):
        fields = line[9:].split(",", 9) if line.startswith("Dialogue:") else []
        if len(fields) == 10:
            start, end = _ASS_TIME.search(fields[1]), _ASS_TIME.search(fields[2])
            body = fields[9].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
            if start and end:
                cues.append((_milliseconds(start.groups()), _milliseconds(end.groups()), _clean(body.split("\n"))))
    return [cue for cue in cues if cue[1] > cue[0]]


def _clean(lines: list[str]) -> str:
    """Cue text with the tags WebVTT shares with SubRip, all else escaped, so that no line can end or begin a cue."""
    plain = [html.unescape(_TAG.sub("", _OVERRIDE.sub("", line))) for line in lines]
    told = [" ".join(line.split()) for line in plain if line.strip()]
    kept = "\n".join(line for line in told if not _DRAWING.fullmatch(line))[:LONGEST_CUE]
    escaped = kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ALLOWED.sub(r"<\1>", escaped)


def _milliseconds(fields: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = fields
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return whole * 1000 + int((fraction or "").ljust(3, "0"))


def clock(milliseconds: int) -> str:
    """`milliseconds` as WebVTT writes times."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
