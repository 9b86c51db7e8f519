"""Charts are drawn on the server, and say their figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from reelwright.web.charts import lines, nice


@pytest.mark.parametrize(
    ("values", "top"),
    [([], 1), ([0.0], 1), ([0.13], 0.2), ([1.0], 1), ([1.01], 2), ([3.0], 5), ([51.0], 100), ([2500.0], 5000)],
)
def test_a_scale_ends_at_a_round_number(values: list[float], top: float) -> None:
    """1, 2 or 5 times a power of ten, above every value."""
    assert nice(values) == pytest.approx(top)


def test_a_chart_is_well_formed_and_hostile_names_stay_text() -> None:
    """Every value is there to be read; a missing one breaks the line."""
    chart = lines("Start", ["01", "02", "03", "04"], [("<script>", [1.0, 2.0, None, 3.0])], "s")
    tree = ElementTree.fromstring(str(chart))
    assert len(tree.findall(".//circle")) == 3
    assert len(tree.findall(".//polyline")) == 1
    assert "<script>" not in chart
    assert "02, <script>: 2 s" in [element.text for element in tree.iter("title")]
