"""What a design of each area can be run in."""

from __future__ import annotations

from collections.abc import Mapping

from reelwright.practice.contract import Area
from reelwright.practice.labs.run_bitrate import BITRATE
from reelwright.practice.labs.run_cdn import CDN
from reelwright.practice.labs.run_encoding import ENCODING
from reelwright.practice.labs.run_it import EXPERIMENT, LIMITER, PIPELINE, Simulated
from reelwright.practice.labs.run_offline import OFFLINE
from reelwright.practice.labs.run_recommendation import RECOMMENDATION

OF_AREA: Mapping[Area, Simulated] = {
    "rate_limiting": LIMITER, "data_processing": PIPELINE, "experimentation": EXPERIMENT, "cdn": CDN,
    "streaming": BITRATE, "encoding": ENCODING, "recommendation": RECOMMENDATION, "offline": OFFLINE,
}  # fmt: skip
