"""The lake's tables: their columns, in the words that SQL users read. Pure."""

from __future__ import annotations

import msgspec

EVENTS, FAILED = "events", "failed_events"


class Column(msgspec.Struct, frozen=True):
    """One column; every column may be null but those that a table's key names."""

    name: str
    type: str
    """`string`, `int`, `long`, `double`, `bool`, `date` or `timestamp` (UTC, microseconds)."""
    says: str


class Table(msgspec.Struct, frozen=True):
    """One table, partitioned by `day`."""

    name: str
    says: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(column.name for column in self.columns)


def _columns(text: str) -> tuple[Column, ...]:
    """Columns written one a line as `name type what it says`."""
    return tuple(Column(*line.split(maxsplit=2)) for line in text.strip().splitlines())


TABLES = (
    Table(
        EVENTS,
        "every event that was acknowledged, once",
        _columns("""
            id string the event's id, made by the client
            day date the UTC day that an event counts for: its session's, else its own
            happened_at timestamp when it happened: the client's clock, corrected and bounded
            received_at timestamp when it was acknowledged
            type string page_view, play, heartbeat, … as in the events reference
            version int version of the event's schema
            source string the process that wrote it to its log
            synthetic bool made by the synthetic audience
            profile_id string who
            session_id string in which playback session
            title_id string about which title
            playable_id string about which film or episode
            position_s double where in it
            duration_s double how long it is
            start_ms double request to first frame
            stall_ms double how long this stall took
            watched_ms double played so far in this session, stalls apart
            stalls long stalls so far in this session
            stalled_ms double waited in stalls so far in this session
            bitrate_bps double average so far in this session, or the new quality's
            height int picture's height
            edge string which edge served
            device string kind of device
            experiment string which experiment was seen
            cell string which of its cells
            value double a thumb's judgement, or what else an event counts
            code string error code
            data string everything else the event carried, as JSON
        """),
    ),
    Table(
        FAILED,
        "every event that was refused, with the reason",
        _columns("""
            id string where it lies: log, segment, offset, place in the batch
            day date the UTC day that it came
            received_at timestamp when it came
            source string the process that refused it
            event_id string the id it claims, if any
            reason string why it was refused
            profile_id string who sent it
            synthetic bool sent by the synthetic audience
            raw string what was sent
        """),
    ),
    Table(
        "playback_sessions",
        "one row a playback session",
        _columns("""
            session_id string the session
            day date the UTC day it began
            profile_id string who watched
            title_id string what
            playable_id string which film or episode
            synthetic bool by the synthetic audience
            device string on which kind of device
            edge string the edge that served last
            began_at timestamp first event
            ended_at timestamp last event
            started bool there was a first frame
            start_ms double request to first frame
            watched_s double played, stalls apart
            stalls long how often it stalled
            stalled_s double how long it stalled in all
            bitrate_bps double average
            errors long errors that were reported
            position_s double furthest position
            duration_s double how long the playable is
        """),
    ),
    Table(
        "qoe_days",
        "quality of experience a day, device, edge and title; sums, so that any of them can be added up",
        _columns("""
            day date the UTC day
            device string kind of device
            edge string the edge
            title_id string the title
            synthetic bool by the synthetic audience
            sessions long sessions
            started long sessions with a first frame
            start_ms double sum of their start times
            watched_s double seconds played
            stalls long stalls
            stalled_s double seconds stalled
            bits double bits played: bitrate times seconds
            errors long errors
            failed long sessions with an error and no first frame
        """),
    ),
    Table(
        "title_days",
        "popularity of titles a day",
        _columns("""
            day date the UTC day
            title_id string the title
            synthetic bool by the synthetic audience
            sessions long sessions
            viewers long distinct profiles
            watched_s double seconds played
            completed long sessions that saw 95 % of it
        """),
    ),
    Table(
        "edge_days",
        "what each edge served a day",
        _columns("""
            day date the UTC day
            edge string the edge
            synthetic bool by the synthetic audience
            sessions long sessions
            titles long distinct titles
            watched_s double seconds played
            bits double bits played
            stalled_s double seconds stalled
        """),
    ),
    Table(
        "exposures",
        "who saw which cell of which experiment, once a day",
        _columns("""
            day date the UTC day
            experiment string the experiment
            cell string its cell
            profile_id string who
            synthetic bool the synthetic audience
            first_at timestamp first time that day
            exposures long how often
        """),
    ),
    Table(
        "metric_facts",
        "what experiments are scored on: one row a day, profile and metric",
        _columns("""
            day date the UTC day
            profile_id string who
            metric string watched_s, sessions, started, start_ms, stall_ratio, errors, completed, thumbs, searches
            synthetic bool the synthetic audience
            value double numerator; add it up
            weight double denominator; add it up: 1 for counts, sessions for start_ms, seconds for stall_ratio
        """),
    ),
)
BY_NAME = {table.name: table for table in TABLES}
