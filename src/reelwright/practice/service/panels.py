"""Interviews that a company runs: set up, invited by link, scored under seal, decided by people, erased in time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import anyio.to_thread
import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Forbidden, Invalid
from reelwright.kernel.ids import new_id
from reelwright.practice.adapters import panels as sql
from reelwright.practice.adapters import room
from reelwright.practice.contract import BadQuestions, Grader, NoInvite, NoPanel, Question, Unfit, Verdict
from reelwright.practice.core.loop import wording
from reelwright.practice.core.panels import (
    DAY_MS,
    EXCUSED,
    OWNER,
    Decision,
    PanelDraft,
    Scorecard,
    Seat,
    SeatKind,
    Seen,
    Setup,
    WrittenAnswer,
    check_decision,
    checked,
    is_late,
    is_sealed,
    seen_by,
    token_hash,
)
from reelwright.practice.core.question import read_questions
from reelwright.practice.service.interviews import clean
from reelwright.practice.service.notes import Shelf

MOST_PACKS = 10
MOST_PACK_CHARS = 200_000


class Pack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question file of one's own, used in one's own interviews only."""

    name: str
    text: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log; it names nobody."""

    panel_id: str
    at_ms: int
    who: str
    did: str


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """A panel as one viewer may see it."""

    id: str
    setup: Setup
    sample: bool
    consent_ms: int
    """When the candidate agreed; 0: not yet."""
    finished_ms: int
    created_ms: int
    delete_ms: int
    """When all of it is deleted."""
    seats: tuple[Seat, ...]
    """Without scorecards; those that may be seen are in `seen`."""
    answers: tuple[WrittenAnswer, ...]
    seen: Seen
    decision: Decision | None

    def text_of(self, number: int) -> str:
        """What was written to a question."""
        return next((one.text for one in self.answers if one.number == number), "")


class PanelsService:
    """Panels of the people of this installation, and of those they invite."""

    def __init__(
        self, *, database: Database, clock: Clock, questions: Sequence[Question], grader: Grader,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._bank: Mapping[str, Question] = {one.id: one for one in questions}
        self._grader = grader
        self._packs = Shelf(database=database, clock=clock, kind="pack", shape=Pack, most=MOST_PACKS)

    # --- the owner -----------------------------------------------------------------------------------------------

    async def put_pack(self, *, person: str, pack: Pack) -> tuple[Question, ...]:
        """Check and keep a question file. Raises BadQuestions with every line, and Unfit."""
        if not pack.name.strip() or len(pack.name) > 40 or len(pack.text) > MOST_PACK_CHARS:
            raise Unfit(f"a pack has a name of at most 40 characters and a text of at most {MOST_PACK_CHARS}")
        found = await anyio.to_thread.run_sync(read_questions, pack.text, pack.name)
        taken = sorted({one.id for one in found} & self._bank.keys())
        if taken:
            raise Unfit(f"{taken[0]} is a question of the bank; give yours another id")
        await self._packs.put(person, pack.name.strip(), pack)
        return found

    async def list_packs(self, *, person: str) -> dict[str, tuple[Question, ...]]:
        """The person's packs with their questions; one that an earlier version took and this one refuses has none."""
        kept = await self._packs.list(person)
        return {name: await anyio.to_thread.run_sync(_read, one.text, name) for name, one in kept.items()}

    async def delete_pack(self, *, person: str, name: str) -> None:
        """Forget a pack; interviews set up with it keep their questions. Raises NoNote."""
        await self._packs.delete(person, name)

    async def create(self, *, person: str, draft: PanelDraft, sample: bool = False) -> tuple[str, dict[str, str]]:
        """Set up an interview; returns its id and each seat's link token, which is told this once.

        Raises Unfit, and Conflict where practice is full.
        """
        await self._database.read(room.check_new_panel, person)
        await self._database.read(room.check_room, person)
        draft = _named(draft)
        packs = await self.list_packs(person=person)
        known = {**self._bank, **{one.id: one for pack in packs.values() for one in pack}}
        missing = [name for name in draft.question_ids if name not in known]
        if missing or len(set(draft.question_ids)) < len(draft.question_ids):
            raise Unfit(f"no question {missing[0][:40]!r}" if missing else "a question is chosen twice")
        now, panel_id = self._now_ms(), new_id(self._clock)
        setup = Setup(
            candidate=draft.candidate, role=draft.role,
            questions=tuple(_worded(known[one], panel_id) for one in draft.question_ids),
            minutes=round(draft.minutes * (1 + draft.extra_time / 100)), extra_time=draft.extra_time,
            retention_days=draft.retention_days,
        )  # fmt: skip
        names: list[tuple[SeatKind, str]] = [("candidate", draft.candidate)]
        names += [("interviewer", name) for name in draft.interviewers]
        tokens = {new_id(self._clock): secrets.token_urlsafe(32) for _ in names}
        seats = [
            {"id": seat_id, "panel_id": panel_id, "kind": kind, "name": name, "token": token_hash(token),
             "expires_ms": now + draft.invite_days * DAY_MS, "scorecard": None}
            for (kind, name), (seat_id, token) in zip(names, tokens.items(), strict=True)
        ]  # fmt: skip
        panel = {
            "id": panel_id, "owner": person, "setup": msgspec.to_builtins(setup), "sample": sample, "consent_ms": 0,
            "finished_ms": 0, "decision": None, "created_ms": now, "delete_ms": now + draft.retention_days * DAY_MS,
        }  # fmt: skip
        await self._database.write(sql.put_panel, panel, seats, self._entry(person, panel_id, OWNER, "set up"))
        return panel_id, tokens

    async def list_panels(self, *, person: str) -> list[Panel]:
        """The person's panels, newest first."""
        rows = await self._database.read(sql.list_panels, person)
        return [await self._panel(row, OWNER) for row in rows]

    async def get(self, *, person: str, panel_id: str) -> Panel:
        """A panel as its owner may see it. Raises NoPanel."""
        return await self._panel(await self._row(person, panel_id), OWNER)

    async def list_entries(self, *, person: str, panel_id: str = "") -> list[Entry]:
        """The audit log, also of panels that are erased."""
        rows = await self._database.read(sql.list_entries, person, panel_id)
        return [Entry(panel_id=row["panel_id"], at_ms=row["at_ms"], who=row["who"], did=row["did"]) for row in rows]

    async def renew(self, *, person: str, panel_id: str, seat_id: str, days: int = 7) -> str:
        """A new link for a seat, the old one being void; 0 days only revokes it. Raises NoPanel, and Conflict for
        who was excused, once the scores are open."""
        await self._row(person, panel_id)
        seats = await self._database.read(sql.list_seats, panel_id)
        seat = next((one for one in seats if one["id"] == seat_id), None)
        if seat is None or not 0 <= days <= 60:
            raise NoPanel(f"no seat {seat_id[:40]!r} in this interview, or no such number of days")
        if seat["expires_ms"] == EXCUSED and not is_sealed([_seat_of(one) for one in seats]):
            raise Conflict(f"the scores are open: {seat['name']} could give no scorecard of their own any more")
        token, now = secrets.token_urlsafe(32), self._now_ms()
        entry = self._entry(
            person, panel_id, OWNER, f"{'renewed' if days else 'revoked'} a link of the {seat['kind']}"
        )
        await self._database.write(
            sql.put_link, seat_id, token_hash(token), now + days * DAY_MS if days else 0, entry
        )  # fmt: skip
        return token

    async def excuse(self, *, person: str, panel_id: str, seat_id: str) -> None:
        """Go on without an interviewer who gives no scorecard; their link is void. Raises NoPanel, Conflict."""
        await self._row(person, panel_id)
        seat = next((one for one in await self._seats(panel_id) if one.id == seat_id), None)
        if seat is None or seat.kind != "interviewer":
            raise NoPanel(f"no interviewer {seat_id[:40]!r} in this interview")
        entry = self._entry(person, panel_id, OWNER, f"went on without interviewer {seat_id[-6:]}")
        if not await self._database.write(sql.excuse_seat, seat_id, EXCUSED, entry):
            raise Conflict(f"the scorecard of {seat.name} is in, and stands")

    async def find_links(self, *, person: str, panel_id: str, tokens: Sequence[str]) -> dict[str, str]:
        """Those of these tokens that open a seat of the panel now, by the seat's id. Raises NoPanel."""
        await self._row(person, panel_id)
        by_hash = {token_hash(one): one for one in tokens}
        seats = await self._database.read(sql.list_seats, panel_id)
        return {
            one["id"]: by_hash[one["token"]] for one in seats if one["token"] in by_hash and one["expires_ms"] > 0
        }

    async def decide(self, *, person: str, panel_id: str, decision: Decision) -> Panel:
        """What people decided. Raises NoPanel, Invalid while scorecards are missing, Conflict where it is decided."""
        row = await self._row(person, panel_id)
        check_decision(await self._seats(panel_id))
        saved = await self._database.write(
            sql.change_panel, panel_id, "decision", msgspec.to_builtins(decision),
            self._entry(person, panel_id, OWNER, f"decided: {decision.outcome}"),
        )  # fmt: skip
        if not saved:
            raise Conflict("this interview is decided")
        return await self._panel({**row, "decision": msgspec.to_builtins(decision)}, OWNER)

    async def export(self, *, person: str, panel_id: str) -> Panel:
        """All that the owner may see, written down in the audit log. Raises NoPanel."""
        panel = await self.get(person=person, panel_id=panel_id)
        await self._database.write(sql.add_entry, self._entry(person, panel_id, OWNER, "exported"))
        return panel

    async def erase(self, *, person: str, panel_id: str) -> None:
        """Forget the interview; its audit log stays. Raises NoPanel."""
        await self._row(person, panel_id)
        await self._erase(person, panel_id, OWNER)

    async def purge(self) -> int:
        """Erase what is past its retention; returns how many."""
        overdue = await self._database.read(sql.list_overdue, self._now_ms())
        for row in overdue:
            await self._erase(row["owner"], row["id"], "retention")
        return len(overdue)

    # --- whoever holds a link ------------------------------------------------------------------------------------

    async def open(self, token: str) -> tuple[Panel, Seat]:
        """The panel as this link's holder may see it. Raises NoInvite."""
        seat, row = await self._seat(token)
        return await self._panel(row, seat.id), seat

    async def consent(self, token: str) -> None:
        """The candidate agrees, and the time begins. Raises NoInvite, Forbidden."""
        seat, row = await self._seat(token, "candidate")
        entry = self._entry(row["owner"], row["id"], seat.kind, "agreed, and began")
        await self._database.write(sql.change_panel, row["id"], "consent_ms", self._now_ms(), entry)

    async def answer(self, token: str, *, number: int, text: str) -> None:
        """Keep what was written. Raises NoInvite, Forbidden, Invalid; Conflict before consent and after the end, and
        once every scorecard is in: what they speak of stands."""
        _, row = await self._seat(token, "candidate")
        if not is_sealed(await self._seats(row["id"])):
            raise Conflict("every scorecard is in; your answers stand as your interviewers read them")
        if not 0 <= number < len(row["setup"]["questions"]):
            raise Invalid(f"there is no question {number}")
        values = {"panel_id": row["id"], "number": number, "text": clean(text), "at_ms": self._now_ms()}
        if not await self._database.write(sql.put_written, values):
            raise Conflict("answers are kept from your consent until you finish")

    async def finish(self, token: str) -> None:
        """The candidate is done; answers stand. Raises NoInvite, Forbidden; Conflict before consent."""
        seat, row = await self._seat(token, "candidate")
        if not row["consent_ms"]:
            raise Conflict("this interview has not begun: agree first")
        entry = self._entry(row["owner"], row["id"], seat.kind, "finished")
        await self._database.write(sql.change_panel, row["id"], "finished_ms", self._now_ms(), entry)

    async def score(self, token: str, card: Scorecard) -> None:
        """Give one's scorecard, once. Raises NoInvite, Forbidden, Invalid, Conflict."""
        seat, row = await self._seat(token, "interviewer")
        if not row["consent_ms"]:
            raise Conflict("the candidate has not agreed; nothing may be asked or noted before")
        questions = msgspec.convert(row["setup"], Setup).questions
        written = await self._database.read(sql.list_written, row["id"])
        answers = {one["number"]: one["text"] for one in written}
        card = await anyio.to_thread.run_sync(checked, card, questions, answers)
        entry = self._entry(row["owner"], row["id"], f"interviewer {seat.id[-6:]}", "gave a scorecard")
        if not await self._database.write(sql.put_scorecard, seat.id, msgspec.to_builtins(card), entry):
            raise Conflict("your scorecard is in, and stands as it is")

    async def export_own(self, token: str) -> dict[str, Any]:
        """What is kept of the candidate by their own hand. Raises NoInvite, Forbidden."""
        seat, row = await self._seat(token, "candidate")
        await self._database.write(sql.add_entry, self._entry(row["owner"], row["id"], seat.kind, "exported"))
        panel = await self._panel(row, seat.id)
        asked = [one.asks for one in panel.setup.questions]
        return {
            "name": seat.name, "consent_ms": panel.consent_ms, "finished_ms": panel.finished_ms,
            "delete_ms": panel.delete_ms,
            "answers": [{"asks": asked[one.number], "text": one.text, "at_ms": one.at_ms} for one in panel.answers],
        }  # fmt: skip

    async def erase_own(self, token: str) -> None:
        """The candidate withdraws: all of the interview is forgotten. Raises NoInvite, Forbidden."""
        seat, row = await self._seat(token, "candidate")
        await self._erase(row["owner"], row["id"], seat.kind)

    # --- parts ---------------------------------------------------------------------------------------------------

    async def _seat(self, token: str, kind: SeatKind | None = None) -> tuple[Seat, dict[str, Any]]:
        found = await self._database.read(sql.find_seat, token_hash(token))
        if found is None:
            raise NoInvite("no such invitation; use the link as it was sent, or ask for a new one")
        row, panel = found
        if row["expires_ms"] <= self._now_ms():
            raise NoInvite("this invitation has expired; ask whoever sent it for a new one")
        if kind is not None and row["kind"] != kind:
            raise Forbidden(f"this link is the {row['kind']}'s; only the {kind} may do that")
        return _seat_of(row), panel

    async def _seats(self, panel_id: str) -> list[Seat]:
        return [_seat_of(row) for row in await self._database.read(sql.list_seats, panel_id)]

    async def _row(self, person: str, panel_id: str) -> dict[str, Any]:
        row = await self._database.read(sql.get_panel, panel_id, person)
        if row is None:
            raise NoPanel(f"no interview {panel_id[:40]!r} of yours")
        return row

    async def _panel(self, row: Mapping[str, Any], viewer: str) -> Panel:
        whole, seats = msgspec.convert(row["setup"], Setup), await self._seats(row["id"])
        setup = _shown(whole, viewer, seats)
        written = await self._database.read(sql.list_written, row["id"])
        answers = tuple(
            WrittenAnswer(
                number=one["number"], text=one["text"], at_ms=one["at_ms"],
                late=is_late(row["consent_ms"], setup.minutes, one["at_ms"]),
            )
            for one in written
        )  # fmt: skip
        verdicts = {} if is_sealed(seats) else await anyio.to_thread.run_sync(self._judge, whole, answers)
        return Panel(
            id=row["id"], setup=setup, sample=row["sample"], consent_ms=row["consent_ms"],
            finished_ms=row["finished_ms"], created_ms=row["created_ms"], delete_ms=row["delete_ms"],
            seats=tuple(msgspec.structs.replace(one, scorecard=None) for one in seats), answers=answers,
            seen=seen_by(viewer, seats, verdicts),
            decision=msgspec.convert(row["decision"], Decision) if row["decision"] and viewer == OWNER else None,
        )  # fmt: skip

    def _judge(self, setup: Setup, answers: Sequence[WrittenAnswer]) -> dict[int, tuple[Verdict, ...]]:
        asked = setup.questions
        return {
            one.number: self._grader.grade(
                asks=asked[one.number].asks, criteria=asked[one.number].criteria, answer=one.text
            )
            for one in answers
        }

    async def _erase(self, owner: str, panel_id: str, who: str) -> None:
        await self._database.write(sql.erase_panel, panel_id, self._entry(owner, panel_id, who, "erased everything"))

    def _entry(self, owner: str, panel_id: str, who: str, did: str) -> dict[str, Any]:
        return {
            "id": new_id(self._clock), "owner": owner, "panel_id": panel_id, "at_ms": self._now_ms(), "who": who,
            "did": did,
        }  # fmt: skip

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def _named(draft: PanelDraft) -> PanelDraft:
    """The draft with names that can be stored. Raises Unfit where nothing is left of one."""
    names = [clean(one).strip() for one in (draft.candidate, *draft.interviewers)]
    if not all(names):
        raise Unfit("the candidate and each interviewer have a name")
    return msgspec.structs.replace(draft, candidate=names[0], interviewers=tuple(names[1:]))


