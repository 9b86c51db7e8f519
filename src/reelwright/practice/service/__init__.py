"""Use cases of practice, one noun a module."""

from reelwright.practice.service.interviews import PracticeService
from reelwright.practice.service.labs import LabsService
from reelwright.practice.service.loops import LoopsService

__all__ = ["LabsService", "LoopsService", "PracticeService"]
