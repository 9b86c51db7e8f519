"""Use cases of practice, one noun a module."""

from reelwright.practice.service.designs import DesignsService
from reelwright.practice.service.everything import Everything, EverythingService
from reelwright.practice.service.interviews import PracticeService
from reelwright.practice.service.labs import LabsService
from reelwright.practice.service.loops import LoopsService
from reelwright.practice.service.model import ModelService
from reelwright.practice.service.opinions import OpinionsService
from reelwright.practice.service.panels import PanelsService
from reelwright.practice.service.pay import PayService
from reelwright.practice.service.plans import CardsService, PlansService
from reelwright.practice.service.stories import StoriesService

__all__ = [
    "CardsService",
    "DesignsService",
    "Everything",
    "EverythingService",
    "LabsService",
    "LoopsService",
    "ModelService",
    "OpinionsService",
    "PanelsService",
    "PayService",
    "PlansService",
    "PracticeService",
    "StoriesService",
]
