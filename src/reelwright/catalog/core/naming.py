"""What a file's path says of it: tolerant, pure, and never without an answer."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

import msgspec

VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi", ".divx", ".ts", ".m2ts", ".mts",
    ".mpg", ".mpeg", ".vob", ".mxf", ".dv", ".flv", ".ogv", ".wmv", ".asf",
})  # fmt: skip
SUBTITLE_SUFFIXES = frozenset({".srt", ".vtt", ".ass", ".ssa"})
LONGEST_NAME = 300
_EXTRA_FOLDERS = frozenset(
    {"extras", "featurettes", "trailers", "samples", "sample", "behind the scenes", "deleted scenes", "interviews"}
)
_EXTRA_NAME = re.compile(
    r"(?:^|[._-])(?:sample|trailer)$|-(?:behindthescenes|deleted|featurette|interview|scene|short)$", re.IGNORECASE
)
_SAYS_NOTHING = re.compile(
    r"movie|film|video|feature|main|index|title(?:[ _.]?t?\d+)?|vts_\d+_\d+|\d{5,}|bdmv|stream|video_ts",
    re.IGNORECASE,
)
_BEGIN, _END = r"(?:^|[\s._\-\[(])", r"(?=$|[\s._\-\])])"
_EPISODES = (
    # Show.S01E02, Show S1 E2, Show.S01E01-E02, Show.S2019E05
    re.compile(
        rf"{_BEGIN}s(?P<season>\d{{1,2}}|(?:19|20)\d\d)[\s._-]?e(?P<episode>\d{{1,4}})"
        rf"(?:[\s._-]?-?e\d{{1,4}}|-\d{{1,3}})*{_END}",
        re.IGNORECASE,
    ),
    # Season 2 Episode 3, Staffel 2 Folge 3, Saison 2 Épisode 3
    re.compile(
        rf"{_BEGIN}(?:season|staffel|saison|temporada)[\s._-]*(?P<season>\d{{1,2}})[\s._,-]*"
        rf"(?:episode|épisode|episodio|folge|ep)[\s._-]*(?P<episode>\d{{1,4}}){_END}",
        re.IGNORECASE,
    ),
    # Show.1x02
    re.compile(rf"{_BEGIN}(?P<season>\d{{1,2}})x(?P<episode>\d{{2,3}}){_END}", re.IGNORECASE),
)
_BY_DATE = re.compile(rf"{_BEGIN}(?P<season>(?:19|20)\d\d)[._-](?P<month>[01]\d)[._-](?P<day>[0-3]\d){_END}")
_NUMBER_ALONE = re.compile(
    rf"^(?:.*{_BEGIN})?(?:e|ep|episode|folge|épisode)?[\s._-]?(?P<episode>\d{{1,3}}){_END}", re.I
)
_FANSUB = re.compile(r"^\[[^\]]+\][\s._]*(?P<name>.+?)[\s._]+-[\s._]+(?P<episode>\d{2,3})(?:v\d)?(?=$|[\s._\[(])")
_SEASON_FOLDER = re.compile(
    r"^(?:(?:season|staffel|saison|series|temporada|s)[\s._-]*(\d{1,2})|specials)$", re.IGNORECASE
)
_YEAR = r"(?:18[89]\d|19\d\d|20[0-3]\d)"
_YEAR_IN_BRACKETS = re.compile(rf"[(\[]({_YEAR})[)\]]")
_YEAR_BARE = re.compile(rf"(?:^|[\s._-])({_YEAR})(?=$|[\s._-])")
_TECHNICAL = re.compile(
    rf"[\s._\-\[(](?:(?:2160|1440|1080|720|576|480)[pi]|\d{{3,4}}x\d{{3,4}}|4k|uhd|hdr(?:10)?\+?|dovi|[xh]\.?26[45]|hevc|avc|"
    r"av1|xvid|divx|blu-?ray|b[dr]rip|dvd(?:rip|scr|r)?|web(?:rip|-?dl)|hdtv|hdrip|remux|aac\d?|e?ac3|dd[p+]?\d|dts|truehd|"
    rf"atmos|flac|opus|(?:8|10)bit|[257]\.1){_END}",
    re.IGNORECASE,
)
_EDITION = re.compile(
    r"[\s._\-\[(]+(?:web|multi|proper|repack|extended|uncut|unrated|remastered|limited|internal|dubbed|subbed|theatrical|"
    r"(?:directors?|director's|extended|final|theatrical)[\s._]cut)[)\]]?$",
    re.IGNORECASE,
)
_PART = re.compile(rf"[\s._\-\[(](?:cd|disc|disk|dvd|part|pt)[\s._-]?(\d){_END}", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_](?:[A-Za-z]{4}|[A-Za-z]{2}|[0-9]{3}))*")
"""A language tag, as `pt-BR`, `zh_Hant` or `es-419`."""
_SHOUTED = re.compile(r"[A-Z]{2,3}")
_HARD_OF_HEARING = ("sdh", "cc")
"""Also `hi`, after a language: alone it is Hindi."""


class FileName(msgspec.Struct, frozen=True, kw_only=True):
    """A path as a title: a film, or an episode of a series."""

    name: str
    year: int | None = None
    season: int | None = None
    episode: int | None = None
    episode_name: str = ""


def parse(path: PurePath) -> FileName:
    """What the path means, from its name and the two nearest folders that say something. The name is never empty."""
    stem, folders = _clean(path.stem), [_clean(part) for part in path.parts[:-1]]
    folders = [folder for folder in folders if not _SAYS_NOTHING.fullmatch(folder)][-2:]
    return _as_episode(folders, stem) or _as_film(folders, stem)


def is_extra(path: PurePath) -> bool:
    """Whether a file is a sample, trailer or the like, told by its folder or its name."""
    if any(part.lower() in _EXTRA_FOLDERS for part in path.parts[:-1]):
        return True
    return bool(_EXTRA_NAME.search(path.stem))


def is_season_folder(name: str) -> bool:
    """Whether a folder holds one season of the series that the folder above it names."""
    return bool(_SEASON_FOLDER.match(_clean(name)))


def subtitle_of(video: PurePath, subtitle: PurePath) -> tuple[str, str, bool] | None:
    """(language tag, label, forced) when `subtitle` belongs to `video` by its name, else None."""
    if subtitle.suffix.lower() not in SUBTITLE_SUFFIXES:
        return None
    stem, film = (unicodedata.normalize("NFC", path.stem) for path in (subtitle, video))
    if plain(stem) == plain(film):
        return "und", "", False
    if plain(stem[: len(film) + 1]) != plain(film + "."):
        return None
    language, forced, rest = "und", False, []
    for part in stem[len(film) + 1 :].split("."):
        if part.lower() == "forced":
            forced = True
        elif part.lower() in _HARD_OF_HEARING or (language != "und" and part.lower() == "hi"):
            rest.append("SDH")
        elif language == "und" and (_LANGUAGE.fullmatch(part) or _SHOUTED.fullmatch(part)):
            language = part.replace("_", "-") if _LANGUAGE.fullmatch(part) else part.lower()
        else:
            rest.append(part)
    return language, " ".join(rest)[:60], forced


def plain(name: str) -> str:
    """A name without what differs between systems: case, and how letters with accents are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def _as_episode(folders: list[str], stem: str) -> FileName | None:
    in_season = bool(folders) and _SEASON_FOLDER.match(folders[-1])
    series = [folder for folder in folders if not _SEASON_FOLDER.match(folder)]
    for pattern in _EPISODES:
        found = pattern.search(stem)
        # `10x10 (2018)` is a film: without a series before it, a number alone makes no episode.
        if found and (pattern is not _EPISODES[2] or in_season or _tidy(stem[: found.start()])):
            before, after = stem[: found.start()], stem[found.end() :]
            return _episode(series, before, int(found["season"]), int(found["episode"]), after)
    if found := _BY_DATE.search(stem):
        before, after = stem[: found.start()], stem[found.end() :]
        return _episode(series, before, int(found["season"]), int(found["month"] + found["day"]), after)
    if found := _FANSUB.match(stem):
        return _episode(series, found["name"], _season_of(folders) or 1, int(found["episode"]), stem[found.end() :])
    if in_season and (found := _NUMBER_ALONE.match(stem)):
        return _episode(series, "", _season_of(folders) or 0, int(found["episode"]), stem[found.end() :])
    return None


