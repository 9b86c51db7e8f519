"""The demo's films: pictures and sound that ffmpeg computes, with made-up names and people, labelled as generated."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import imageio_ffmpeg
import msgspec

SUMMARY_NOTE = "A generated film of the demo."
SIZE = "640x360"
FINISH = "scale=1280:720:flags=bicubic,vignette,format=yuv420p"


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """One generated film: what is known of it, and the filter graphs that make it."""

    name: str
    year: int
    seconds: int
    genres: tuple[str, ...]
    people: tuple[tuple[str, str], ...]
    """(name, role)."""
    maturity: int
    summary: str
    picture: str
    sound: str
    season: int | None = None
    episode: int | None = None
    episode_name: str = ""


def _perlin(palette: str, *, x: float, y: float, t: float, seed: int) -> str:
    return (
        f"perlin=s=320x180:r=24:octaves=4:persistence=0.55:xscale={x}:yscale={y}:tscale={t}:random_seed={seed},"
        f"format=gray,eq=contrast=2:brightness=0.02,format=gbrp,pseudocolor=p={palette},gblur=1"
    )


def _gradient(kind: str, colours: str, speed: float, seed: int) -> str:
    names = ":".join(f"c{index}=0x{colour}" for index, colour in enumerate(colours.split()))
    count = len(colours.split())
    return f"gradients=s={SIZE}:r=24:type={kind}:nb_colors={count}:{names}:speed={speed}:seed={seed},gblur=5"


def _chord(*frequencies: float, swell_s: float = 9) -> str:
    tones = "+".join(
        f"{0.22 / len(frequencies):.3f}*sin(2*PI*{frequency}*t)*(0.6+0.4*sin(2*PI*t/{swell_s + index}))"
        for index, frequency in enumerate(frequencies)
    )
    return f"aevalsrc='{tones}|{tones}':s=48000"


MIRA, JONAS, ALMA, TEO, RUTH, IVO = (
    "Mira Solberg",
    "Jonas Adeyemi",
    "Alma Quist",
    "Teo Marchetti",
    "Ruth Okafor",
    "Ivo Lang",
)

FILMS: tuple[Film, ...] = (
    Film(
        name="Low Sun",
        year=2021,
        seconds=20,
        genres=("Nature", "Family"),
        people=((MIRA, "director"), (JONAS, "composer")),
        maturity=0,
        summary="A small sun crosses a green evening and cannot decide to set.",
        picture=_gradient("radial", "f2c14e f78154 4d9078", 0.05, 11),
        sound=_chord(110, 164.8, 220),
    ),
    Film(
        name="Embers at Noon",
        year=2019,
        seconds=30,
        genres=("Drama", "Mystery"),
        people=((ALMA, "director"), (TEO, "actor")),
        maturity=12,
        summary="A fire that nobody lit is watched by a town that nobody visits.",
        picture=_perlin("inferno", x=1.2, y=3, t=0.6, seed=21),
        sound=_chord(82.4, 123.5, 185),
    ),
    Film(
        name="The Tide Clock",
        year=2023,
        seconds=34,
        genres=("Nature", "Documentary"),
        people=((MIRA, "director"), (RUTH, "writer")),
        maturity=0,
        summary="Twice a day the harbour keeps an appointment. One year of them, in half a minute.",
        picture=_perlin("blues", x=0.6, y=6, t=0.4, seed=31),
        sound=_chord(98, 146.8, 196, swell_s=6),
    ),
    Film(
        name="Two Lamps",
        year=2020,
        seconds=26,
        genres=("Drama", "Romance"),
        people=((TEO, "actor"), (ALMA, "director"), (JONAS, "composer")),
        maturity=7,
        summary="Across a courtyard two windows are lit at the same hour, for years.",
        picture=_gradient("spiral", "0b132b 1c2541 e9a23b 5bc0be", 0.02, 41),
        sound=_chord(130.8, 196, 261.6),
    ),
    Film(
        name="Coastline, Infinite",
        year=2024,
        seconds=36,
        genres=("Science Fiction", "Animation"),
        people=((IVO, "director"), (RUTH, "writer")),
        maturity=7,
        summary="A surveyor is sent to measure a shore. The closer she looks, the longer it is.",
        picture=(
            f"mandelbrot=s={SIZE}:r=24:start_scale=2:end_scale=0.004:end_pts=860:maxiter=500:bailout=10:"
            "outer=normalized_iteration_count,hue=h=200:s=0.8"
        ),
        sound=_chord(55, 110, 138.6, 207.7),
    ),
    Film(
        name="A Town of Lights",
        year=2018,
        seconds=28,
        genres=("Animation", "Family"),
        people=((IVO, "director"), (JONAS, "composer")),
        maturity=0,
        summary="Every window follows three small rules, and the town comes alive.",
        picture=(
            "life=s=160x90:r=12:mold=24:ratio=0.35:death_color=0x301020:life_color=0xffd08a:"
            "mold_color=0x3b1f4a:seed=5,scale=640:360:flags=neighbor,gblur=1.5"
        ),
        sound=_chord(174.6, 220, 261.6, 329.6, swell_s=3),
    ),
    Film(
        name="Rule 110",
        year=2017,
        seconds=24,
        genres=("Documentary", "Science Fiction"),
        people=((RUTH, "director"), (IVO, "other")),
        maturity=0,
        summary="How much can grow out of one line? A patient film about a very small machine.",
        picture=(
            "cellauto=s=320x180:r=24:rule=110:random_seed=3:scroll=1,scale=640:360:flags=neighbor,"
            "colorchannelmixer=rr=.9:gg=.7:bb=.3,gblur=0.8"
        ),
        sound=_chord(146.8, 220, 293.7, swell_s=2),
    ),
    Film(
        name="Interference",
        year=2022,
        seconds=22,
        genres=("Mystery", "Science Fiction"),
        people=((ALMA, "director"), (TEO, "actor")),
        maturity=16,
        summary="Two signals meet where there should have been silence.",
        picture=(
            f"zoneplate=s={SIZE}:r=24:precision=8:xo=-320:yo=-180:kt2=1:kx2=1:ky2=1,format=gray,gblur=2,"
            "format=gbrp,pseudocolor=p=cool"
        ),
        sound=_chord(61.7, 87.3, 92.5),
    ),
    Film(
        name="The Carpet Makers",
        year=2016,
        seconds=26,
        genres=("Documentary", "Music"),
        people=((MIRA, "director"), (JONAS, "composer")),
        maturity=0,
        summary="A pattern is handed down, and each generation weaves it smaller.",
        picture=(
            f"sierpinski=s={SIZE}:r=24:type=carpet:jump=2,format=gray,gblur=1.2,format=gbrp,pseudocolor=p=heat,"
            "eq=saturation=0.55"
        ),
        sound=_chord(164.8, 246.9, 329.6, swell_s=4),
    ),
    Film(
        name="Weather for Beginners",
        year=2025,
        seconds=30,
        genres=("Family", "Nature"),
        people=((RUTH, "director"), (MIRA, "writer")),
        maturity=0,
        summary="Clouds, explained by a cloud.",
        picture=_perlin("viridis", x=1, y=2, t=0.35, seed=101),
        sound=_chord(146.8, 185, 220, 277.2),
    ),
    Film(
        name="Glass Country",
        year=2023,
        seconds=32,
        genres=("Drama", "Romance"),
        people=((ALMA, "director"), (TEO, "actor"), (RUTH, "writer")),
        maturity=12,
        summary="She leaves a city of straight lines for a place that has none.",
        picture=_gradient("linear", "0d1b2a 415a77 e0e1dd c9a227 0d1b2a", 0.03, 111),
        sound=_chord(123.5, 185, 246.9),
    ),
    Film(
        name="Magma",
        year=2015,
        seconds=40,
        genres=("Documentary", "Nature"),
        people=((IVO, "director"),),
        maturity=12,
        summary="The slowest river on earth, at the speed it deserves.",
        picture=_perlin("magma", x=1.5, y=1.5, t=0.25, seed=121),
        sound=_chord(41.2, 61.7, 82.4, swell_s=12),
    ),
    Film(
        name="After Closing",
        year=2024,
        seconds=24,
        genres=("Mystery", "Drama"),
        people=((TEO, "director"), (ALMA, "actor")),
        maturity=18,
        summary="What the projector shows when the last guest has gone.",
        picture=_gradient("circular", "14080e 49475b e08e45 14080e", 0.04, 131),
        sound=_chord(73.4, 87.3, 110, 130.8),
    ),
    *(
        Film(
            name="The Night Shift",
            year=2022,
            seconds=20 + 2 * number,
            genres=("Drama", "Science Fiction"),
            people=((RUTH, "director"), (TEO, "actor"), (ALMA, "actor")),
            maturity=7,
            summary="Four operators keep a lighthouse that has become a satellite.",
            picture=_gradient("square", colours, 0.02 + 0.01 * number, 200 + number),
            sound=_chord(98 + 8 * number, 147 + 12 * number, 196 + 16 * number),
            season=1,
            episode=number,
            episode_name=name,
        )
        for number, (name, colours) in enumerate(
            (
                ("Handover", "03071e 370617 9d0208 f48c06"),
                ("Quiet Hours", "10002b 3c096c 9d4edd e0aaff"),
                ("The Long Beam", "081c15 1b4332 40916c d8f3dc"),
                ("Dawn Watch", "03045e 0077b6 90e0ef ffd166"),
            ),
            start=1,
        )
    ),
)


def make_film(film: Film, library: Path) -> Path:
    """Write `film` and what is known of it into `library`; a film that is there already is left alone."""
    target = library / place_of(film)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    sidecar = target.with_suffix(".json")
    sidecar.write_bytes(msgspec.json.format(msgspec.json.encode(description_of(film)), indent=2))
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)  # ffmpeg of a command that was killed may still be writing there
    subprocess.run(encode_command(film, part), check=True, stdin=subprocess.DEVNULL, capture_output=True)
    part.replace(target)
    return target


def place_of(film: Film) -> Path:
    """Where a film lies in the library, named as people name films."""
    if film.season is None:
        return Path(f"{film.name} ({film.year})") / f"{film.name} ({film.year}).mp4"
    stem = f"{film.name} - S{film.season:02}E{film.episode:02} - {film.episode_name}"
    return Path(film.name) / f"Season {film.season:02}" / f"{stem}.mp4"


def description_of(film: Film) -> dict[str, object]:
    """The `.json` sidecar."""
    return {
        "name": film.name,
        "year": film.year,
        "summary": f"{film.summary} {SUMMARY_NOTE}",
        "genres": film.genres,
        "people": [{"name": name, "role": role} for name, role in film.people],
        "maturity": film.maturity,
        "language": "en",
        "synthetic": True,
    }


def encode_command(film: Film, target: Path) -> list[str]:
    """The ffmpeg command that computes the film."""
    program = os.environ.get("REELWRIGHT_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
    fade = f"fade=in:d=1,fade=out:st={film.seconds - 1}:d=1"
    return [
        program, "-v", "error", "-y", "-nostdin",
        "-f", "lavfi", "-i", f"{film.picture},{FINISH},{fade}",
        "-f", "lavfi", "-i", f"{film.sound},afade=in:d=1,afade=out:st={film.seconds - 1}:d=1",
        "-t", str(film.seconds),
        "-c:v", "libx264", "-preset", "ultrafast", "-crf", "22", "-c:a", "aac", "-b:a", "128k",
        "-movflags", "+faststart", "-f", "mp4", str(target),
    ]  # fmt: skip
