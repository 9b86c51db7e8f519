"""Routes of practice, a module for each noun."""

from __future__ import annotations

from reelwright.practice.api.interviews import PracticeRoutes
from reelwright.practice.api.invited import InvitedRoutes
from reelwright.practice.api.labs import LabRoutes
from reelwright.practice.api.opinions import OpinionRoutes
from reelwright.practice.api.panels import PanelRoutes
from reelwright.practice.api.pay import PayRoutes
from reelwright.practice.api.plans import PlanRoutes
from reelwright.practice.api.stories import StoryRoutes

ROUTES = (PracticeRoutes, OpinionRoutes, LabRoutes, PayRoutes, StoryRoutes, PlanRoutes, PanelRoutes, InvitedRoutes)