def _season_of(folders: list[str]) -> int | None:
    found = _SEASON_FOLDER.match(folders[-1]) if folders else None
    return int(found[1] or 0) if found else None


def _episode(series: list[str], before: str, season: int, episode: int, after: str) -> FileName:
    name, year = _name_and_year(before)
    if series:
        folder_name, folder_year = _name_and_year(series[-1])
        if not name:
            name, year = folder_name, folder_year
        elif year is None and folder_name.casefold() == name.casefold():
            year = folder_year
    title = _tidy(_without_noise(after))
    return FileName(name=name or "Untitled", year=year, season=season, episode=episode, episode_name=title)


def _as_film(folders: list[str], stem: str) -> FileName:
    name, year = _name_and_year(stem)
    told = [_name_and_year(folder) for folder in folders]
    if told and (not name or _SAYS_NOTHING.fullmatch(stem)):
        name, year = told[-1]
    elif told and year is None and told[-1][0].casefold() == name.casefold():
        year = told[-1][1]
    return FileName(name=name or _tidy(stem) or _pictured(stem) or "Untitled", year=year)


def _pictured(text: str) -> str:
    """A name of nothing but emoji and other symbols."""
    return text.strip()[:LONGEST_NAME] if any(unicodedata.category(one)[0] == "S" for one in text) else ""


