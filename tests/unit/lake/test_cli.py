"""What `reelwright sql` prints on a terminal."""

from __future__ import annotations

from rich.console import Console

from reelwright.lake.cli import shown
from reelwright.lake.contract import Answer

ID = "01m7bss9bj58cr25a7bnn2p8ps"


def printed(answer: Answer, width: int) -> str:
    """On a terminal as wide as this."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(shown(answer, width))
    return capture.get()


def test_more_columns_than_fit_are_printed_below_each_other() -> None:
    """The first question of everybody is `SELECT * FROM events`: a line of dots answers nothing."""
    columns = tuple(f"column_{number}" for number in range(20))
    text = printed(Answer(columns=columns, rows=[[ID] * 20, [None] * 20]), 80)
    assert all(f"{name:<9}  {ID}\n" in text for name in columns) and "…" not in text
    assert all(name in printed(Answer(columns=columns, rows=[]), 80) for name in columns)


def test_what_fits_is_a_table() -> None:
    """A long text is folded, not a reason for another form."""
    text = printed(Answer(columns=("type", "n"), rows=[["play " * 40, 7]]), 60)
    assert text.splitlines()[0].split() == ["type", "n"]
