"""The API's description, without a running service: for the reference pages and the tests."""

from __future__ import annotations

import tempfile
from typing import Any

from reelwright.app.asgi import build
from reelwright.app.compose import open_resources
from reelwright.app.described import complete
from reelwright.app.wiring import wire
from reelwright.kernel.settings import Source


class NoQueue:
    """A job queue that is never asked."""

    def enqueue(self, name: str, job_id: str, *args: Any, behind: bool = False) -> None:
        """Nothing is queued while documentation is written."""
        raise AssertionError(f"documentation queued {name} {job_id} {args} {behind}")


def schema() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the whole API."""
    with tempfile.TemporaryDirectory() as data:
        resources = open_resources(Source({"data": data}, {}, "documentation"), process="documentation")
        application = build(resources, wire(resources, queue=NoQueue()))
        document = complete(application, application.openapi_schema.to_schema())
        resources.database.close()
    return document
