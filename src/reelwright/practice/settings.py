"""Settings of practice, section `[practice]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class PracticeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A language model that gives second opinions; without it rules and labs judge."""

    llm_url: Annotated[
        str,
        Meta(description="Base URL of an OpenAI-compatible endpoint, as `http://127.0.0.1:11434/v1`. Empty: none."),
    ] = ""
    llm_model: Annotated[str, Meta(description="Name of the model at that endpoint.")] = ""
    llm_key: Annotated[str, Meta(description="Key of that endpoint; better set as an environment variable.")] = ""
    llm_timeout_s: Annotated[float, Meta(gt=0, le=300, description="Seconds that one call may take in all.")] = 20.0
    llm_budget_usd: Annotated[
        float, Meta(ge=0, description="US dollars that all calls of a day may cost; then rules go on alone.")
    ] = 1.0
    llm_usd_per_million_in: Annotated[float, Meta(ge=0, description="Price of a million prompt tokens.")] = 0.0
    llm_usd_per_million_out: Annotated[float, Meta(ge=0, description="Price of a million reply tokens.")] = 0.0
