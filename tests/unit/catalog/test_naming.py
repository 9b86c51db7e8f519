"""File names as people, cameras and rippers write them."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.catalog.core.naming import FileName, is_extra, parse, subtitle_of

FILMS = [
    ("The Amber Coast (1999).mkv", "The Amber Coast", 1999),
    ("The.Amber.Coast.1999.1080p.BluRay.x264-GROUP.mkv", "The Amber Coast", 1999),
    ("the_amber_coast_(1999).avi", "the amber coast", 1999),
    ("the-amber-coast-1999.mkv", "the amber coast", 1999),
    ("The Amber Coast 1999.mp4", "The Amber Coast", 1999),
    ("The Amber Coast [1999].mp4", "The Amber Coast", 1999),
    ("The Amber Coast.mkv", "The Amber Coast", None),
    ("The Amber Coast - 1080p.mkv", "The Amber Coast", None),
    ("The Amber Coast (1080p).mkv", "The Amber Coast", None),
    ("The.Amber.Coast.1920x1080.mkv", "The Amber Coast", None),
    ("The.Amber.Coast.2160p.UHD.HDR10.mkv", "The Amber Coast", None),
    ("The.Amber.Coast.DVDRip.XviD.avi", "The Amber Coast", None),
    ("2001 A Space Journey (1968).mkv", "2001 A Space Journey", 1968),
    ("2001.A.Space.Journey.1968.720p.mkv", "2001 A Space Journey", 1968),
    ("2001 A Space Journey.mkv", "2001 A Space Journey", None),
    ("1917 (2019).mkv", "1917", 2019),
    ("1917.2019.1080p.mkv", "1917", 2019),
    ("1917.mkv", "1917", None),
    ("2012 (2009).mp4", "2012", 2009),
    ("1984 (1984).mkv", "1984", 1984),
    ("Harbour 2049 (2017).mkv", "Harbour 2049", 2017),
    ("Harbour.2049.2017.2160p.mkv", "Harbour 2049", 2017),
    ("Harbour 2049.mkv", "Harbour 2049", None),
    ("Se7en Gulls.1995.mkv", "Se7en Gulls", 1995),
    ("300 Bridges (2006).mkv", "300 Bridges", 2006),
    ("10x10 (2018).mkv", "10x10", 2018),
    ("8½ Rooms (1963).mkv", "8½ Rooms", 1963),
    ("M (1931).mkv", "M", 1931),
    ("M.mkv", "M", None),
    ("Up.2009.mkv", "Up", 2009),
    ("Amélie am Meer (2001).mkv", "Amélie am Meer", 2001),
    ("Ame\u0301lie am Meer (2001).mkv", "Amélie am Meer", 2001),
    ("ÜBER·NACHT (2008).mkv", "ÜBER·NACHT", 2008),
    ("千と灯台.2001.mkv", "千と灯台", 2001),
    ("Маяк.2012.BDRip.avi", "Маяк", 2012),
    ("منارة (2014).mp4", "منارة", 2014),
    ("Mr. & Mrs. Keeper (2005).mkv", "Mr. & Mrs. Keeper", 2005),
    ("E.T. of the Sea (1982).mkv", "E.T. of the Sea", 1982),
    ("S.W.A.T.2003.mkv", "S.W.A.T", 2003),
    ("Spider-Crab.2002.mkv", "Spider-Crab", 2002),
    ("The Good, the Salt and the Ugly (1966).mkv", "The Good, the Salt and the Ugly", 1966),
    ("Uncut Stones (2019).mkv", "Uncut Stones", 2019),
    ("The Web (1999).mkv", "The Web", 1999),
    ("The Web.mkv", "The Web", None),
    ("Lantern.Directors.Cut.1982.1080p.mkv", "Lantern", 1982),
    ("Lantern.EXTENDED.2003.BluRay.mkv", "Lantern", 2003),
    ("Lantern (1982) {edition-Director's Cut}.mkv", "Lantern", 1982),
    ("Lantern (1999) [imdbid-tt0133093].mkv", "Lantern", 1999),
    ("Lantern {tmdb-603} (1999).mkv", "Lantern", 1999),
    ("Lantern (1999) (2010 Remaster).mkv", "Lantern", 1999),
    ("Lantern.WEB.x264.mkv", "Lantern", None),
    ("[Group] Lantern [1080p][10bit].mkv", "Lantern", None),
    ("[ www.somewhere.example ] - Lantern 2010.mkv", "Lantern", 2010),
    ("www.somewhere.example - Lantern 2010.mkv", "Lantern", 2010),
    ("Lantern.2004.CD1.avi", "Lantern (part 1)", 2004),
    ("Lantern.2004.CD2.avi", "Lantern (part 2)", 2004),
    ("Lantern - disc 2.avi", "Lantern (part 2)", None),
    ("Lantern Part 2 (2011).mkv", "Lantern Part 2", 2011),
    ("Lantern Part 2.mkv", "Lantern Part 2", None),
    ("Lantern (2010)/movie.mkv", "Lantern", 2010),
    ("Lantern (2010)/Lantern.1080p.mkv", "Lantern", 2010),
    ("Lantern (2010)/BDMV/STREAM/00001.m2ts", "Lantern", 2010),
    ("Lantern (2010)/VIDEO_TS/VTS_01_1.mpg", "Lantern", 2010),
    ("Old films (2010)/Harbour.mkv", "Harbour", None),
    ("VID_20190704_201533.mp4", "VID 20190704 201533", None),
    ("IMG-20200101-WA0007.mp4", "IMG 20200101 WA0007", None),
    ("   .mkv", "Untitled", None),
    ("....mkv", "Untitled", None),
    ("---.mkv", "Untitled", None),
    ("🎬🐟.mkv", "🎬🐟", None),
    ("(1999).mkv", "1999)", None),
    ("Lantern\u202egnp.mkv", "Lanterngnp", None),
    ("Lan\x07tern\n2.mkv", "Lantern 2", None),
    ("..\\..\\Windows\\Lantern.mp4", "Lantern", None),
    ("%2e%2e%2fLantern.mp4", "%2e%2e%2fLantern", None),
    ("<img src=x onerror=alert(1)>.mp4", "<img src=x onerror=alert(1)>", None),
    ("Robert'); DROP TABLE titles;--.mp4", "Robert'); DROP TABLE titles;", None),
    ("x" * 400 + ".mkv", "x" * 300, None),
    ("🎬 Lantern 🎬 (2020).mp4", "🎬 Lantern 🎬", 2020),
]
EPISODES = [
    ("Night Ferry.S01E02.mkv", "Night Ferry", None, 1, 2, ""),
    ("Night.Ferry.S01E02.The.Storm.1080p.WEB-DL.mkv", "Night Ferry", None, 1, 2, "The Storm"),
    ("Night Ferry - s01e02 - The Storm.mkv", "Night Ferry", None, 1, 2, "The Storm"),
    ("night_ferry_s01e02_the_storm.mp4", "night ferry", None, 1, 2, "the storm"),
    ("Night Ferry S1 E2.mkv", "Night Ferry", None, 1, 2, ""),
    ("Night.Ferry.S01.E02.mkv", "Night Ferry", None, 1, 2, ""),
    ("Night.Ferry.1x02.The.Storm.avi", "Night Ferry", None, 1, 2, "The Storm"),
    ("Night.Ferry.S01E01E02.mkv", "Night Ferry", None, 1, 1, ""),
    ("Night.Ferry.S01E01-E02.Pilot.mkv", "Night Ferry", None, 1, 1, "Pilot"),
    ("Night.Ferry.S01E100.mkv", "Night Ferry", None, 1, 100, ""),
    ("Night.Ferry.S2019E05.mkv", "Night Ferry", None, 2019, 5, ""),
    ("Night.Ferry.2019.S01E02.mkv", "Night Ferry", 2019, 1, 2, ""),
    ("Night Ferry (2005)/Season 02/Night Ferry (2005) - S02E03 - Fog.mkv", "Night Ferry", 2005, 2, 3, "Fog"),
    ("Night Ferry (2005)/Season 02/Night Ferry - S02E03.mkv", "Night Ferry", 2005, 2, 3, ""),
    ("Night Ferry/Season 1/01 - Pilot.mkv", "Night Ferry", None, 1, 1, "Pilot"),
    ("Night Ferry/Season 1/1x02.mkv", "Night Ferry", None, 1, 2, ""),
    ("Night Ferry/Season 01/E02.mkv", "Night Ferry", None, 1, 2, ""),
    ("Night Ferry/S01/Episode 3.mkv", "Night Ferry", None, 1, 3, ""),
    ("Night Ferry/Staffel 2/Folge 07 - Nebel.mkv", "Night Ferry", None, 2, 7, "Nebel"),
    ("Night Ferry/Specials/02 - Making of.mkv", "Night Ferry", None, 0, 2, "Making of"),
    ("Night Ferry/S01E02.mkv", "Night Ferry", None, 1, 2, ""),
    ("S01E02.mkv", "Untitled", None, 1, 2, ""),
    ("Night Ferry Season 2 Episode 3.mkv", "Night Ferry", None, 2, 3, ""),
    ("Nachtfähre Staffel 2 Folge 3.mkv", "Nachtfähre", None, 2, 3, ""),
    ("24.S01E01.mkv", "24", None, 1, 1, ""),
    ("The 100 Boats S01E02.mkv", "The 100 Boats", None, 1, 2, ""),
    ("Night.Ferry.S00E01.Special.mkv", "Night Ferry", None, 0, 1, "Special"),
    ("Night.Ferry.2021.03.15.Guest.mkv", "Night Ferry", None, 2021, 315, "Guest"),
    ("[Group] Night Ferry - 05 [1080p].mkv", "Night Ferry", None, 1, 5, ""),
    ("[Group] Night Ferry - 05v2 (720p).mkv", "Night Ferry", None, 1, 5, ""),
    ("Night Ferry - S01E02 - 1080p.mkv", "Night Ferry", None, 1, 2, ""),
    ("夜船.S01E02.mkv", "夜船", None, 1, 2, ""),
]


@pytest.mark.parametrize(("path", "name", "year"), FILMS, ids=[row[0][:40] for row in FILMS])
def test_a_film(path: str, name: str, year: int | None) -> None:
    """Its name and year, whatever else the file name carries."""
    assert parse(PurePosixPath(path)) == FileName(name=name, year=year)


@pytest.mark.parametrize(("path", "name", "year", "season", "episode", "title"), EPISODES)
def test_an_episode(path: str, name: str, year: int | None, season: int, episode: int, title: str) -> None:
    """Series, season and episode, from the name or from the folders."""
    expected = FileName(name=name, year=year, season=season, episode=episode, episode_name=title)
    assert parse(PurePosixPath(path)) == expected


def test_the_table_is_large() -> None:
    """Failed naming is a bug: what somebody reports becomes a line here."""
    assert len(FILMS) + len(EPISODES) >= 100


@given(st.text(min_size=1, max_size=300), st.lists(st.text(min_size=1, max_size=50), max_size=3))
def test_every_path_has_a_name(name: str, folders: list[str]) -> None:
    """However strange: never empty, never longer than a title may be, nothing invisible in it."""
    path = PurePosixPath(*[part.replace("/", "-") or "-" for part in folders], f"{name.replace('/', '-')}.mkv")
    found = parse(path)
    assert 1 <= len(found.name) <= 320
    assert "\x00" not in found.name and "\n" not in found.name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Lantern/Lantern-trailer.mkv", True),
        ("Lantern/Lantern.sample.mkv", True),
        ("sample.mkv", True),
        ("Lantern/Extras/Making of.mkv", True),
        ("Lantern/Trailers/1.mkv", True),
        ("Lantern/Lantern-behindthescenes.mkv", True),
        ("Lantern/Lantern-deleted.mkv", True),
        ("The Sample.mkv", False),
        ("The Trailer (2010).mkv", False),
        ("Resampled.mkv", False),
        ("Extras.mkv", False),
    ],
)
def test_extras_are_told_by_folder_or_name(path: str, expected: bool) -> None:
    """They are no films of their own; a film that is called so is one."""
    assert is_extra(PurePosixPath(path)) is expected


@pytest.mark.parametrize(
    ("subtitle", "expected"),
    [
        ("Lantern (1999).srt", ("und", "", False)),
        ("Lantern (1999).en.srt", ("en", "", False)),
        ("Lantern (1999).eng.vtt", ("eng", "", False)),
        ("Lantern (1999).de.forced.ass", ("de", "", True)),
        ("Lantern (1999).hu.srt", ("hu", "", False)),
        ("Lantern (1999).pt-BR.srt", ("pt-BR", "", False)),
        ("Lantern (1999).es-419.srt", ("es-419", "", False)),
        ("Lantern (1999).zh_Hant_TW.forced.srt", ("zh-Hant-TW", "", True)),
        ("Lantern (1999).en.SDH.srt", ("en", "SDH", False)),
        ("Lantern (1999).Commentary.srt", ("und", "Commentary", False)),
        ("Lantern (1999).xx.srt", ("xx", "", False)),
        ("Lantern (1999).EN.SRT", ("en", "", False)),
        ("Lantern (1999).sdh.eng.srt", ("eng", "SDH", False)),
        ("Lantern (1999).en.cc.srt", ("en", "SDH", False)),
        ("Lantern (1999).de.hi.srt", ("de", "SDH", False)),
        ("Lantern (1999).hi.srt", ("hi", "", False)),
        ("lantern (1999).FR.Srt", ("fr", "", False)),
        ("Lantern.srt", None),
        ("Lantern (1999) extra.srt", None),
        ("Lantern (1999).txt", None),
    ],
)
def test_subtitles_belong_by_their_name(subtitle: str, expected: tuple[str, str, bool] | None) -> None:
    """With language and `forced`, as players name them."""
    assert subtitle_of(PurePosixPath("Lantern (1999).mkv"), PurePosixPath(subtitle)) == expected


def test_subtitles_belong_however_a_system_composes_letters() -> None:
    """A film that came over a Mac has `é` as two characters, and its subtitles from elsewhere as one."""
    for film, subtitle in (("Café", "Cafe\u0301"), ("Cafe\u0301", "Café")):
        told = subtitle_of(PurePosixPath(f"{film}.mkv"), PurePosixPath(f"{subtitle}.fr.srt"))
        assert told == ("fr", "", False)
