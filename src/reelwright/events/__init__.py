"""Events that are stored once and for all; the log also as a library: see README.md."""

from reelwright.events.adapters.wal import Log, Wal, read_log
from reelwright.events.contract import Event

__all__ = ["Event", "Log", "Wal", "read_log"]
