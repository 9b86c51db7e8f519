"""What commands print for people. Every text is printed as it is: a film called [Rec] or ":alien:" is no markup."""

from __future__ import annotations

from rich.console import Console

console = Console(markup=False, emoji=False, highlight=False)
