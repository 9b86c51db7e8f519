"""Group-sequential bounds: what every planned look may spend of alpha, by recursive integration.

Armitage, McPherson, Rowe 1969; Lan and DeMets 1983. Information times need not be known ahead: a look that comes
later spends by its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from scipy import optimize, special

from reelwright.experiments.core.analysis.moments import Floats
from reelwright.kernel.errors import Invalid

Spending = Literal["obrien_fleming", "pocock", "power"]
POINTS = 501
"""Points of the grid on which the density of a path that has not crossed is kept."""
WIDEST = 8.5


def spent(time: Floats, *, alpha: float, spending: Spending = "obrien_fleming", rho: float = 2.0) -> Floats:
    """How much of one side's alpha is spent up to each information time in (0, 1]."""
    if spending == "power":
        return np.asarray(alpha * time**rho)
    if spending == "pocock":
        return np.asarray(alpha * np.log1p((np.e - 1) * time))
    return np.asarray(2 * special.ndtr(-special.ndtri(1 - alpha / 2) / np.sqrt(time)))


def bounds(
    times: Sequence[float],
    *,
    alpha: float = 0.05,
    sides: Literal[1, 2] = 2,
    spending: Spending = "obrien_fleming",
    rho: float = 2.0,
) -> Floats:
    """Critical z at each look; beyond it (two-sided: either way) the test has decided. Raises Invalid."""
    at = _times(times)
    side = alpha / sides
    steps = np.diff(spent(at, alpha=side, spending=spending, rho=rho), prepend=0.0)
    return np.array([limit for _, limit in _walk(at, steps, sides)]) / np.sqrt(at)


def stagewise_p(times: Sequence[float], score: float, *, alpha: float = 0.05) -> float:
    """Two-sided p of a test that ended at the last of these looks with this |z|, and at none before.

    The chance, without an effect, to end earlier, or then and at least as far out (stagewise order). Raises Invalid.
    """
    at = _times(times)
    spending = spent(at, alpha=alpha / 2)
    *_, (tail, _) = _walk(at, np.diff(spending, prepend=0.0), 2)
    before = float(spending[-2]) if len(at) > 1 else 0.0
    return min(1.0, 2 * (before + tail(score * float(np.sqrt(at[-1])))))


def _times(times: Sequence[float]) -> Floats:
    at = np.asarray(times, dtype=np.float64)
    if not len(at) or (np.diff(at) <= 0).any() or at[0] <= 0 or at[-1] > 1 + 1e-9:
        raise Invalid("information times rise within (0, 1]")
    return at


def _walk(at: Floats, steps: Floats, sides: int) -> Iterator[tuple[Callable[[float], float], float]]:
    """At each look: the chance to be beyond a place there and in no look before, and where alpha's step is spent."""
    density: Floats | None = None
    grid = np.zeros(0)
    for look, step in enumerate(steps):
        moved = float(at[look] - (at[look - 1] if look else 0.0))
        tail = _tail(grid, density, np.sqrt(moved))
        top = WIDEST * np.sqrt(at[look])
        limit = top if step < 1e-16 else optimize.brentq(lambda x, t=tail, s=step: t(x) - s, -top, top, xtol=1e-12)
        yield tail, float(limit)
        low = -limit if sides == 2 else -top
        new = np.linspace(low, limit, POINTS)
        density = _carried(new, grid, density, np.sqrt(moved))
        grid = new


def always(times: Sequence[float] | Floats, *, alpha: float = 0.05) -> Floats:
    """Critical z at each look, two-sided, for any number of looks at any times within (0, 1]: none needs planning.

    By the reflection principle a Brownian motion leaves ±b before time 1 with a chance of at most 4 (1 − Φ(b)), so
    that z = b / √t with b = Φ⁻¹(1 − α/4) holds under continuous monitoring (the O'Brien–Fleming shape). At a finite
    number of looks the error is below alpha; at time 1 the interval is 1.144 times a fixed one's (alpha 5 %).
    """
    at = np.asarray(times, dtype=np.float64)
    if not len(at) or (at <= 0).any() or (at > 1 + 1e-9).any():
        raise Invalid("information times are within (0, 1]")
    return np.asarray(special.ndtri(1 - alpha / 4) / np.sqrt(at))


def _tail(grid: Floats, density: Floats | None, deviation: float) -> Callable[[float], float]:
    """The chance to be beyond x after the next step."""
    if density is None:
        return lambda x: float(special.ndtr(-x / deviation))
    weights = _simpson(grid) * density
    return lambda x: float(weights @ special.ndtr((grid - x) / deviation))


def _carried(new: Floats, grid: Floats, density: Floats | None, deviation: float) -> Floats:
    scale = 1 / (deviation * np.sqrt(2 * np.pi))
    if density is None:
        return np.asarray(scale * np.exp(-0.5 * (new / deviation) ** 2))
    weights = _simpson(grid) * density
    steps = (new[:, None] - grid[None, :]) / deviation
    return np.asarray(scale * np.exp(-0.5 * steps**2) @ weights)


def _simpson(grid: Floats) -> Floats:
    weights = np.full(len(grid), 2.0)
    weights[1::2] = 4.0
    weights[0] = weights[-1] = 1.0
    return np.asarray(weights * (grid[1] - grid[0]) / 3)
