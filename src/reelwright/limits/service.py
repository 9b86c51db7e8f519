"""Use cases of limits: load rules, ask them for a request, reserve and settle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec

from reelwright.kernel.errors import Invalid
from reelwright.kernel.telemetry import counter
from reelwright.limits.adapters.memory import MemoryStore
from reelwright.limits.adapters.sample import Sample
from reelwright.limits.contract import (
    COUNT_MOST,
    Answer,
    Ask,
    Counted,
    Limit,
    Policy,
    StoreUnavailable,
    Told,
    TooManyRequests,
    Verdict,
)
from reelwright.limits.core.algorithms import Outcome
from reelwright.limits.core.descriptors import Entries, find, prefixes, without_replaced
from reelwright.limits.core.fields import headers, policy_item
from reelwright.limits.core.hotkeys import HotKeys
from reelwright.limits.core.rules import Domain, read_rules
from reelwright.limits.core.step import State
from reelwright.limits.ports import Store

DECIDED = counter("limits_decisions_total", "Decisions of limits, by limit and verdict.", ("limit", "verdict"))
POLICIES_MOST = 10_000
TELL_S = 1.0
HOT_TOLD = 20


class Limits:
    """Rules on a store; they are swapped as one."""

    def __init__(self, *, store: Store | None = None, domains: Mapping[str, Domain] | None = None) -> None:
        self.store: Store = store or MemoryStore()
        self._decide_now: Callable[[Sequence[Ask]], list[Outcome]] | None = getattr(self.store, "decide_now", None)
        self._at_once = None if getattr(self.store, "blocks", False) else self._decide_now
        self.decide_at_once = self._decide_at_once if self._at_once else None
        """`decide` without a coroutine, where the store answers without waiting."""
        self.domains: Mapping[str, Domain] = domains or {}
        self._policies: dict[tuple[str, tuple[Entries, ...]], Policy] = {}
        self._counted: dict[tuple[str, str], int] = {}
        self._totals: dict[tuple[str, str], int] = {}
        self._hot = HotKeys()
        self.note: Callable[[Sequence[Verdict]], None] | None = None
        """Is told of every decision, where somebody keeps a history of them."""
        self._sample: Sample | None = None
        self._openly: Callable[[Sequence[Ask]], tuple[int, list[State], list[Outcome]]] | None = None

    @classmethod
    def from_yaml(cls, *paths: str | Path, store: Store | None = None, merge_domains: bool = False) -> Limits:
        """Limits of rule files. Raises BadRules."""
        limits = cls(store=store)
        limits.load([(str(path), Path(path).read_text("utf-8")) for path in paths], merge_domains=merge_domains)
        return limits

    def load(self, texts: Iterable[tuple[str, str]], *, merge_domains: bool = False) -> None:
        """Swap all rules for those of `texts`. Raises BadRules, and then the old rules stay."""
        self.put(read_rules(texts, merge_domains=merge_domains))

    def put(self, domains: Mapping[str, Domain]) -> None:
        """Swap all rules; counters of limits that are still there are kept."""
        self.domains = domains
        self._policies = {}

    def policy(self, domain: str, descriptors: Sequence[Entries]) -> Policy:
        """What a request with these descriptors asks; a limit whose rule another one replaces is left out."""
        known = (domain, tuple(descriptors))
        found = self._policies.get(known)
        if found is None:
            if len(self._policies) >= POLICIES_MOST:
                self._policies = {}
            found = self._policies[known] = self._resolve(domain, descriptors)
        return found

    def _resolve(self, domain: str, descriptors: Sequence[Entries]) -> Policy:
        rules = self.domains.get(domain)
        if rules is None:
            return Policy((), b"")
        met = [found for one in descriptors if (found := find(domain, rules.root, one)) is not None]
        asks = tuple(
            Ask(limit, match.key, 1, match.rules.shadow, match.rules.on_outage)
            for match in without_replaced(met)
            for limit in match.rules.limits
        )
        return policy_of(asks)

    async def check(self, attributes: Mapping[str, str], *, cost: int = 1, domain: str = "") -> Answer:
        """Ask all limits on the way down the domain's hierarchy, in one trip; a refused request is charged nowhere.

        `domain` may be left out where there is only one. Raises Invalid for a negative cost, and for rules that say
        nothing of attributes: such a program would believe that it is limited.
        """
        return await self.decide(self._policy_of(attributes, domain).asks, cost=cost)

    def _policy_of(self, attributes: Mapping[str, str], domain: str) -> Policy:
        name = domain or (next(iter(self.domains)) if len(self.domains) == 1 else "")
        rules = self.domains.get(name)
        if rules is None:
            known = ", ".join(self.domains) or "no rules were loaded"
            raise Invalid(f"there is no domain {name!r}; known: {known}" if name else f"which domain? known: {known}")
        if not rules.hierarchy:
            raise Invalid(
                f"domain {name!r} has no hierarchy, so that no limit would be met: write the attributes from the "
                "outermost to the innermost beside `domain`, as `hierarchy: [organisation, user]`"
            )
        return self.policy(name, prefixes(rules.hierarchy, dict(attributes)))

    async def decide(self, asks: Sequence[Ask], *, cost: int = 1) -> Answer:
        """Ask these limits together."""
        if cost != 1:
            asks = with_cost(asks, cost)
        if self._at_once is not None:
            return self._decide_at_once(asks)
        return self._answer(asks, await self.store.decide(asks)) if asks else Answer(True)

    def keep_sample(self, sample: Sample) -> None:
        """Have a sample of decisions kept, where the store shows what it decides on."""
        self._openly = getattr(self.store, "decide_openly", None)
        self._sample = sample if self._openly else None

    def _decide_at_once(self, asks: Sequence[Ask]) -> Answer:
        if not asks:
            return Answer(True)
        sample = self._sample
        if sample is not None:
            sample.until -= 1
            if sample.until <= 0:
                return self._answer(asks, self._decide_kept(sample, asks))
        return self._answer(asks, self._at_once(asks))  # type: ignore[misc]

    def _decide_kept(self, sample: Sample, asks: Sequence[Ask]) -> list[Outcome]:
        now_ns, states, outcomes = self._openly(asks)  # type: ignore[misc]
        sample.keep(now_ns, asks, states, outcomes)
        return outcomes

    def check_now(self, attributes: Mapping[str, str], *, cost: int = 1, domain: str = "") -> Answer:
        """`check` without an event loop, for stores that answer at once. Raises Invalid for one that does not."""
        if self._decide_now is None:
            raise Invalid(f"a {type(self.store).__name__} answers only within an event loop; use check")
        asks = with_cost(self._policy_of(attributes, domain).asks, cost)
        return self._answer(asks, self._decide_now(asks)) if asks else Answer(True)

    async def decide_each(self, domain: str, descriptors: Sequence[Described], *, hits: int = 1) -> list[Status]:
        """One status a descriptor, as Envoy's rate limit service gives; all are charged, or none is.

        A descriptor that no rule meets, or whose rule another one replaces, is admitted. Raises Invalid.
        """
        rules = self.domains.get(domain)
        met = [find(domain, rules.root, one.entries) if rules else None for one in descriptors]
        kept = set(map(id, without_replaced([one for one in met if one is not None])))
        asks: list[Ask] = []
        owners: list[int] = []
        for number, (match, one) in enumerate(zip(met, descriptors, strict=True)):
            if match is None or id(match) not in kept:
                continue
            for limit in one.limits or match.rules.limits:
                cost = cost_of(hits if one.hits is None else one.hits)
                asks.append(Ask(limit, match.key, cost, match.rules.shadow, match.rules.on_outage))
                owners.append(number)
        answer = self._answer(asks, await self.store.decide(asks)) if asks else Answer(True)
        by_descriptor: list[list[Verdict]] = [[] for _ in descriptors]
        for owner, verdict in zip(owners, answer.verdicts, strict=True):
            by_descriptor[owner].append(verdict)
        return [_status(verdicts) for verdicts in by_descriptor]

    @asynccontextmanager
    async def reserve(
        self, attributes: Mapping[str, str], *, cost: int = 1, domain: str = ""
    ) -> AsyncIterator[Reservation]:
        """Take `cost` before the work, and settle what it really was after. Raises TooManyRequests.

        Slots of concurrency are given back at the end; where the work fails, all of it is.
        """
        answer = await self.check(attributes, cost=cost, domain=domain)
        if not answer.allowed:
            raise TooManyRequests(answer, headers(answer))
        reservation = Reservation(answer, cost)
        try:
            yield reservation
        except BaseException:
            reservation.settle(0)
            raise
        finally:
            await self.store.settle(reservation.owed())

    async def give_back(self, answer: Answer) -> None:
        """Return what an admitted request of cost 1 took, as if it had not come; without the store it stays taken."""
        reservation = Reservation(answer, 1)
        reservation.settle(0)
        with suppress(StoreUnavailable):
            await self.store.settle(reservation.owed())

    @contextmanager
    def reserve_now(self, attributes: Mapping[str, str], *, cost: int = 1, domain: str = "") -> Iterator[Reservation]:
        """`reserve` without an event loop. Raises TooManyRequests, and Invalid where the store needs a loop."""
        answer = self.check_now(attributes, cost=cost, domain=domain)
        if not answer.allowed:
            raise TooManyRequests(answer, headers(answer))
        reservation = Reservation(answer, cost)
        try:
            yield reservation
        except BaseException:
            reservation.settle(0)
            raise
        finally:
            self.store.settle_now(reservation.owed())  # type: ignore[attr-defined]  # whoever decides now has it

    def _answer(self, asks: Sequence[Ask], outcomes: Sequence[Outcome]) -> Answer:
        allowed, verdicts = True, []
        for ask, (admitted, remaining, wait_ns, reset_ns) in zip(asks, outcomes, strict=True):
            verdicts.append(Verdict(ask, admitted, remaining, wait_ns, reset_ns))
            if not admitted:
                self._hot.offer(ask.key)
                allowed = allowed and ask.shadow
            known = (ask.limit.name, "allowed" if admitted else "shadow" if ask.shadow else "denied")
            if known in self._counted:
                self._counted[known] += 1
            else:
                self._count(known)
        if self.note is not None:
            self.note(verdicts)
        return Answer(allowed, tuple(verdicts))

    def _count(self, known: tuple[str, str]) -> None:
        """Metrics are told once a second: telling each decision would cost a fifth of it."""
        first, self._counted[known] = not self._counted, 1
        if not first:
            return
        try:
            asyncio.get_running_loop().call_later(TELL_S, self.tell)
        except RuntimeError:  # without an event loop, nobody would tell them later
            self.tell()

    def names(self) -> list[str]:
        """Of all limits of all rules."""
        found: set[str] = set()
        nodes = [domain.root for domain in self.domains.values()]
        while nodes:
            node = nodes.pop()
            found.update(limit.name for limit in (node.rules.limits if node.rules else ()))
            nodes += node.children.values()
        return sorted(found)

    def tell(self) -> None:
        """Bring metrics up to date."""
        counted, self._counted = self._counted, {}
        for (limit, verdict), count in counted.items():
            DECIDED.labels(limit, verdict).inc(count)
            self._totals[limit, verdict] = self._totals.get((limit, verdict), 0) + count

    def report(self) -> Told:
        """What was decided in this process since it began, and whose requests were denied most often."""
        self.tell()
        names = sorted({limit for limit, _ in self._totals})
        counted = [
            Counted(name, *(self._totals.get((name, said), 0) for said in ("allowed", "denied", "shadow")))
            for name in names
        ]
        available = bool(getattr(self.store, "available", True))
        return Told(tuple(counted), tuple(self._hot.top(HOT_TOLD)), type(self.store).__name__, available)


class Described(msgspec.Struct, frozen=True):
    """A descriptor of a request, and what the caller says about it itself."""

    entries: tuple[tuple[str, str], ...]
    limits: tuple[Limit, ...] = ()
    """In place of the rule's, where it has one."""
    hits: int | None = None


