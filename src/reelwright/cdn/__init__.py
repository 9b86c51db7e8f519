"""A content delivery network; its decisions also as a library: see README.md."""

from reelwright.cdn.core.eviction import Policy, Visit, make_policy
from reelwright.cdn.core.placement import ranked
from reelwright.cdn.core.steering import Candidate, EdgeState, rank, steering_document

__all__ = ["Candidate", "EdgeState", "Policy", "Visit", "make_policy", "rank", "ranked", "steering_document"]