def _read(text: str, name: str) -> tuple[Question, ...]:
    try:
        return read_questions(text, name)
    except BadQuestions:
        return ()


def _worded(question: Question, seed: str) -> Question:
    """The question in one of its variants."""
    return msgspec.structs.replace(question, asks=wording(question, seed), parameters={})


def _shown(setup: Setup, viewer: str, seats: Sequence[Seat]) -> Setup:
    """The setup as a viewer may see it: interviewers not who has extra time, the candidate not what is looked for."""
    if viewer == OWNER:
        return setup
    usual = round(setup.minutes / (1 + setup.extra_time / 100))
    setup = msgspec.structs.replace(setup, extra_time=0)
    if any(one.id == viewer and one.kind == "interviewer" for one in seats):
        return msgspec.structs.replace(setup, minutes=usual)
    bare = [
        msgspec.structs.replace(one, criteria=(), challenges=(), model_answer="", facts={}) for one in setup.questions
    ]
    return msgspec.structs.replace(setup, questions=tuple(bare))


def _seat_of(row: Mapping[str, Any]) -> Seat:
    card = msgspec.convert(row["scorecard"], Scorecard) if row["scorecard"] else None
    return Seat(id=row["id"], kind=row["kind"], name=row["name"], expires_ms=row["expires_ms"], scorecard=card)
