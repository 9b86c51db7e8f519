"""What pages tell that no one system knows: how the service is, and what a film is offered in."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.catalog.contract import Playable
from reelwright.kernel.errors import NotFound
from reelwright.kernel.operations import Operations
from reelwright.limits.contract import Minute
from reelwright.limits.core.traffic import VERDICTS, Counts, Seen, merged
from reelwright.media.contract import MediaClient, Package, TextTrack, Track
from reelwright.media.core.language import language_name
from reelwright.playback.service import PlaybackService
from reelwright.web.charts import stacked
from reelwright.web.contract import LimitsSeen, Report, RuleSeen, ToldIncident

SEEN_BEFORE_MS = 30_000
"""A player that was heard of this shortly before a death was playing: two heartbeats."""


async def report_of(operations: Operations, playback: PlaybackService, *, incidents: int = 20) -> Report:
    """Processes, the newest incidents with who was affected, and the health of every part."""
    told = [
        ToldIncident(
            incident=incident,
            watching=await playback.count_active(
                since_ms=incident.at_ms - SEEN_BEFORE_MS, until_ms=incident.back_ms or incident.at_ms
            ),
        )
        for incident in operations.incidents()[:incidents]
    ]
    return Report(processes=operations.processes(), incidents=told, health=await operations.health())


LOAD = "load "
"""What the names of load shedding's rows begin with."""


def seen_of(minutes: Sequence[Minute]) -> LimitsSeen:
    """What limits did in these minutes, by rule: limits first, then load shedding."""
    names = {name for minute in minutes for name in minute.counts}
    rules = [_rule(name, minutes) for name in sorted(names, key=lambda name: (name.startswith(LOAD), name))]
    totals = Counts()
    for rule in rules:
        shedding = rule.name.startswith(LOAD)
        totals.add(Counts(shed=rule.counts.shed) if shedding else rule.counts)
    hot = merged(Seen(hot=minute.hot) for minute in minutes).hot
    processes = max((minute.processes for minute in minutes), default=0)
    return LimitsSeen(rules=rules, totals=totals, hot=tuple(hot.items()), processes=processes)


def _rule(name: str, minutes: Sequence[Minute]) -> RuleSeen:
    each = [minute.counts.get(name, Counts()) for minute in minutes]
    total = Counts()
    for one in each:
        total.add(one)
    bars = stacked([[(verdict, getattr(one, verdict)) for verdict in VERDICTS] for one in each])
    shed = f", shed {total.shed}" if total.shed else ""
    shadow = f", would have denied {total.shadow}" if total.shadow else ""
    said = f"admitted {total.allowed}, denied {total.denied}{shadow}{shed}"
    return RuleSeen(name=name, counts=total, bars=bars, said=said)


async def offers_of(media: MediaClient, playable: Playable | None) -> list[str]:
    """What a film is offered in, as far as it has been encoded; nothing where none of it has."""
    if playable is None or playable.asset_id is None:
        return []
    try:
        return say_offers(await media.get_package(playable.asset_id))
    except NotFound:
        return []


def say_offers(package: Package) -> list[str]:
    """The best picture, the languages of sound, the subtitles: `["1080p", "Sound: English"]`."""
    heights = [min(track.width, track.height) for track in package.tracks if track.kind == "video"]
    sounds = _names([track for track in package.tracks if track.kind == "audio"])
    texts = _names(package.texts)
    return [
        *([f"{max(heights)}p"] if heights else []),
        *([f"Sound: {', '.join(sounds)}"] if sounds else []),
        *([f"Subtitles: {', '.join(texts)}"] if texts else []),
    ]


def _names(tracks: Sequence[Track | TextTrack]) -> list[str]:
    """Names of languages that are known, each once: every sound is there in several codecs."""
    known = [track for track in tracks if track.label or track.language != "und"]
    return list(dict.fromkeys(track.label or language_name(track.language) for track in known))
