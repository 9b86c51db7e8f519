"""OpenFeature's own cases, Gherkin with a file of flags, run through its SDK with our provider.

Each row of each outline is a case. The flags are read as flags of flagd: variants, a default, a condition.
"""

# ruff: noqa: ARG002 - the signatures of hooks are OpenFeature's; a case that does not hold is an assertion
from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions
from openfeature.hook import Hook
from openfeature.transaction_context import ContextVarsTransactionContextPropagator

from reelwright.experiments.adapters.openfeature import Provider
from reelwright.experiments.contract import Attributes, BadConfiguration, FlagSource, Resolution
from reelwright.experiments.core.importers.flagd import Flagd
from reelwright.kernel.errors import Unavailable

Table = list[list[str]]
Step = tuple[str, Table]


def openfeature_cases(folder: Path) -> Iterator[tuple[str, bool, str]]:
    """(name, whether it passed, what was seen): a folder of features and their `test-flags.json`."""
    flags = _flags(json.loads((folder / "test-flags.json").read_text("utf-8")))
    for path in sorted(folder.glob("*.feature")):
        for name, steps in _scenarios(path.read_text("utf-8")):
            cached = any("CACHED" in step for step, _ in steps)
            run = _Run(flags, remembered=100 if cached else 0)
            problem = run.through(steps)
            yield f"{path.name}: {name}", not problem, problem


def _scenarios(text: str) -> Iterator[tuple[str, list[Step]]]:
    """Every scenario with its background's steps; an outline once for each row."""
    background: list[Step] = []
    blocks: list[tuple[str, list[Step], Table]] = []
    steps: list[Step] = background
    examples: Table | None = None
    for line in (one.strip() for one in text.splitlines()):
        if line.startswith("|"):
            row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            (steps[-1][1] if examples is None else examples).append(row)
        elif line.startswith("Examples"):
            if examples:
                blocks.append((blocks[-1][0], steps, examples := []))
            else:
                examples = blocks[-1][2]
        elif line.startswith("Scenario"):
            steps, examples = [], None
            blocks.append((line.split(":", 1)[1].strip(), steps, []))
        elif found := re.match(r"(?:Given|When|Then|And|But)\s+(.*)", line):
            steps.append((found[1], []))
    for name, own, table in blocks:
        for filled in _filled(own, table):
            yield name, [*background, *filled]


def _filled(steps: list[Step], table: Table) -> Iterator[list[Step]]:
    if not table:
        yield steps
        return
    for row in table[1:]:
        values = dict(zip(table[0], row, strict=True))
        yield [
            (re.sub(r"<(\w+)>", lambda found, values=values: values[found[1]], text), rows)  # type: ignore[misc]
            for text, rows in steps
        ]


def _flags(document: Mapping[str, Any]) -> Flagd:
    """The file's flags, and the one that its older feature speaks of, as flagd's."""
    flags = {
        key: {
            "state": "DISABLED" if flag.get("disabled") else "ENABLED",
            "variants": flag["variants"],
            "defaultVariant": flag.get("defaultVariant"),
            "metadata": flag.get("flagMetadata"),
            "targeting": _targeting(flag.get("contextEvaluator")),
        }
        for key, flag in document.items()
    }
    known = {"fn": "Sulisław", "ln": "Świętopełk", "age": 29, "customer": False}
    holds = {"and": [{"===": [{"var": name}, value]} for name, value in known.items()]}
    flags["context-aware"] = {
        "state": "ENABLED",
        "variants": {"internal": "INTERNAL", "external": "EXTERNAL"},
        "defaultVariant": "external",
        "targeting": {"if": [holds, "internal", None]},
    }
    return Flagd({"flags": flags})


def _targeting(expression: str | None) -> Any:
    """`a == 'b' && !c && d > 1 ? 'variant' : ''` as JSON Logic."""
    if expression is None:
        return {}
    condition, _, outcome = expression.partition(" ? ")
    return {"if": [{"and": [_term(one.strip()) for one in condition.split("&&")]}, outcome.split("'")[1], None]}


def _term(text: str) -> Any:
    if text.startswith("!"):
        return {"!": [{"var": text[1:]}]}
    name, operator, value = text.split(maxsplit=2)
    return {operator: [{"var": name}, json.loads(value.replace("'", '"'))]}


