"""The frame of a lab's picture: what is drawn, along its axes and in its key, is named."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from reelwright.practice.contract import SkillPoint
from reelwright.practice.labs.drawing import picture
from reelwright.web.practice.drawing import draw_history

SVG = "{http://www.w3.org/2000/svg}"


def test_a_picture_says_what_it_shows() -> None:
    """Title, both axes and every class of mark; a line's sample is a line, and words are no markup."""
    told = picture(
        "Yours & LRU's <best>",
        '<rect class="batch"/>',
        height=100,
        across="hours",
        up="GB",
        key={"batch": "LRU", "axis": "limit"},
    )
    root = ET.fromstring(told)
    assert root.attrib["viewBox"] == "0 0 600 156"
    assert root.findtext(f"{SVG}title") == "Yours & LRU's <best>"
    assert [one.text for one in root.findall(f"{SVG}text")] == ["GB", "hours", "LRU", "limit"]
    assert [one.attrib["class"] for one in root.findall(f"{SVG}path")] == ["axis"]
    assert len(root.findall(f"{SVG}g/{SVG}rect")) == 1


def test_samples_of_the_key_do_not_overlap() -> None:
    """Each begins behind the words before it."""
    root = ET.fromstring(picture("", "", height=10, key={"allowed": "a" * 20, "wrong": "b"}))
    first, second = (float(one.attrib["x"]) for one in root.findall(f"{SVG}rect"))
    assert second - first > 20 * 6


def test_one_answer_is_a_point_of_the_history() -> None:
    """With its band: a line needs two, and an empty box says nothing."""
    one = SkillPoint(at_ms=0, mean=2.0, low=1.0, high=3.0)
    root = ET.fromstring(draw_history([one]))
    (dot,), (band,) = root.findall("circle"), root.findall("rect")
    assert float(band.attrib["y"]) < float(dot.attrib["cy"]) < float(band.attrib["y"]) + float(band.attrib["height"])
    assert ET.fromstring(draw_history([one, SkillPoint(at_ms=9, mean=3.0, low=2.0, high=4.0)])).findall("path")
