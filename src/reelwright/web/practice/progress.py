"""Progress: skill on nine dimensions with its band, as it is and as it came to be."""

from __future__ import annotations

from typing import Any, get_args

from litestar import Controller, Response, get

from reelwright.practice.contract import Dimension
from reelwright.practice.core.committee import DIMENSION_NAMES
from reelwright.practice.service import PracticeService
from reelwright.web.practice.drawing import draw_history, draw_radar
from reelwright.web.practice.visit import VISIT, Visit


class ProgressPage(Controller):
    """What the answers say of each dimension."""

    path = "/practice/progress"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice: PracticeService) -> Response[Any]:
        """Radar, history and the figures behind them."""
        skills = {one.dimension: one for one in await practice.list_skills(person=visit.person)}
        history = await practice.list_history(person=visit.person)
        interviews = await practice.list_interviews(person=visit.person)
        return await visit.page(
            "progress", skills=[skills[one] for one in get_args(Dimension) if one in skills],
            unjudged=[DIMENSION_NAMES[one].lower() for one in get_args(Dimension) if one not in skills],
            sample=bool(interviews) and all(one.sample for one in interviews),
            radar=draw_radar(skills), history={name: draw_history(points) for name, points in history.items()},
        )  # fmt: skip
