"""Settings of accounts, section `[accounts]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class AccountsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long people stay signed in."""

    idle_days: Annotated[int, Meta(ge=1, le=365, description="Days a session lasts without being used.")] = 30
    longest_days: Annotated[int, Meta(ge=1, le=730, description="Days a session lasts at most.")] = 180
    setup_code_hours: Annotated[int, Meta(ge=1, le=168, description="Hours the one-time set-up code is good.")] = 24
