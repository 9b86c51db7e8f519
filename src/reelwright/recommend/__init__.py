"""What a viewer's home page shows, and why; its rankings also as a library: see README.md."""

from reelwright.recommend.core.likeness import Alike, Likeness
from reelwright.recommend.core.ranking import ByTaste, ByViewers, Ranking, Together

__all__ = ["Alike", "ByTaste", "ByViewers", "Likeness", "Ranking", "Together"]
