"""Pages of practice, one noun a module; `ROUTES` are all of them."""

from reelwright.web.practice import (
    committee,
    data,
    design,
    guide,
    labs,
    loop,
    opinions,
    panels,
    pay,
    plan,
    progress,
    room,
    stories,
    today,
)

ROUTES = (
    today.TodayPage, loop.LoopPages, room.RoomPages, design.DesignPages, opinions.FeedbackPage, opinions.GradersPage,
    committee.CommitteePage, progress.ProgressPage, labs.LabPages, guide.GuidePages,
    pay.PayPages, stories.StoryPages, stories.PastWorkPages, plan.PlanPages, plan.CardPages,
    panels.PanelPages, panels.InvitedPages, data.DataPages,
)  # fmt: skip
