"""What accounts need of the service around them."""

from __future__ import annotations

from typing import Protocol

import sqlalchemy as sa

from reelwright.kernel.ids import ProfileId


class ProfileRemoved(Protocol):
    """What becomes of all that a removed profile's viewer did; `app` binds it to the lake."""

    def __call__(self, connection: sa.Connection, profile_id: ProfileId) -> None:
        """Note it in the transaction that removes the profile: both happen, or neither."""
        ...


def kept_nowhere(connection: sa.Connection, profile_id: ProfileId) -> None:
    """Nothing is kept beside the accounts."""
