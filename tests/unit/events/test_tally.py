"""What devices say they sent: batches that come twice, late or out of order change nothing, lies stay small."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa

from reelwright.events.adapters import sql
from reelwright.events.contract import Event, FailedEvent, StoredBatch, Tally, TallyHour
from reelwright.events.core.frame import START
from reelwright.events.core.tally import MOST, SETTLE_MS, hour_of, refused_hours
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.ids import EventId, ProfileId, new_id

HOUR = 494_000
NOW_MS = HOUR * 3_600_000
ME, YOU = ProfileId(new_id()), ProfileId(new_id())
DEVICE = new_id()


def made_in(hour: int) -> Event:
    """An event that a device made in an hour."""
    event_id = new_id(VirtualClock(hour * 3_600_000 * 1_000_000 + random.randrange(10**9)))
    return Event(id=EventId(event_id), type="page_view", at_ms=NOW_MS, data={"page": "/"})


def batch(*events: Event, hours: dict[int, tuple[int, int]], profile_id: ProfileId = ME, **more: Any) -> StoredBatch:
    """A batch as it lies in the log, with (made, done) of some hours."""
    told = [TallyHour(hour=hour, made=made, done=done) for hour, (made, done) in hours.items()]
    received_ms = more.pop("received_ms", NOW_MS)
    tally = Tally(sender=DEVICE, hours=told)
    return StoredBatch(
        events=list(events), profile_id=profile_id, received_ms=received_ms, source="web", tally=tally, **more
    )


class Account:
    """The projections' account, in a database of its own."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://")
        sql.METADATA.create_all(self.engine)
        self.place = START

    def project(self, *batches: StoredBatch) -> None:
        """One transaction each."""
        for one in batches:
            with self.engine.begin() as connection:
                until = (self.place[0], self.place[1] + 1)
                self.place = sql.project(connection, "web", [one], self.place, until, NOW_MS)

    def hours(self, *, settled_ms: int = NOW_MS + SETTLE_MS) -> dict[int, tuple[int, int, int, int]]:
        """By hour: made, waiting on devices, stored, missing."""
        with self.engine.connect() as connection:
            found = sql.list_sent(connection, 0, settled_ms)
        return {one.hour: (one.made, one.waiting, one.stored, one.missing) for one in found}


def test_what_was_sent_and_stored_adds_up() -> None:
    """Also while the device does not know yet that its last batch came."""
    account, events = Account(), [made_in(HOUR) for _ in range(5)]
    account.project(batch(*events[:3], hours={HOUR: (3, 0)}), batch(*events[3:], hours={HOUR: (5, 3)}))
    assert account.hours() == {HOUR: (5, 0, 5, 0)}


def test_what_a_device_is_done_with_and_never_came_is_missing() -> None:
    """One of five, once it is settled, and not before."""
    account, events = Account(), [made_in(HOUR) for _ in range(4)]
    account.project(batch(*events, hours={HOUR: (5, 5)}))
    assert account.hours(settled_ms=NOW_MS - 1) == {HOUR: (5, 1, 4, 0)}
    assert account.hours() == {HOUR: (5, 0, 4, 1)}


@pytest.mark.parametrize("seed", range(20))
def test_batches_that_come_twice_and_in_any_order_raise_no_alarm(seed: int) -> None:
    """Whatever the order, the account is the same in the end."""
    chance = random.Random(seed)
    batches, made = list[StoredBatch](), 0
    for _ in range(10):
        events = [made_in(HOUR) for _ in range(chance.randint(1, 4))]
        batches.append(batch(*events, hours={HOUR: (made + len(events), made)}))
        made += len(events)
    batches.append(batch(hours={HOUR: (made, made)}))
    sent = batches * 2
    chance.shuffle(sent)
    account = Account()
    account.project(*sent)
    assert account.hours() == {HOUR: (made, 0, made, 0)}


def test_events_that_waited_for_days_settle_their_own_hour() -> None:
    """The hour is the one that the ids tell."""
    account, old = Account(), [made_in(HOUR - 100) for _ in range(2)]
    account.project(batch(made_in(HOUR - 100), hours={HOUR - 100: (3, 0)}))
    assert account.hours() == {HOUR - 100: (3, 2, 1, 0)}
    account.project(batch(*old, made_in(HOUR), hours={HOUR - 100: (3, 1), HOUR: (1, 0)}))
    account.project(batch(hours={HOUR - 100: (3, 3), HOUR: (1, 1)}))
    assert account.hours() == {HOUR - 100: (3, 0, 3, 0), HOUR: (1, 0, 1, 0)}


def test_refused_events_are_not_missing() -> None:
    """They came, and count for the hour of their id."""
    account, bad = Account(), made_in(HOUR)
    raw = b'{"id":"%s","type":"nothing"}' % bad.id.encode()
    refused = refused_hours([FailedEvent(raw=raw, reason="odd"), FailedEvent(raw=b"{", reason="torn")], NOW_MS)
    assert refused == {HOUR: 2}
    account.project(batch(made_in(HOUR), hours={HOUR: (3, 3)}, refused=refused))
    assert account.hours() == {HOUR: (3, 0, 1, 0)}


@pytest.mark.parametrize(
    "hours",
    [{HOUR: (MOST + 1, MOST + 1)}, {HOUR + 2: (9, 9)}, {HOUR - 46 * 24: (9, 9)}, {0: (9, 9)}],
    ids=["more than a device makes", "the future", "long ago", "no clock"],
)
def test_what_cannot_be_is_not_believed(hours: dict[int, tuple[int, int]]) -> None:
    """It raises no alarm, and the events are stored all the same."""
    account = Account()
    account.project(batch(made_in(HOUR), hours=hours))
    assert account.hours() == {HOUR: (0, 0, 1, 0)}


def test_nobody_spoils_anothers_account() -> None:
    """The same name said by another profile is another account."""
    account = Account()
    account.project(batch(made_in(HOUR), hours={HOUR: (1, 1)}))
    account.project(batch(made_in(HOUR), hours={HOUR: (7, 7)}, profile_id=YOU))
    with account.engine.connect() as connection:
        (found,) = sql.list_sent(connection, 0, NOW_MS + SETTLE_MS)
    assert (found.senders, found.missing, found.missing_senders) == (2, 6, 1)


def test_an_id_tells_its_hour() -> None:
    """As the device that made it counted it."""
    assert hour_of(made_in(HOUR).id) == HOUR
