"""Film files to packages of segments; also as a library: see README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelwright.media.core.plan import LadderPlanner, Plan, Planner

if TYPE_CHECKING:
    from reelwright.media.adapters.packaging import package_file, plan_file

__all__ = ["LadderPlanner", "Plan", "Planner", "package_file", "plan_file"]


def __getattr__(name: str) -> Any:
    """What encodes is imported when it is asked for: most processes only read about packages."""
    if name in __all__:
        from reelwright.media.adapters import packaging

        return getattr(packaging, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
