"""Design rounds on questions of given areas, as somebody who has answered others comes to them."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

import httpx
from tests.service import expect

from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import Area, Track

MOST_ROUNDS = 20
"""Of a track: after them its questions come again."""


def design_rounds(client: httpx.Client, areas: Collection[Area]) -> dict[Area, str]:
    """An interview of each area whose first question still waits; other questions are answered, so that none comes
    again."""
    at, area_of = "/api/v1/practice/interviews", {one.id: one.area for one in load_questions()}
    rounds: dict[Area, str] = {}
    for track in [one for one in get_args(Track) for _ in range(MOST_ROUNDS)]:
        if rounds.keys() >= {*areas}:
            return {area: rounds[area] for area in areas}
        found = expect(client.post(at, json={"stage": "design", "track": track}), 201)
        (turn,) = found["turns"]
        if (
            rounds.setdefault(area_of[turn["question_id"]], found["id"]) != found["id"]
            or area_of[turn["question_id"]] not in areas
        ):
            body = {"turn": turn["number"], "text": "I would ask first, and then design it."}
            expect(client.post(f"{at}/{found['id']}/answers", json=body), 201)
    raise AssertionError(f"no design round began with {areas - rounds.keys()}")
