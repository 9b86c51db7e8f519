"""The rows of `reelwright bench limits`, a module for each noun; here is what several of them share."""

from __future__ import annotations

from reelwright.limits.contract import Limit

NODES = 4
ROUNDS = 5
PLENTY = Limit(name="bench", count=10**6, period_ns=10**9, burst=10**6)
"""It refuses nobody."""