class _Watched:
    """A source that keeps what it was asked with, and may wait or fail at first."""

    def __init__(self, flags: Flagd) -> None:
        self._flags = flags
        self.seen: Attributes = {}
        self.version = flags.version

    def keys(self) -> Sequence[str]:
        return self._flags.keys()

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        self.seen = attributes
        return self._flags.resolve(key, attributes)

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        return self._flags.resolve_all(attributes)


class _Noting(Hook):
    """Writes down which of its stages ran, with what."""

    def __init__(self, name: str = "", order: list[str] | None = None, *, context: Any = None) -> None:
        self.ran: dict[str, Any] = {}
        self._name, self._order, self._context = name, order, context

    def before(self, hook_context: Any, hints: Any) -> Any:
        self.ran["before"] = None
        if self._order is not None:
            self._order.append(self._name)
        return self._context

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.ran["after"] = details

    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:
        self.ran["error"] = exception

    def finally_after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.ran["finally"] = details
        if self._order is not None:
            self._order.append(f"{self._name} after")


class _Run:
    """One scenario."""

    def __init__(self, flags: Flagd, *, remembered: int) -> None:
        self._source = _Watched(flags)
        self._remembered = remembered
        self._client: OpenFeatureClient = api.get_client("none")
        self._provider: Provider | None = None
        self._waits = threading.Event()
        self._context: dict[str, Any] = {}
        self._flag: tuple[str, str, Any] = "Boolean", "boolean-flag", False
        self._details: FlagEvaluationDetails[Any] | None = None
        self._hook = _Noting()
        self._order: list[str] = []
        self._options: FlagEvaluationOptions | None = None
        self._before: dict[str, Any] = {}

    def through(self, steps: list[Step]) -> str:
        """The first step that does not hold, or nothing."""
        try:
            for text, table in steps:
                for pattern, name in _STEPS:
                    if found := re.fullmatch(pattern, text):
                        getattr(self, name)(*map(_unescaped, found.groups()), *([table] if table else []))
                        break
                else:
                    return f"nobody knows the step {text!r}"
        except AssertionError as error:
            return f"{text}: {error}"
        finally:
            self._waits.set()
            api.clear_providers()
            api.set_evaluation_context(EvaluationContext())
            api.set_transaction_context(EvaluationContext())
        return ""

    def _given_provider(self, status: str) -> None:
        failures: Mapping[str, Callable[[], FlagSource]] = {
            "not ready": self._late,
            "error": lambda: _raised(Unavailable("not there")),
            "fatal": lambda: _raised(BadConfiguration(["weights"])),
        }
        self._provider = Provider(failures.get(status, lambda: self._source), remembered=self._remembered)
        if status in failures and status != "not ready":
            try:
                api.set_provider_and_wait(self._provider)
            except Exception as error:
                self._before["failed"] = error
        elif status == "not ready":
            api.set_provider(self._provider)
        else:
            api.set_provider_and_wait(self._provider)
        self._client = api.get_client()
        if status == "stale":
            self._provider.emit_provider_stale(ProviderEventDetails())

    def _late(self) -> FlagSource:
        self._waits.wait(60)
        return self._source

    def _given_flag(self, kind: str, key: str, default: str) -> None:
        self._flag = kind.title(), key, _value(kind, default)

    def _given_attribute(self, key: str, kind: str, value: str) -> None:
        self._context[key] = _value(kind, value)

    def _given_null(self, key: str) -> None:
        self._context[key] = None

    def _given_hook(self) -> None:
        self._client.add_hooks([self._hook])

    def _given_options(self) -> None:
        hooks: list[Hook] = [_Noting(name, self._order) for name in ("first", "second")]
        self._options = FlagEvaluationOptions(hooks=hooks)

    def _given_modifiable(self) -> None:
        self._context = {"list": [1, {"a": 2}]}
        self._before = json.loads(json.dumps(self._context))

    def _evaluate(self) -> None:
        kind, key, default = self._flag
        call = getattr(self._client, f"get_{kind.lower()}_details")
        self._details = call(key, default, self._evaluation_context(), self._options)

    def _evaluate_later(self) -> None:
        kind, key, default = self._flag
        call = getattr(self._client, f"get_{kind.lower()}_details_async")

        async def beside() -> Any:
            ticks: list[int] = []
            asyncio.get_running_loop().call_soon(ticks.append, 1)
            found = await call(key, default, self._evaluation_context())
            await asyncio.sleep(0)
            self._before["ticks"] = ticks
            return found

        self._details = asyncio.run(beside())

    def _evaluation_context(self) -> EvaluationContext:
        return EvaluationContext(attributes=self._context)

    def _went_on(self) -> None:
        _same(self._before["ticks"], [1])

    @property
    def _found(self) -> FlagEvaluationDetails[Any]:
        assert self._details is not None, "nothing was evaluated"
        return self._details

    def _has_value(self, value: str) -> None:
        _same(self._found.value, _value(self._flag[0], value))

    def _has_reason(self, reason: str) -> None:
        _same(str(self._found.reason), reason)

    def _has_error(self, code: str) -> None:
        _same(str(self._found.error_code), code)

    def _has_variant(self, variant: str) -> None:
        _same(self._found.variant, variant)

    def _has_key(self, key: str) -> None:
        _same(self._found.flag_key, key)

    def _has_metadata(self, table: Table) -> None:
        _same(dict(self._found.flag_metadata), {key: _value(kind, value) for key, kind, value in table[1:]})

    def _has_no_metadata(self) -> None:
        _same(dict(self._found.flag_metadata), {})

    def _has_status(self, status: str) -> None:
        _same(self._client.get_provider_status().value, status)

    def _hooks_ran(self) -> None:
        _same(sorted(self._order), sorted(["first", "second", "first after", "second after"]))

    def _hooks_in_order(self) -> None:
        _same(self._order, ["first", "second", "second after", "first after"])

    def _context_stays(self) -> None:
        _same(self._context, self._before)

    def _details_stay(self) -> None:
        try:
            self._found.flag_metadata["a"] = 1  # type: ignore[index]
        except TypeError:
            return
        raise AssertionError("the metadata could be changed")

    def _hook_ran(self, stage: str) -> None:
        assert stage in self._hook.ran, f"ran: {list(self._hook.ran)}"

    def _hook_saw(self, stages: str, table: Table) -> None:
        for stage in stages.split(", "):
            details = self._hook.ran[stage]
            for kind, name, value in table[1:]:
                expected = None if value == "null" else _value(kind, value)
                seen = getattr(details, name)
                _same(str(seen) if name in ("reason", "error_code") and seen is not None else seen, expected)

    def _add_to_level(self, key: str, value: str, level: str) -> None:
        context = EvaluationContext(attributes={key: value})
        if level == "API":
            api.set_evaluation_context(api.get_evaluation_context().merge(context))
        elif level == "Transaction":
            api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
            api.set_transaction_context(context)
        elif level == "Client":
            self._client.context = (self._client.context or EvaluationContext()).merge(context)
        elif level == "Invocation":
            self._context[key] = value
        else:
            self._client.add_hooks([_Noting(context=context)])

    def _given_levels(self, table: Table) -> None:
        self._before["levels"] = [row[0] for row in table]

    def _add_down_to(self, last: str, key: str, _value: str) -> None:
        for level in self._before["levels"]:
            self._add_to_level(key, level, level)
            if level == last:
                break

    def _merged(self, key: str, value: str) -> None:
        _same(self._source.seen.get(key), value)

    def _old(self, kind: str, key: str, default: str) -> None:
        self._flag = kind.title(), key, {} if kind == "object" else _value(kind, default)
        self._evaluate()

    def _old_object(self, key: str) -> None:
        self._old("object", key, "")

    def _old_context(self, *given: str) -> None:
        self._context = {"fn": given[4], "ln": given[5], "age": int(given[6]), "customer": given[7] == "true"}

    def _old_flag(self, key: str, default: str) -> None:
        self._old("string", key, default)

    def _old_wrong(self, key: str, default: str) -> None:
        self._old("integer", key, default)

    def _old_details(self, value: str, variant: str, reason: str) -> None:
        self._has_value(value)
        self._old_rest(variant, reason)

    def _old_rest(self, variant: str, reason: str) -> None:
        self._has_variant(variant)
        self._has_reason(reason)

    def _old_fields(self, *given: str) -> None:
        values = {given[0]: given[3] == "true", given[1]: given[4], given[2]: int(given[5])}
        _same(self._found.value, values)

    def _old_without(self, value: str) -> None:
        self._context = {}
        self._evaluate()
        self._has_value(value)

    def _old_default(self) -> None:
        _same(self._found.value, self._flag[2])

    def _old_error(self, code: str) -> None:
        self._has_reason("ERROR")
        self._has_error(code)


