"""Lists of people, as a school or a team has them in a spreadsheet. Pure."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

import msgspec

from reelwright.accounts.contract import UserRole
from reelwright.accounts.core.rules import checked_name, checked_password, name_key
from reelwright.kernel.errors import Invalid

ROLES: tuple[UserRole, ...] = get_args(UserRole)


class Entry(msgspec.Struct, frozen=True):
    """Somebody to add."""

    name: str
    role: UserRole
    password: str


def read_roster(text: str, new_password: Callable[[], str]) -> list[Entry]:
    """People of a CSV text with the columns name, role and password, of which only the name is needed.

    A first line that begins with `name` is a heading; spreadsheets' semicolons and byte order marks are understood.
    Who has no role is a viewer, who has no password gets a `new_password`. Raises Invalid with the line, before
    anybody is added.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    found: dict[str, Entry] = {}
    for number, cells in _rows(lines):
        try:
            entry = _entry(cells, new_password)
            if name_key(entry.name) in found:
                raise Invalid(f"{entry.name} is there twice")
        except Invalid as error:
            raise Invalid(f"line {number}: {error}") from None
        found[name_key(entry.name)] = entry
    if not found:
        raise Invalid("nobody is in the list: a line is `name`, `name,role` or `name,role,password`")
    return list(found.values())


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, 1):
        cells = next(csv.reader([line], delimiter=";" if ";" in line and "," not in line else ","), [])
        cells = [cell.strip() for cell in cells]
        if any(cells) and not (number == 1 and cells[0].casefold() == "name"):
            yield number, cells


def _entry(cells: list[str], new_password: Callable[[], str]) -> Entry:
    if len(cells) > 3:
        raise Invalid(f"a line has at most name, role and password, got {len(cells)} columns")
    name, role, password = (*cells, "", "")[:3]
    known = next((one for one in ROLES if one == (role.casefold() or "viewer")), None)
    if known is None:
        raise Invalid(f"a role is one of {', '.join(ROLES)}, got {role[:40]!r}")
    return Entry(checked_name(name), known, checked_password(password) if password else new_password())
