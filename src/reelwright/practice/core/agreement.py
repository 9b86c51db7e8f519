"""How well verdicts and levels agree with those of a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def kappa(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Cohen's kappa of two raters' yes and no. 0 when chance explains all."""
    a, b = np.asarray(ours, bool), np.asarray(theirs, bool)
    chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    return float(((a == b).mean() - chance) / (1 - chance)) if chance < 1 else 0.0


def quadratic_kappa(ours: Sequence[int], theirs: Sequence[int], *, top: int = 5) -> float:
    """Quadratically weighted kappa of levels 0 to `top`."""
    table = np.zeros((top + 1, top + 1))
    np.add.at(table, (np.asarray(ours), np.asarray(theirs)), 1.0)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    weights = np.subtract.outer(np.arange(top + 1), np.arange(top + 1)) ** 2
    return float(1 - (weights * table).sum() / (weights * expected).sum())


def macro_f1(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """The mean of the F1 of yes and of no."""
    a, b = np.asarray(ours, bool), np.asarray(theirs, bool)
    scores = []
    for x, y in ((a, b), (~a, ~b)):
        hits = (x & y).sum()
        scores.append(2 * hits / max(1, x.sum() + y.sum()))
    return float(np.mean(scores))
