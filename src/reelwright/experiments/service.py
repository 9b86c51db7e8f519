"""Use cases of experiments: change the configuration, assign, answer flags, report first exposures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reelwright.events.contract import Event, EventsClient
from reelwright.experiments.adapters import sql
from reelwright.experiments.adapters.viewing import (
    ProjectedViewing,
    get_cells,
    get_statistics,
    list_baselines,
    list_calibrations,
    put_baselines,
    put_calibrations,
    put_statistics,
    read_hours,
    read_lately,
)
from reelwright.experiments.contract import (
    HOUR,
    Assignment,
    Attributes,
    BadConfiguration,
    Change,
    Configuration,
    Experiment,
    Import,
    Layer,
    NoSuchExperiment,
    State,
)
from reelwright.experiments.core import lifecycle
from reelwright.experiments.core.assign import Assignments, assign
from reelwright.experiments.core.daily import DailySums, Statistics, daily_sums
from reelwright.experiments.core.flags import SnapshotFlags
from reelwright.experiments.core.interleaving import Duel, duel_of
from reelwright.experiments.core.logged import Grounds, decision_of
from reelwright.experiments.core.metrics import DAY_MS, HOUR_MS, METRICS
from reelwright.experiments.core.product import completed
from reelwright.experiments.core.snapshot import Snapshot, next_step_ms
from reelwright.experiments.ports import ViewingFacts
from reelwright.experiments.settings import ExperimentsSettings
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database, reading_at
from reelwright.kernel.errors import Invalid, Transient
from reelwright.kernel.ids import EventId, ProfileId, TitleId, new_id
from reelwright.kernel.telemetry import logger

if TYPE_CHECKING:
    from reelwright.experiments.core.calibration import Calibration
    from reelwright.experiments.core.scorecard import Scorecard
    from reelwright.experiments.core.sizes import Baseline, Size

log = logger(__name__)


class ExperimentsService:
    """Experiments in a process: one snapshot at a time, swapped whole."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        events: EventsClient | None,
        settings: ExperimentsSettings,
        viewing: ViewingFacts | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._settings = settings
        self._viewing = viewing or ProjectedViewing(database)
        self._revision = -1
        self._due_ms: int | None = None
        self._basis = _basis_of(0, self._now_ms())
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self.flags = SnapshotFlags(Snapshot(completed(Configuration()), now_ms=0), now_ms=self._now_ms)
        """What is in force; replaced by one store, never changed."""

    @property
    def snapshot(self) -> Snapshot:
        """The configuration in force, compiled."""
        return self.flags.snapshot

    @property
    def revision(self) -> int:
        """The revision in force here; −1 before the first look."""
        return self._revision

    async def look(self) -> None:
        """Follow the stored configuration and the steps of ramps; cheap while nothing has changed."""
        due = self._due_ms is not None and self._now_ms() >= self._due_ms
        if due or await self._database.read(sql.get_revision) != self._revision:
            revision, configuration = await self._database.read(sql.get_configuration)
            self._swap(revision, self._compiled(configuration))

    def assign(self, attributes: Attributes, *, forced: Mapping[str, str] | None = None) -> Assignments:
        """Everything for one viewer."""
        return assign(self.snapshot, self._timed(attributes), forced=forced or {})

    async def decide(self, layer: str, attributes: Attributes, *, profile_id: ProfileId | None) -> Mapping[str, Any]:
        """The parameters of a layer for a viewer, at the moment they make a difference: the exposure is reported."""
        attributes = self._timed(attributes)
        sticky, basis = await self._sticky(layer, profile_id), self._basis
        found = assign(self.snapshot, attributes, sticky=sticky)
        for one in found.assigned():
            if one.layer == layer:
                grounds = basis(one.experiment, attributes, sticky)
                await self.expose(found, one.experiment, profile_id=profile_id, grounds=grounds)
        return self._parameters(found, layer)

    def _parameters(self, found: Assignments, layer: str) -> dict[str, Any]:
        values = found.parameters()
        names = next((one.parameters for one in self.snapshot.layers if one.key == layer), {})
        return {name: values[name] for name in names}

    def _timed(self, attributes: Attributes) -> Attributes:
        """With the hour, which layers of switchbacks assign."""
        return {HOUR: str(self._now_ms() // HOUR_MS), **attributes}

    async def _sticky(self, layer: str, profile_id: ProfileId | None) -> Mapping[str, str]:
        """The cells in which a viewer was exposed before, of those experiments of a layer that keep them."""
        keys = [one.key for one in self.snapshot.experiments if one.sticky and one.layer == layer]
        if not keys or profile_id is None:
            return {}
        return await self._database.read(get_cells, profile_id, keys)

    def interleaving(self, layer: str, attributes: Attributes) -> Duel | None:
        """The interleaving experiment of a layer that a viewer is in; testers with a cell of their own are not."""
        found = self._interleaved(layer, attributes)
        if found is None:
            return None
        defaults = next(one.parameters for one in self.snapshot.layers if one.key == layer)
        experiment = self.snapshot.experiments[self.snapshot.index[found.experiment]]
        return duel_of(experiment, defaults, found.unit or "", now_ms=self._now_ms())

    async def show(
        self, layer: str, attributes: Attributes, picks: Mapping[TitleId, int], *, profile_id: ProfileId | None
    ) -> None:
        """What an interleaved page shows a viewer; reported whenever it is another page than before."""
        found = self._interleaved(layer, attributes)
        if found is None:
            return
        cells = self.snapshot.experiments[self.snapshot.index[found.experiment]].cells
        told = [
            {"cell": cell.key, "title_ids": [title for title, pick in picks.items() if pick == at]}
            for at, cell in enumerate(cells)
        ]
        await self._report(found, profile_id, page=told, grounds=self._basis(found.experiment, attributes, {}))

    def _interleaved(self, layer: str, attributes: Attributes) -> Assignment | None:
        for one in self.assign(attributes).assigned():
            if one.layer == layer and one.counts:
                experiment = self.snapshot.experiments[self.snapshot.index[one.experiment]]
                return one if experiment.kind == "interleaving" else None
        return None

    async def expose(
        self, assignments: Assignments, key: str, *, profile_id: ProfileId | None, grounds: Grounds | None = None
    ) -> Assignment:
        """The assignment at the moment it makes a difference; the first time for a unit is reported as an event.

        With `grounds` the decision is reported as well, so that it can be made again.

        While events cannot be stored the viewer gets their cell all the same, and is reported at the next time.
        """
        found = assignments[key]
        await self._report(found, profile_id, grounds=grounds)
        return found

    async def _report(
        self,
        found: Assignment,
        profile_id: ProfileId | None,
        *,
        page: list[dict[str, Any]] | None = None,
        grounds: Grounds | None = None,
    ) -> None:
        key = found.experiment
        place = (
            key,
            f"{found.cell}\n{msgspec.json.encode(page).decode()}" if page else found.cell or "",
            found.unit or "",
        )
        if not found.counts or place in self._seen or self._events is None:
            return
        self._seen[place] = None
        while len(self._seen) > self._settings.exposures:
            self._seen.popitem(last=False)
        data: dict[str, Any] = {
            "experiment": key,
            "cell": found.cell,
            "layer": found.layer,
            "reason": found.reason.name.lower(),
        }
        if page is not None:
            data["picks"] = page
        if self._is_switchback(found.layer):
            data["hour"] = int(found.unit or 0)
        events = [Event(id=EventId(new_id()), type="exposure", at_ms=self._now_ms(), data=data)]
        experiment = self.snapshot.index.get(key)
        if grounds is not None and experiment is not None:
            decision = decision_of(grounds, found, self.snapshot.experiments[experiment])
            if decision is not None:
                events.append(Event(id=EventId(new_id()), type="decision", at_ms=self._now_ms(), data=decision))
        try:
            await self._events.record(events, profile_id=profile_id)
        except Transient as error:
            self._seen.pop(place, None)
            log.warning("exposure_waits", experiment=key, problem=str(error))

    async def put_layer(self, layer: Layer, *, by: str) -> Configuration:
        """A layer, new or in place of the one of its name. Raises BadConfiguration."""

        def changed(old: Configuration) -> Configuration:
            kept = {one.key: one for one in old.layers}
            return _with(old, layers=tuple({**kept, layer.key: layer}.values()))

        return await self._change(changed, by=by, what=f"layer {layer.key} put")

    async def put_experiment(self, experiment: Experiment, *, by: str) -> Experiment:
        """An experiment, new as a draft or in place of the one of its name. Raises BadConfiguration, WrongState."""
        unknown = {*experiment.metrics, *(one.metric for one in experiment.guardrails)} - set(METRICS)
        if unknown:
            there = ", ".join(METRICS)
            raise BadConfiguration([f"no metric {name[:60]!r}; there are {there}" for name in sorted(unknown)])
        what = f"experiment {experiment.key} put"
        return lifecycle.find(
            await self._change(lambda old: lifecycle.put(old, experiment), by=by, what=what), experiment.key
        )

    async def move(self, key: str, state: State, *, by: str, what: str = "") -> Experiment:
        """One step of its life, with what is written down of it. Raises WrongState."""
        said = what or f"{key} → {state}"
        found = await self._change(lambda old: lifecycle.moved(old, key, state), by=by, what=said)
        return lifecycle.find(found, key)

    async def resize(self, key: str, share: float, *, by: str) -> Experiment:
        """Its share of its layer. Raises BadConfiguration where the layer has no room."""
        found = await self._change(
            lambda old: lifecycle.sized(old, key, share), by=by, what=f"{key} has {share:.2%} of its layer"
        )
        return lifecycle.find(found, key)

    async def put_configuration(self, configuration: Configuration, *, by: str, what: str) -> Configuration:
        """A whole configuration, from a file. Raises BadConfiguration."""
        return await self._change(lambda _: configuration, by=by, what=what)

    async def put_import(self, file: Import, *, by: str) -> Configuration:
        """Another vendor's flags, served from now on. Raises UnknownOperator, BadConfiguration."""

        def changed(old: Configuration) -> Configuration:
            kept = {one.key: one for one in old.imports}
            return _with(old, imports=tuple({**kept, file.key: file}.values()))

        return await self._change(changed, by=by, what=f"flags {file.key} of {file.vendor} imported")

    async def delete_import(self, key: str, *, by: str) -> Configuration:
        """Serve these flags no more. Raises NoSuchExperiment."""

        def changed(old: Configuration) -> Configuration:
            kept = tuple(one for one in old.imports if one.key != key)
            if len(kept) == len(old.imports):
                raise NoSuchExperiment(f"no imported flags {key[:60]!r}")
            return _with(old, imports=kept)

        return await self._change(changed, by=by, what=f"flags {key} removed")

    async def measure(self, key: str) -> Statistics:
        """Make the daily statistics of an experiment anew. Raises NoSuchExperiment."""
        from reelwright.experiments.core.scorecard import measured

        experiment = lifecycle.find(self.snapshot.configuration, key)
        if self._is_switchback(experiment.layer):
            synthetic, exposed = await self._database.read(read_hours, experiment)
            days: Sequence[DailySums] = daily_sums(exposed, measured(experiment), cells=len(experiment.cells))
        else:
            synthetic, days = await self._viewing.daily(experiment, measured(experiment))
        found = Statistics(experiment=key, at_ms=self._now_ms(), synthetic=synthetic, days=tuple(days))
        await self._database.write(put_statistics, found)
        return found

    async def calibrate(self) -> list[Calibration]:
        """Make A/A tests of every mean and ratio with everybody who watched lately, and keep how they came out.

        How each metric varies is kept too: tests are sized by it.
        Not of quantiles: splits of the same viewers say how values happen to lie around one, not how its test is.
        """
        from reelwright.experiments.core.calibration import calibrate
        from reelwright.experiments.core.sizes import baselines

        now_ms = self._now_ms()
        today = now_ms // DAY_MS
        lately = await self._database.read(read_lately, today=today, most=self._settings.calibrate_viewers)
        means = tuple(one for one in METRICS.values() if one.quantile is None)
        found = calibrate(lately, means, seed=today, at_ms=now_ms)
        await self._database.write(put_calibrations, found)
        await self._database.write(put_baselines, baselines(lately, tuple(METRICS.values()), day=today - 1))
        return list(found)

    async def list_calibrations(self) -> list[Calibration]:
        """How the latest A/A tests came out, by metric."""
        return await self._database.read(list_calibrations)

    async def list_baselines(self) -> dict[str, Baseline]:
        """How each metric varied from viewer to viewer until yesterday; of none, nobody knows yet."""
        return await self._database.read(list_baselines)

    def _is_switchback(self, layer: str) -> bool:
        return any(one.key == layer and one.unit == HOUR for one in self.snapshot.layers)

    async def get_scorecard(self, key: str) -> Scorecard:
        """What an experiment says so far, from its daily statistics. Raises NoSuchExperiment, NotMeasured."""
        experiment = lifecycle.find(self.snapshot.configuration, key)
        return _score(experiment, await self._database.read(get_statistics, key))

    async def guard(self) -> list[str]:
        """Measure every live experiment, and stop those that break a guardrail; returns their names."""
        stopped = []
        for experiment in [one for one in self.snapshot.configuration.experiments if one.live]:
            broken = _score(experiment, await self.measure(experiment.key)).breached
            if broken:
                what = f"{experiment.key} → stopped: {broken[0].metric} of {broken[0].cell} is surely worse"
                await self.move(experiment.key, "stopped", by="guardrail", what=what)
                stopped.append(experiment.key)
        return stopped

    async def list_changes(self, *, limit: int = 100, key: str = "") -> list[Change]:
        """Who changed what, the newest first; of one experiment where it is named."""
        return await self._database.read(sql.list_changes, limit=limit, key=key)

    async def _change(self, change: Callable[[Configuration], Configuration], *, by: str, what: str) -> Configuration:
        revision, old = await self._database.read(sql.get_configuration)
        new = change(old)
        flags = self._compiled(new)  # refused before it is stored
        note = Change(revision=revision + 1, at_ms=self._now_ms(), by=by, what=what)
        await self._database.write(sql.put_configuration, revision, new, note)
        self._swap(revision + 1, flags)
        return new

    def _compiled(self, configuration: Configuration) -> SnapshotFlags:
        return SnapshotFlags(Snapshot(configuration, now_ms=self._now_ms()), now_ms=self._now_ms)

    def _swap(self, revision: int, flags: SnapshotFlags) -> None:
        compiled_ms = flags.snapshot.now_ms
        self.flags, self._revision = flags, revision
        self._basis = _basis_of(revision, compiled_ms)
        self._due_ms = next_step_ms(flags.snapshot.configuration, now_ms=compiled_ms)

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def _basis_of(revision: int, compiled_ms: int) -> Callable[[str, Attributes, Mapping[str, str]], Grounds]:
    """What decisions rest on until the next swap."""

    def basis(experiment: str, attributes: Attributes, sticky: Mapping[str, str]) -> Grounds:
        return Grounds(
            revision=revision,
            compiled_ms=compiled_ms,
            experiment=experiment,
            attributes=dict(attributes),
            sticky=dict(sticky),
        )

    return basis


def _score(experiment: Experiment, statistics: Statistics) -> Scorecard:
    """SciPy costs most of a second and 60 MB: only a process that scores imports it."""
    from reelwright.experiments.core.scorecard import score

    return score(experiment, statistics)


def analyse(url: str, key: str) -> Scorecard:
    """The scorecard that Studio shows, figure by figure, from a service's database: for notebooks.

    Raises NoSuchExperiment, NotMeasured, NotFound where an SQLite file is not there, Unavailable.
    """
    with reading_at(url) as connection:
        _, configuration = sql.get_configuration(connection)
        return _score(lifecycle.find(configuration, key), get_statistics(connection, key))


def size(url: str, key: str, effect: float) -> list[Size]:
    """Viewers that each arm of an experiment needs for a relative change of each of its metrics, from the database.

    Empty while nobody's days are known. Raises NoSuchExperiment, Invalid where it is no split of viewers.
    """
    from reelwright.experiments.core.sizes import sizes_of

    with reading_at(url) as connection:
        configuration = completed(sql.get_configuration(connection)[1])
        known = list_baselines(connection)
    experiment = lifecycle.find(configuration, key)
    unit = next((one.unit for one in configuration.layers if one.key == experiment.layer), "")
    if experiment.kind != "split" or unit != "profile":
        raise Invalid(f"sizes are of splits of profiles; {key[:60]!r} is a {experiment.kind} by {unit or 'nothing'}")
    return sizes_of(experiment, known, effect)


def _with(configuration: Configuration, **changes: Any) -> Configuration:
    from msgspec.structs import replace

    return replace(configuration, **changes)
