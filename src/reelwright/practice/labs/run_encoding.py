"""Run it: a ladder of the candidate's over the titles and the audience of the lab, and what it takes to encode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from reelwright.media.core.ladder import Hull, Step, Trial
from reelwright.practice.labs.ladder import FILMS, VIEWERS, watch, world
from reelwright.practice.labs.run_it import SEED, Field, Simulated

HOUR_S, DAY_H = 3600, 24


class Spaced(msgspec.Struct, frozen=True):
    """Rungs that are equally many times apart, each in the size that looks best at its bitrate."""

    rungs: int
    lowest_bps: float
    highest_bps: float

    def steps(self, short: int, trials: Sequence[Trial]) -> list[Step]:  # noqa: ARG002 (the port's)
        """The same bitrates for every title."""
        hull = Hull(trials)
        apart = (self.highest_bps / self.lowest_bps) ** (1 / max(1, self.rungs - 1))
        rates = (self.lowest_bps * apart**at for at in range(self.rungs))
        return [Step(hull.best(bps)[1], round(bps)) for bps in rates]


def _run_encoding(numbers: Mapping[str, float]) -> dict[str, float]:
    """Every title of the lab in this ladder; rates are those of the mean title."""
    ladder = Spaced(int(numbers["rungs"]), 1e6 * numbers["lowest_mbps"], 1e6 * numbers["highest_mbps"])
    found = [watch(film, lines, ladder) for film, lines in world(SEED)]
    stored_bps = sum(one.stored_bps for one in found) / len(found)
    core_hours = sum(one.cpu for one in found) / len(found) * numbers["core_hours"]
    return {
        "cores": numbers["hours_a_day"] * core_hours / DAY_H,
        "catalogue_tb": numbers["catalogue_hours"] * HOUR_S * stored_bps / 8 / 1e12,
        "quality": sum(one.quality for one in found) / len(found),
        "stalled_share": sum(one.stalled_share for one in found) / len(found),
    }


ENCODING = Simulated(
    id="encoding",
    says=(
        f"Your ladder for {FILMS} made-up titles, from drawings to grain, a quarter of them in 4K, each rung in the "
        f"size that looks best at its bitrate, watched by {VIEWERS} people a title on a bad evening by the rule of "
        "our player. The encoder keeps a constant quality and is capped by the rung."
    ),
    design=(
        Field("hours_a_day", "Hours of film that come in a day", 0.1, 1e6),
        Field("catalogue_hours", "Hours of film in the catalogue", 1, 1e8),
        Field("rungs", "Rungs of the ladder, equally many times apart", 1, 20),
        Field("lowest_mbps", "Lowest rung, Mb/s", 0.05, 1),
        Field("highest_mbps", "Highest rung, Mb/s", 1, 100),
        Field("core_hours", "Core hours for one hour of a usual film in one rung of 1080 lines", 0.1, 1_000),
    ),
    estimates=(
        Field("cores", "Cores that keep up with what comes", 0, 1e10),
        Field("catalogue_tb", "Catalogue with all rungs, TB", 0, 1e9),
        Field("quality", "Quality that people see, VMAF", 0, 100),
        Field("stalled_share", "Share of the time for which the picture stands still", 0, 100, 0.01),
    ),
    run=_run_encoding,
    left_out={
        "cores": "Every rung is an encode: pixels take seven tenths of a usual one, bits the rest; 4K has four times "
        "the pixels.",
        "catalogue_tb": "All rungs are stored, and a title whose quality needs less than the cap takes less.",
        "quality": "Most people are on a rung that their line carries, not on the highest one.",
        "stalled_share": "Who has a line below the lowest rung waits, and so does who falls far between two rungs.",
    },
)  # fmt: skip
