"""How accounts are wired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright.accounts.adapters.replies import Replies
from reelwright.accounts.ports import ProfileRemoved, kept_nowhere
from reelwright.accounts.service import AccountsService
from reelwright.accounts.settings import AccountsSettings
from reelwright.kernel.system import Health, Resources

MIGRATIONS = "reelwright.accounts"


class AccountsSystem:
    """Accounts in a process."""

    name = "accounts"

    def __init__(self, resources: Resources, *, profile_removed: ProfileRemoved = kept_nowhere) -> None:
        self.replies = Replies(database=resources.database, keys=resources.keys, clock=resources.clock)
        self.service = AccountsService(
            database=resources.database,
            keys=resources.keys,
            clock=resources.clock,
            settings=resources.source.section("accounts", AccountsSettings),
            profile_removed=profile_removed,
        )

    def routes(self) -> Sequence[Any]:
        """The routes of accounts."""
        from reelwright.accounts.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def health(self) -> Health:
        """Whether somebody can sign in."""
        if await self.service.is_set_up():
            return Health(system=self.name, state="ok")
        return Health(system=self.name, state="ok", says="nobody is set up yet", do="open the link in the terminal")
