"""What JavaScript makes of JSON values: other vendors' flags are specified by its comparisons."""

from __future__ import annotations

import json
import math
from typing import Any


def same(left: Any, right: Any) -> bool:
    """`===` for JSON values: no type becomes another."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    return type(left) is type(right) and bool(left == right)


def number(value: Any) -> float:
    """`Number(value)`."""
    if value is None or value == "":
        return 0.0
    if isinstance(value, bool | int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return math.nan


def text(value: Any) -> str:
    """`String(value)`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ",".join("" if one is None else text(one) for one in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def truthy(value: Any) -> bool:
    """`!!value`: empty lists and objects are true."""
    return isinstance(value, list | dict) or bool(value and value == value)


def less(left: Any, right: Any) -> bool:
    """`left < right`: two texts by their characters, everything else as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    return number(left) < number(right)


def equal_json(left: Any, right: Any) -> bool:
    """Whether both are written alike."""
    return json.dumps(left) == json.dumps(right)


def type_of(value: Any) -> str:
    """The name of the type."""
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "unknown")