def _name_and_year(text: str) -> tuple[str, int | None]:
    bracketed = [found for found in _YEAR_IN_BRACKETS.finditer(text) if _tidy(text[: found.start()])]
    for found in bracketed[:1] or list(_YEAR_BARE.finditer(text))[::-1]:
        name = _tidy(_without_noise(text[: found.start()], always=True))
        if name:
            return name + _part_after(text[found.end() :]), int(found[1])
    part = next(
        (found for found in _PART.finditer(text) if not found[0].lower().startswith((" part", ".part"))), None
    )
    if part:
        return _tidy(_without_noise(text[: part.start()])) + f" (part {part[1]})", None
    return _tidy(_without_noise(text)), None


def _part_after(text: str) -> str:
    """`Film (2004) CD2` is half a film, and no other version of the whole."""
    found = _PART.search(text)
    return f" (part {found[1]})" if found else ""


def _without_noise(text: str, *, always: bool = False) -> str:
    """`text` up to the first technical word; words of editions before that, or before a year, go as well."""
    found = _TECHNICAL.search(text)
    kept = text[: found.start()] if found else text
    while (found or always) and (edition := _EDITION.search(kept)) and _tidy(kept[: edition.start()]):
        kept = kept[: edition.start()]
    return kept


def _clean(text: str) -> str:
    """Composed letters, nothing invisible, nothing before a backslash (names that were packed on Windows)."""
    composed = unicodedata.normalize("NFC", text.rsplit("\\", 1)[-1])
    visible = (" " if character.isspace() else character for character in composed)
    return "".join(c for c in visible if unicodedata.category(c)[0] != "C")


def _tidy(text: str) -> str:
    text = re.sub(r"^\s*www\.\S+\s*-\s+|\[[^\]]*\]|\{[^}]*\}", " ", text)
    if " " not in text.strip():
        text = _words_of(text)
    text = re.sub(r"[\s_]+", " ", text).strip(" -–—.,([")
    return text[:LONGEST_NAME] if re.search(r"\w", text) else ""


def _words_of(text: str) -> str:
    """Dots, and hyphens where nothing else parts the words, as spaces; `S.W.A.T` keeps its dots."""
    if not re.search(r"[._]", text) and text.count("-") > 1:
        return text.replace("-", " ")
    initials = r"(?<![^\W_])(?:[^\W\d_]\.){2,}[^\W\d_](?=\.|$)"
    text = re.sub(initials, lambda found: found[0].replace(".", "\0"), text)
    return text.replace(".", " ").replace("\0", ".")
