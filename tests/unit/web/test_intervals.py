"""Intervals are drawn to scale on the server, and say their figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from reelwright.web.intervals import Interval, band, forest

ROWS = [Interval("<views>", -0.02, 0.01, 0.04), Interval("hours", 0.01, 0.03, 0.05, "better")]


def test_a_forest_is_to_scale_around_zero() -> None:
    """Better lies right of zero; the scale reaches what the widest interval needs; hostile names stay text."""
    drawn = forest("taste against popular", ROWS)
    tree = ElementTree.fromstring(str(drawn))
    zero = float(next(one.attrib["x1"] for one in tree.iter("line") if one.attrib["class"] == "zero"))
    first, second = tree.findall(".//g")
    assert float(first[1].attrib["x1"]) < zero < float(first[1].attrib["x2"]) < float(second[1].attrib["x2"])
    assert second.attrib["class"] == "interval better" and float(second[1].attrib["x1"]) > zero
    assert "<views>" not in drawn and "hours: +3 % (+1 % to +5 %)" in drawn


def test_a_band_has_every_day_within_its_ends() -> None:
    """The estimate of each day lies between its bounds; beyond 100 % is cut."""
    drawn = band("views", [Interval("01 Nov", -9, 0.1, 9), Interval("02 Nov", -0.2, 0.1, 0.4)])
    tree = ElementTree.fromstring(str(drawn))
    points = next(tree.iter("polygon")).attrib["points"].split()
    assert len(points) == 4 and len(tree.findall(".//circle")) == 2
    last = tree.findall(".//text")[-1].attrib
    assert last["text-anchor"] == "end" and float(last["x"]) <= 720
    top, bottom = (float(point.split(",")[1]) for point in (points[0], points[-1]))
    assert 0 < top < bottom < 200
    assert ElementTree.fromstring(str(band("views", []))) is not None
