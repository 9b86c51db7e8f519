"""Objects behind a decider: those of a person's code in the sandbox, or our own, called in the same words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reelwright.practice.contract import Broken
from reelwright.practice.labs.lab import Decider, InProcess, Serve

DRIVER = "objects.py"


class Remote:
    """One object; every argument and answer is JSON."""

    def __init__(self, decider: Decider, key: str, kind: str, *arguments: Any) -> None:
        self._decider, self._key = decider, key
        self.call(kind, *arguments)

    def call(self, method: str, *arguments: Any) -> Any:
        """What the method returns. Raises Broken."""
        return self.calls([(method, arguments)])[0]

    def cpu_ns(self) -> int:
        """The CPU time that all calls took until now."""
        return self._decider.cpu_ns()

    def calls(self, many: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """What each method returns, asked for in one line."""
        answer = self._decider.ask([[self._key, method, list(arguments)] for method, arguments in many])
        if not isinstance(answer, list) or len(answer) != len(many):
            raise Broken(f"{len(many)} answers were expected, got {str(answer)[:80]}")
        return answer


def own(**kinds: Callable[..., Any]) -> Decider:
    """Our own classes by name, without a sandbox."""

    def make() -> Callable[[Any, Serve | None], Any]:
        made: dict[str, Any] = {}
        return lambda message, _serve: [_call(made, kinds, *one) for one in message]

    return InProcess(make)


def _call(
    made: dict[str, Any], kinds: Mapping[str, Callable[..., Any]], key: str, method: str, arguments: Sequence[Any]
) -> Any:
    if method in kinds:
        made[key] = kinds[method](*arguments)
        return True
    return getattr(made[key], method)(*arguments)


def flag(value: Any, what: str) -> bool:
    """A truth value, or what is wrong with it. Raises Broken."""
    if type(value) is not bool:
        raise Broken(f"{what} is True or False, got {str(value)[:80]}")
    return value


def whole(value: Any, what: str, *, least: int = 0, most: int = 2**53) -> int:
    """A whole number within bounds. Raises Broken."""
    if type(value) is not int or not least <= value <= most:
        raise Broken(f"{what} is a whole number from {least} to {most}, got {str(value)[:80]}")
    return value
