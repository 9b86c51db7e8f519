"""Lists of people as spreadsheets write them."""

from __future__ import annotations

import pytest

from reelwright.accounts.adapters.passwords import ALPHABET, new_password
from reelwright.accounts.core.roster import read_roster
from reelwright.kernel.errors import Invalid


def test_columns_that_are_left_out_have_a_meaning() -> None:
    """A viewer, with a password of their own."""
    ada, bob, eve = read_roster(
        'name, role, password\n"Lovelace, Ada"\n\nBob,EDITOR\nEve,,correct horse\n', new_password
    )
    assert (ada.name, ada.role) == ("Lovelace, Ada", "viewer")
    assert (bob.role, eve.role, eve.password) == ("editor", "viewer", "correct horse")
    assert ada.password != bob.password and len(ada.password) == 14


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nobody is in the list"),
        ("name,role\n", "nobody is in the list"),
        ("Ada\nBob,boss\n", "line 2: a role is one of viewer, editor, admin"),
        ("Ada\n\n  ADA \n", "line 3: ADA is there twice"),
        ("Ada,viewer,short\n", "line 1: a password has"),
        ("Ada,viewer,long enough,more\n", "line 1: a line has at most"),
        (",viewer\n", "line 1: a name has"),
    ],
)
def test_a_list_that_cannot_be_read_adds_nobody(text: str, says: str) -> None:
    """The line is named."""
    with pytest.raises(Invalid, match=says):
        read_roster(text, new_password)


def test_passwords_can_be_read_from_paper() -> None:
    """And are never the same."""
    made = {new_password() for _ in range(200)}
    assert len(made) == 200 and {character for one in made for character in one} <= {*ALPHABET, "-"}
    assert not {*"0o1il"} & {*ALPHABET}
