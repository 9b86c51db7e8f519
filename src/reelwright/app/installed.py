"""Which systems are installed, by the rooms they have."""

from __future__ import annotations

import importlib.util
import pkgutil

import reelwright

NOT_SYSTEMS = frozenset({"kernel", "app"})


def systems_with(room: str) -> list[str]:
    """Names of the systems that have the module `room`, in alphabetical order; imports none of them."""
    names = (module.name for module in pkgutil.iter_modules(reelwright.__path__) if module.ispkg)
    return [
        name for name in names if name not in NOT_SYSTEMS and importlib.util.find_spec(f"reelwright.{name}.{room}")
    ]
