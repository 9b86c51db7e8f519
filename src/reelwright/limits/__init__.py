"""Rate limits, concurrency limits and load shedding, also as a library: see README.md."""

from reelwright.limits.adapters.memory import Bucket, MemoryStore
from reelwright.limits.contract import Answer, Ask, Limit, Policy, TooManyRequests, Verdict
from reelwright.limits.core.grammar import parse_limit, parse_limits
from reelwright.limits.service import Limits

__all__ = [
    "Answer",
    "Ask",
    "Bucket",
    "Limit",
    "Limits",
    "MemoryStore",
    "Policy",
    "TooManyRequests",
    "Verdict",
    "parse_limit",
    "parse_limits",
]
