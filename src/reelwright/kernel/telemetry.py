"""Logs and metrics: structured lines on stderr, Prometheus metrics merged over all processes.

Processes share their metrics through files in the folder named by `PROMETHEUS_MULTIPROC_DIR`, which the supervisor
sets before it starts them: prometheus-client reads it once, when it is imported.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

_unlogged: ContextVar[bool] = ContextVar("unlogged", default=False)
SECRET_WORDS = ("password", "secret", "token", "cookie", "pin", "authorization")
METRICS: dict[str, str] = {}


def configure_logging(*, level: str, log_format: str, process: str) -> None:
    """Log structured lines to stderr: JSON, or text for a terminal."""
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    told: list[Any] = [
        _drop_unlogged,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*told, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    _configure_packages(level, [structlog.stdlib.add_logger_name, *told], renderer)


@contextmanager
def unlogged() -> Iterator[None]:
    """What is simulated here is no news of this service: nothing of this task or thread is logged."""
    before = _unlogged.set(True)
    try:
        yield
    finally:
        _unlogged.reset(before)


def _drop_unlogged(_logger: Any, _method: str, fields: Any) -> Any:
    if _unlogged.get():
        raise structlog.DropEvent
    return fields


def _configure_packages(level: str, told: list[Any], renderer: Any) -> None:
    """What other packages warn of through the standard library becomes lines of the same form."""
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=told, processors=last))
    handler.name = "reelwright"
    root = logging.getLogger()
    for before in [one for one in root.handlers if one.name == handler.name]:
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))  # they tell of each request and file


def logger(name: str) -> Any:
    """The logger of the module `name`; key-value arguments become fields."""
    return structlog.get_logger(module=name)


def _hide_secrets(_logger: Any, _method: str, fields: Any) -> Any:
    for key in fields:
        if any(word in key.lower() for word in SECRET_WORDS):
            fields[key] = "***"
    return fields


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """A counter named `reelwright_<name>`; every metric has a line in docs/reference/metrics.md."""
    METRICS[f"reelwright_{name}"] = documentation
    return Counter(f"reelwright_{name}", documentation, labels)


def gauge(name: str, documentation: str) -> Gauge:
    """A gauge named `reelwright_<name>`, summed over live processes."""
    METRICS[f"reelwright_{name}"] = documentation
    return Gauge(f"reelwright_{name}", documentation, multiprocess_mode="livesum")


def exposition() -> bytes:
    """All processes' metrics in Prometheus text format."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_process(pid: int, folder: str) -> None:
    """Drop from the metrics in `folder` the gauges of a process that has ended; its counters stay counted."""
    multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