def _raised(error: Exception) -> FlagSource:
    raise error


def _same(seen: Any, expected: Any) -> None:
    assert seen == expected and type(seen) is type(expected), f"saw {seen!r}, expected {expected!r}"


def _unescaped(text: str) -> str:
    return text.replace('\\"', '"')


def _value(kind: str, text: str) -> Any:
    kinds: Mapping[str, Callable[[str], Any]] = {
        "boolean": lambda text: text == "true",
        "integer": int,
        "float": float,
        "object": json.loads,
    }
    return kinds.get(kind.lower(), str)(text)


_Q, _N = r"\"([^\"]*)\"", r"\"?([^\"]*?)\"?"
_STEPS: Sequence[tuple[str, str]] = (
    (r"an? (stable|not ready|error|fatal|stale) provider", "_given_provider"),
    (r"a (stable) provider with retrievable context is registered", "_given_provider"),
    (rf'an? (\w+)-flag with key {_Q} and a fallback value "(.*)"', "_given_flag"),
    (rf'a context containing a key {_Q}, with type {_Q} and with value "(.*)"', "_given_attribute"),
    (rf"a context containing a key {_Q} with null value", "_given_null"),
    (r"a client with added hook", "_given_hook"),
    (r"evaluation options containing specific hooks", "_given_options"),
    (r"an evaluation context with modifiable data", "_given_modifiable"),
    (r"the flag was evaluated with details(?: using the evaluation options)?", "_evaluate"),
    (r"Some flag was evaluated", "_evaluate"),
    (r"the flag was evaluated with details asynchronously", "_evaluate_later"),
    (r"the evaluation should complete without blocking", "_went_on"),
    (r'the resolved details value should be "(.*)"', "_has_value"),
    (rf"the reason should be {_Q}", "_has_reason"),
    (rf"the error-code should be {_Q}", "_has_error"),
    (rf"the variant should be {_Q}", "_has_variant"),
    (rf"the flag key should be {_Q}", "_has_key"),
    (r"the resolved metadata should contain", "_has_metadata"),
    (r"the resolved metadata is empty", "_has_no_metadata"),
    (rf"the provider status should be {_Q}", "_has_status"),
    (r"the specified hooks should execute during evaluation", "_hooks_ran"),
    (r"the hook order should be maintained", "_hooks_in_order"),
    (r"the original evaluation context should remain unmodified", "_context_stays"),
    (r"the evaluation details should be immutable", "_details_stay"),
    (rf"the {_Q} hook should have been executed", "_hook_ran"),
    (rf"the {_Q} hooks should be called with evaluation details", "_hook_saw"),
    (rf"A context entry with key {_Q} and value {_Q} is added to the {_Q} level", "_add_to_level"),
    (r"A table with levels of increasing precedence", "_given_levels"),
    (
        rf"Context entries for each level from API level down to the {_Q} level, with key {_Q} and value {_Q}",
        "_add_down_to",
    ),
    (rf"The merged context contains an entry with key {_Q} and value {_Q}", "_merged"),
    (
        rf"an? (boolean|string|integer|float) flag with key {_Q} is evaluated with (?:details and )?default value "
        rf"{_N}",
        "_old",
    ),
    (rf"an object flag with key {_Q} is evaluated with (?:details and )?a null default value", "_old_object"),
    (r"the resolved \w+ value should be \"?([^\"]*?)\"?", "_has_value"),
    (
        rf"the resolved \w+ details value should be {_N}, the variant should be {_Q}, and the reason should be {_Q}",
        "_old_details",
    ),
    (
        rf"the resolved object (?:details )?value should be contain fields {_Q}, {_Q}, and {_Q}, "
        rf"with values {_Q}, {_Q} and (\d+), respectively",
        "_old_fields",
    ),
    (rf"the variant should be {_Q}, and the reason should be {_Q}", "_old_rest"),
    (rf"context contains keys {_Q}, {_Q}, {_Q}, {_Q} with values {_Q}, {_Q}, (\d+), {_Q}", "_old_context"),
    (rf"a flag with key {_Q} is evaluated with default value {_Q}", "_old_flag"),
    (rf"the resolved string response should be {_Q}", "_has_value"),
    (rf"the resolved flag value is {_Q} when the context is empty", "_old_without"),
    (
        rf"a non-existent string flag with key {_Q} is evaluated with details and a fallback value {_Q}",
        "_old_flag",
    ),
    (
        rf"a string flag with key {_Q} is evaluated as an integer, with details and a fallback value (\d+)",
        "_old_wrong",
    ),
    (r"the default \w+ value should be returned", "_old_default"),
    (
        rf"the reason should indicate an error and the error code should indicate a [\w ]+ with {_Q}",
        "_old_error",
    ),
)
