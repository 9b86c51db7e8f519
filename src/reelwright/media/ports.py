"""What media needs from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from reelwright.kernel.ids import PlayableId

There = Callable[[Collection[PlayableId]], Awaitable[set[PlayableId]]]
"""Which of some playables the catalogue has."""


class JobQueue(Protocol):
    """Where encodes are queued; `kernel.jobs.JobsClient` is one."""

    def enqueue(self, name: str, job_id: str, *args: Any, behind: bool = False) -> None:
        """Queue the workflow `name` once under `job_id`; `behind` all that are not."""
        ...
