"""Experiments as other systems see them: the configuration, an assignment, a resolved flag, and the errors.

ExperimentsError
├── BadConfiguration  Invalid, 422   names every problem that was found, not only the first
├── NoSuchExperiment  NotFound, 404
├── NotMeasured       NotFound, 404  nothing has been measured of the experiment yet
├── UnknownOperator   Invalid, 422   an imported file asks for something that we do not know; never guessed
├── BadContext        Invalid, 400   a context that no flag can be evaluated for
└── WrongState        Conflict, 409  the lifecycle does not allow this step
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from reelwright.kernel.errors import Conflict, Invalid, NotFound, ReelwrightError
from reelwright.kernel.ids import ProfileId, TitleId

T = TypeVar("T", bound=Hashable)

BUCKETS = 10_000
"""Buckets of a layer: the smallest share of traffic is one of them, 0.01 %."""
HOUR = "hour"
"""The unit of a layer that assigns the hours since the epoch, not viewers: experiments there are switchbacks."""
ROOT = ""
"""The key of the outermost domain."""
Attributes = Mapping[str, Any]
Kind = Literal["split", "interleaving"]
State = Literal["draft", "canary", "running", "stopped", "archived"]
Ranges = tuple[tuple[int, int], ...]
"""Half-open ranges of buckets, none twice, in the order in which they were given: the first take part first."""
Vendor = Literal["growthbook", "unleash", "flagd", "flagsmith", "eppo"]
Operator = Literal[
    "in",
    "lt",
    "lte",
    "gt",
    "gte",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "semver_eq",
    "semver_lt",
    "semver_lte",
    "semver_gt",
    "semver_gte",
    "exists",
]


class ExperimentsError(ReelwrightError):
    """Root of the errors of experiments."""


class BadConfiguration(ExperimentsError, Invalid):
    """A configuration that cannot be in force; `problems` are all that is wrong with it."""

    status = 422
    slug = "bad-configuration"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class UnknownOperator(ExperimentsError, Invalid):
    """An imported file uses an operator, strategy or function that we do not know."""

    status = 422
    slug = "unknown-operator"


class BadContext(ExperimentsError, Invalid):
    """A context that no flag can be evaluated for."""

    status = 400
    slug = "bad-context"


class NoSuchExperiment(ExperimentsError, NotFound):
    """No experiment has this key."""


class NotMeasured(ExperimentsError, NotFound):
    """Nothing has been measured of the experiment yet."""


class WrongState(ExperimentsError, Conflict):
    """The lifecycle does not allow this step from where the experiment is."""

    slug = "wrong-state"


class Clause(msgspec.Struct, frozen=True, tag="is", tag_field="op"):
    """One attribute against values. A missing attribute makes every operator but `exists` false.

    `in` compares without turning one type into another; of a list attribute, one member is enough. `lt` … `gte` take
    one number. `matches` takes one RE2 pattern and searches. `semver_…` takes one version, SemVer 2.0 precedence.
    """

    attribute: str
    operator: Operator
    values: tuple[str | int | float | bool, ...] = ()


class Every(msgspec.Struct, frozen=True, tag="all", tag_field="op"):
    """All of these; of none, true."""

    of: tuple[Condition, ...] = ()


class Some(msgspec.Struct, frozen=True, tag="any", tag_field="op"):
    """One of these; of none, false."""

    of: tuple[Condition, ...] = ()


class Not(msgspec.Struct, frozen=True, tag="not", tag_field="op"):
    """Not this."""

    of: Condition


class InSegment(msgspec.Struct, frozen=True, tag="segment", tag_field="op"):
    """Within a segment of the configuration."""

    key: str


Condition = Clause | Every | Some | Not | InSegment


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of an experiment: its share of the experiment's units, and what it sets."""

    key: str
    weight: float
    parameters: dict[str, Any] = {}


class Prerequisite(msgspec.Struct, frozen=True, kw_only=True):
    """Another experiment in which the unit must be, in one of these cells; of none, in any."""

    experiment: str
    cells: tuple[str, ...] = ()