class Status(msgspec.Struct, frozen=True):
    """What became of a descriptor: the verdict that binds it most, None where no limit stands."""

    allowed: bool
    verdict: Verdict | None = None


def _status(verdicts: Sequence[Verdict]) -> Status:
    if not verdicts:
        return Status(True)
    tightest = min(verdicts, key=lambda one: (one.allowed or one.ask.shadow, one.remaining, -one.reset_ns))
    return Status(tightest.allowed or tightest.ask.shadow, tightest)


class Reservation:
    """What a request has taken, until it is settled."""

    def __init__(self, answer: Answer, cost: int) -> None:
        self.answer = answer
        self._cost = cost
        self._actual = cost

    def settle(self, actual: int) -> None:
        """What it really cost: the rest is given back, or charged on top. Raises Invalid as `cost_of` does."""
        self._actual = cost_of(actual)

    def owed(self) -> list[Ask]:
        """What is still to be charged (negative: given back), by limit."""
        delta = self._actual - self._cost
        taken = [verdict.ask for verdict in self.answer.verdicts if verdict.allowed]
        owed = [
            msgspec.structs.replace(ask, cost=-ask.cost if ask.limit.algorithm == "concurrency" else delta)
            for ask in taken
        ]
        return [ask for ask in owed if ask.cost]


def policy_of(asks: Sequence[Ask]) -> Policy:
    """The policy of these asks, with its header field."""
    return Policy(tuple(asks), ", ".join(policy_item(ask.limit) for ask in asks if not ask.shadow).encode())


def with_cost(asks: Sequence[Ask], cost: int) -> tuple[Ask, ...]:
    """The asks at another cost; a slot of concurrency is one. Raises Invalid as `cost_of` does."""
    cost = cost_of(cost)
    return tuple(
        ask if ask.limit.algorithm == "concurrency" else msgspec.structs.replace(ask, cost=cost) for ask in asks
    )


def cost_of(cost: int) -> int:
    """The cost as stores take it: beyond what any limit admits, the least such. Raises Invalid for what is none."""
    if not isinstance(cost, int) or cost < 0:
        raise Invalid(f"a cost is a whole number of at least 0, got {cost}")
    return min(cost, COUNT_MOST + 1)
