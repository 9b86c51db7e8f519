"""Durable jobs: the one door to DBOS.

Workers launch the engine, each with its own stable executor id; web and CLI only enqueue and look, through a client.
A workflow is a plain function whose steps are recorded: after kill −9 the steps that were done are not done again. A
step therefore writes under a name of its own and renames, so that half of it is never seen.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from sqlalchemy.exc import ProgrammingError

from reelwright.kernel.database import refused

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

APPLICATION = "reelwright"
# Ours, not a hash of the code: an upgrade must go on with the jobs it finds.
APPLICATION_VERSION = "1"
ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})

workflow = DBOS.workflow
step = DBOS.step
set_event = DBOS.set_event
QUEUE = "reelwright"
_BEHIND = 1
"""A priority; the smaller goes first, and a job without one has 0."""


@sa.event.listens_for(sa.Engine, "connect")
def tell_subseconds(connection: Any, _record: Any) -> None:
    """From Python 3.12 on DBOS asks SQLite for `unixepoch('subsec')`; one before 3.42, as Debian 12's, answers NULL,
    with which no worker starts.
    """
    if isinstance(connection, sqlite3.Connection) and sqlite3.sqlite_version_info < (3, 42):
        connection.create_function("unixepoch", 1, lambda _form: round(time.time(), 3))


class Started(Protocol[T_co]):
    """A workflow that runs beside the one that started it."""

    def get_result(self) -> T_co:
        """Wait for its end; raises what it raised."""
        ...


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A job as people see it."""

    id: str
    name: str
    state: str
    created_ms: int
    updated_ms: int
    error: str | None = None


class Worker:
    """Runs jobs in this process; one a process, with an executor id that no other running worker has."""

    def __init__(self, url: str, *, executor_id: str, concurrency: int = 1) -> None:
        config = DBOSConfig(
            name=APPLICATION,
            system_database_url=url,
            application_version=APPLICATION_VERSION,
            executor_id=executor_id,
            log_level="WARNING",
            notification_listener_polling_interval_sec=0.2,
        )
        self._engine = DBOS(config=config)
        self._concurrency = concurrency

    def start(self) -> None:
        """Begin with the jobs that a former run of this executor left, then take from the queue."""
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=self._concurrency, polling_interval_sec=0.3)

    def stop(self) -> None:
        """Stop taking jobs; those in progress go on at the next start."""
        DBOS.destroy(workflow_completion_timeout_sec=0)


class JobsClient:
    """Enqueues jobs and looks at them, from any process."""

    def __init__(self, url: str) -> None:
        """Make the tables of jobs where there are none. Raises Invalid where the database's user may not."""
        try:
            DBOS.migrate(url)
        except ProgrammingError as error:
            raise refused(error) from error
        self._client = DBOSClient(system_database_url=url, application_name=APPLICATION)

    def enqueue(self, name: str, job_id: str, *args: Any, behind: bool = False) -> None:
        """Queue the workflow `name` under `job_id`, `behind` all that are not; the same id twice is one job."""
        options: EnqueueOptions = {
            "queue_name": QUEUE,
            "workflow_name": name,
            "workflow_id": job_id,
            "app_version": APPLICATION_VERSION,
        }
        if behind:
            options["priority"] = _BEHIND
        self._client.enqueue(options, *args)

    def find(self, job_id: str) -> JobStatus | None:
        """The job with this id, or None."""
        found = self._client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
        return _status(found[0]) if found else None

    def list(self, *, limit: int = 100) -> list[JobStatus]:
        """The newest jobs first."""
        rows = self._client.list_workflows(limit=limit, sort_desc=True, load_input=False)
        return [_status(row) for row in rows]

    def cancel(self, job_id: str) -> None:
        """Stop it before its next step."""
        self._client.cancel_workflow(job_id)

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()


def start(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Started[R]:
    """From inside a workflow, run another one beside it: as durable, and started once however often replayed."""
    return DBOS.start_workflow(function, *args, **kwargs)


def _status(row: Any) -> JobStatus:
    return JobStatus(
        id=row.workflow_id,
        name=row.name,
        state=row.status,
        created_ms=row.created_at or 0,
        updated_ms=row.updated_at or row.created_at or 0,
        error=str(row.error) if row.error else None,
    )