class RampStep(msgspec.Struct, frozen=True, kw_only=True):
    """From this moment on, this share of the experiment's own buckets takes part."""

    at_ms: int
    share: float


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that stops the experiment by itself once it is surely worse than control by more than `margin`."""

    metric: str
    worse: Literal["up", "down"]
    margin: float = 0.0
    """Relative: 0.02 tolerates 2 %."""


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment of a layer. The first cell is control.

    Of kind `interleaving`, a viewer sees the decisions of both cells on one page, and what they play decides between
    them; the cell that is drawn then only says that they take part.
    """

    key: str
    layer: str
    cells: tuple[Cell, ...]
    buckets: Ranges = ()
    state: State = "draft"
    kind: Kind = "split"
    targeting: Condition | None = None
    prerequisites: tuple[Prerequisite, ...] = ()
    ramp: tuple[RampStep, ...] = ()
    sticky: bool = False
    forced: dict[str, str] = {}
    """Testers: the id of a unit, and the cell that it always gets; never counted."""
    salt: str = ""
    """What cells are drawn by; the key where empty."""
    owner: str = ""
    hypothesis: str = ""
    metrics: tuple[str, ...] = ()
    """What is looked at; the first decides. None: all that are measured."""
    planned_units: int = 10_000
    """Units, all arms together, at which the intervals are narrowest; chosen beforehand."""
    looks: tuple[float, ...] = ()
    """Planned looks, as rising shares of the planned units, the last is 1; of none, anybody looks at any time."""
    canary_share: float = 0.1
    """How much of its buckets takes part while it is a canary."""
    guardrails: tuple[Guardrail, ...] = ()

    @property
    def live(self) -> bool:
        """Whether units are assigned."""
        return self.state in ("canary", "running")

    @property
    def size(self) -> int:
        """Buckets held."""
        return sum(end - start for start, end in self.buckets)


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters that belong together; a unit is in at most one experiment of it.

    `unit` is the attribute whose value is assigned; `hour` needs not be told. A `launch` layer holds roll-outs: what
    it sets is the default that an experiment of another layer may override.
    """

    key: str
    domain: str = ROOT
    unit: str = "profile"
    parameters: dict[str, Any] = {}
    """Names, each with the value that it has outside of all experiments."""
    launch: bool = False
    salt: str = ""


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the traffic of a layer that is divided into layers anew."""

    key: str
    layer: str
    buckets: Ranges


class Holdout(msgspec.Struct, frozen=True, kw_only=True):
    """Units that see no experiment of these layers; of none, of all of them."""

    key: str
    share: float
    unit: str = "profile"
    layers: tuple[str, ...] = ()


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A named condition."""

    key: str
    condition: Condition


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """Another vendor's file of flags, served with that vendor's own buckets beside our parameters."""

    key: str
    vendor: Vendor
    document: dict[str, Any]


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """All experiments of a service, and what they stand in."""

    layers: tuple[Layer, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    domains: tuple[Domain, ...] = ()
    holdouts: tuple[Holdout, ...] = ()
    segments: tuple[Segment, ...] = ()
    imports: tuple[Import, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Who changed what, and which revision it made."""

    revision: int
    at_ms: int
    by: str
    what: str


class Reason(enum.IntEnum):
    """Why a unit is in a cell, or in none."""

    OUTSIDE = 0
    """Its bucket belongs to another experiment, or to none."""
    SPLIT = 1
    STICKY = 2
    FORCED = 3
    TARGETING = 4
    """The targeting does not hold."""
    PREREQUISITE = 5
    HOLDOUT = 6
    DOMAIN = 7
    """It is not in the domain of the layer."""
    NO_UNIT = 8
    """The attribute that would be assigned is missing."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment for one unit."""

    experiment: str
    layer: str
    cell: str | None
    reason: Reason
    parameters: Mapping[str, Any]
    unit: str | None

    @property
    def counts(self) -> bool:
        """Whether the unit belongs into the analysis."""
        return self.cell is not None and self.reason is not Reason.FORCED


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A flag for one context, in OpenFeature's words."""

    key: str
    value: Any = None
    variant: str | None = None
    reason: str = "DEFAULT"
    error_code: str = ""
    message: str = ""
    metadata: Mapping[str, str | int | float | bool] = {}


class Interleaving(Protocol):
    """Two cells whose decisions are shown to a viewer at once."""

    @property
    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """All of the layer's, as each cell sets them."""
        ...

    def draft(self, row: str, first: Sequence[T], second: Sequence[T], length: int) -> tuple[list[T], list[int]]:
        """One row of both, and whose pick (0 or 1) each item is."""
        ...


class ExperimentsClient(Protocol):
    """What the product's own decisions ask."""

    def interleaving(self, layer: str, attributes: Attributes) -> Interleaving | None:
        """The interleaving experiment of a layer that a viewer is in."""
        ...

    async def show(
        self, layer: str, attributes: Attributes, picks: Mapping[TitleId, int], *, profile_id: ProfileId | None
    ) -> None:
        """What an interleaved page shows a viewer: titles, and whose pick (0 or 1) each is; an exposure, reported."""
        ...

    async def decide(self, layer: str, attributes: Attributes, *, profile_id: ProfileId | None) -> Mapping[str, Any]:
        """The parameters of a layer for a viewer, at the moment they make a difference: the exposure is reported."""
        ...


class FlagSource(Protocol):
    """Anything that answers flags: our own experiments, or another vendor's configuration."""

    @property
    def version(self) -> str:
        """Changes whenever an answer may."""
        ...

    def keys(self) -> Sequence[str]:
        """All flags."""
        ...

    def resolve(self, key: str, attributes: Attributes) -> Resolution:
        """One flag; an unknown one has the error code FLAG_NOT_FOUND."""
        ...

    def resolve_all(self, attributes: Attributes) -> Sequence[Resolution]:
        """Every flag."""
        ...
