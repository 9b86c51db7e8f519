"""Pages of practice, one noun a module; `ROUTES` are all of them."""

from reelwright.web.practice import committee, labs, loop, progress, room, today

ROUTES = (
    today.TodayPage, loop.LoopPages, room.RoomPages, committee.CommitteePage, progress.ProgressPage, labs.LabPages,
)  # fmt: skip
