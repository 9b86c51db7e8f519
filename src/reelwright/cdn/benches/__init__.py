"""The rows of `reelwright bench cdn`, a module for each noun; here is what several of them share."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[4]
EDGES = 8
OUTAGE_OBJECTS = 200
"""Held by a gateway that is purged, or whose origin is away."""
