"""OpenFeature's provider for programs in Python (extra `openfeature`): our flags, or another vendor's, in process.

from openfeature import api
from reelwright.experiments.adapters.openfeature import Provider

api.set_provider(Provider(lambda: service.flags))
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import (
    ErrorCode,
    FlagNotFoundError,
    GeneralError,
    OpenFeatureError,
    ProviderFatalError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from reelwright.experiments.contract import BadConfiguration, FlagSource, Resolution, UnknownOperator
from reelwright.kernel.errors import ReelwrightError

_NUMBER = (int, float)
_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, _NUMBER) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict | list),
}


class Provider(AbstractProvider):
    """Answers from whatever `source` gives at the moment: a snapshot that is swapped needs no new provider.

    `remembered` answers are kept for the same flag and context while the version stays, with the reason CACHED.
    """

    def __init__(self, source: Callable[[], FlagSource], *, remembered: int = 0) -> None:
        super().__init__()
        self._source = source
        self._most = remembered
        self._known: OrderedDict[tuple[str, str, bytes], Resolution] = OrderedDict()
        self._version = ""

    def get_metadata(self) -> Metadata:
        """Our name."""
        return Metadata(name="reelwright")

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002
        """Read the source once: a configuration that cannot be in force is fatal, anything else may pass."""
        try:
            self._version = self._source().version
        except (BadConfiguration, UnknownOperator) as error:
            raise ProviderFatalError(str(error)) from error
        except ReelwrightError as error:
            raise GeneralError(str(error)) from error

    def look(self) -> None:
        """Tell OpenFeature's clients whether the configuration has changed, or can no longer be read."""
        try:
            version = self._source().version
        except ReelwrightError as error:
            self.emit_provider_stale(ProviderEventDetails(message=str(error)))
            return
        if version != self._version:
            self._version = version
            self.emit_provider_configuration_changed(ProviderEventDetails())

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """True or false."""
        return self._resolve("boolean", flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A text."""
        return self._resolve("string", flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """A whole number."""
        return self._resolve("integer", flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A number."""
        return self._resolve("float", flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Any]:
        """An object or a list; the caller may change it."""
        return self._resolve("object", flag_key, default_value, evaluation_context)

    def _resolve(
        self, kind: str, key: str, default: Any, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        found = self._found(key, _attributes(context))
        if found.error_code == "FLAG_NOT_FOUND":
            raise FlagNotFoundError(found.message)
        if found.error_code:
            raise OpenFeatureError(ErrorCode(found.error_code), found.message)
        if found.value is None:
            return _details(default, found)
        if not _KINDS[kind](found.value):
            raise TypeMismatchError(f"flag {key[:60]!r} is no {kind} but {type(found.value).__name__}")
        value = float(found.value) if kind == "float" else copy.deepcopy(found.value)
        return _details(value, found)

    def _found(self, key: str, attributes: Mapping[str, Any]) -> Resolution:
        source = self._source()
        if not self._most:
            return source.resolve(key, attributes)
        place = key, source.version, msgspec.json.encode(attributes, order="sorted", enc_hook=str)
        known = self._known.get(place)
        if known is not None:
            return msgspec.structs.replace(known, reason=Reason.CACHED) if not known.error_code else known
        found = self._known[place] = source.resolve(key, attributes)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return found


def _attributes(context: EvaluationContext | None) -> Mapping[str, Any]:
    if context is None:
        return {}
    own = {} if context.targeting_key is None else {"targetingKey": context.targeting_key}
    return {**context.attributes, **own}


def _details(value: Any, found: Resolution) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(
        value, reason=found.reason, variant=found.variant, flag_metadata=MappingProxyType(dict(found.metadata))
    )
