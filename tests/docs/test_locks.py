"""What is installed is the same on every Python that is supported, as far as it can be."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


@pytest.mark.parametrize("lock", ["base", "dev", "node", "spark"])
def test_no_package_has_two_major_versions(lock: str) -> None:
    """On the newer Python, which the tests do not run on, the other one would be used untried."""
    majors: dict[str, set[str]] = defaultdict(set)
    for name, major in re.findall(
        r"^([a-z0-9._-]+)==(\d+)", (REQUIREMENTS / f"{lock}.lock").read_text(), re.MULTILINE
    ):
        majors[name].add(major)
    assert {name: found for name, found in majors.items() if len(found) > 1} == {}
