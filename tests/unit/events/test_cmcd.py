"""CMCD as CTA-5004 writes it, in both versions and all three modes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.events.core.cmcd import BadReport, Mode, read_report
from reelwright.events.core.reports import cmcd_event
from reelwright.events.core.schema import SCHEMA
from reelwright.events.core.sift import Recent, sift_array
from reelwright.events.core.stored import read_stored, stored_batch
from reelwright.kernel.ids import ProfileId, new_id

PROFILE = ProfileId(new_id())
NOW_MS = 1_700_000_000_000
SID = "6e2fb550-c457-11e9-bb97-0800200c9a66"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        # the standard's own examples, version 1
        (f'sid="{SID}"', {"sid": SID}),
        (
            f'br=3200,bs,d=4004,mtp=25400,ot=v,rtp=15000,sid="{SID}",tb=6000',
            {"br": 3200, "bs": True, "d": 4004, "mtp": 25400, "ot": "v", "rtp": 15000, "sid": SID, "tb": 6000},
        ),
        (f'b,rtp=15000,sid="{SID}"', {"rtp": 15000, "sid": SID}),
        ("bs,su", {"bs": True, "su": True}),
        (
            f'd=4004,com.example-myNumericKey=500,com.examplemyStringKey="myStringValue",sid="{SID}"',
            {"d": 4004, "com.example-myNumericKey": 500, "sid": SID},
        ),
        (
            f'nor="..%2F300kbps%2Fsegment35.m4v",sid="{SID}"',
            {"nor": "..%2F300kbps%2Fsegment35.m4v", "sid": SID},
        ),
        ('nrr="12323-48763"', {"nrr": "12323-48763"}),
        ("pr=1.08,sf=d,st=ll", {"pr": 1.08, "sf": "d", "st": "ll"}),
        ("pr=2, su=?1 ,bs=?0", {"pr": 2, "su": True, "bs": False}),
        (r'cid="a \"b\" \\ c"', {"cid": 'a "b" \\ c'}),
        ("", {}),
        # version 2
        (
            "v=2,br=(3200;v 128;a),sta=p,bl=(2100;v)",
            {
                "v": 2,
                "br": [{"value": 3200, "of": "v"}, {"value": 128, "of": "a"}],
                "sta": "p",
                "bl": [{"value": 2100, "of": "v"}],
            },
        ),
        ("v=2,bsd=(120 300)", {"v": 2, "bsd": [{"value": 120}, {"value": 300}]}),
        (
            'v=2,nor=("../a.m4v" "../b.m4v";r="0-99")',
            {"v": 2, "nor": [{"value": "../a.m4v"}, {"value": "../b.m4v", "of": "0-99"}]},
        ),
        ("v=2,mtp=25400", {"v": 2, "mtp": [{"value": 25400}]}),
        ("v=2,ltc=-20,bg,nr", {"v": 2, "ltc": -20, "bg": True, "nr": True}),
        ("v=2,tb=()", {"v": 2, "tb": []}),
        ("sta=p,msd=4", {}),  # what version 1 does not define
    ],
)
def test_a_report_is_read_as_the_standard_writes_it(text: str, keys: dict[str, Any]) -> None:
    """In the query as in the headers' values."""
    assert read_report("query", text) == keys
    assert read_report("header", f"CMCD-Session: {text}") == keys


def test_headers_are_read_together() -> None:
    """Keys are spread over four fields by how often they change."""
    lines = "CMCD-Request: bl=21300,su", "CMCD-Object: br=3200,ot=v", "CMCD-Status: bs", f'CMCD-Session: sid="{SID}"'
    keys = read_report("header", "\n".join(lines))
    assert keys == {"bl": 21300, "su": True, "br": 3200, "ot": "v", "bs": True, "sid": SID}
    with pytest.raises(BadReport, match="are CMCD's headers"):
        read_report("header", "Host: edge")


@pytest.mark.parametrize(
    ("mode", "text", "word"),
    [
        ("query", "br=fast", "br: integer"),
        ("query", "br=1.5", "br: integer"),
        ("query", "br=-1", "br: integer"),
        ("query", 'br="1"', "br: integer"),
        ("query", "br=(1)", "br: one integer"),
        ("query", "bs=1", "bs: boolean"),
        ("query", "ot=x", "ot: token"),
        ("query", 'ot="v"', "ot: token"),
        ("query", "sid=abc", "sid: string"),
        ("query", f'sid="{"x" * 65}"', "sid: too long"),
        ("query", f'cid="{"x" * 129}"', "cid: too long"),
        ("query", 'sid="abc', "expected a number, a string"),
        ("query", "br=1,,d=2", "expected a key"),
        ("query", "br=1,", "ends with a comma"),
        ("query", "br=1 d=2", "expected a comma"),
        ("query", "=1", "expected a key"),
        ("query", "br=", "expected a number"),
        ("query", "br=1234567890123456", "expected a comma"),
        ("query", "v=3", "versions 1 and 2 are known"),
        ("query", "v=1.0", "versions 1 and 2 are known"),
        ("query", "v=2,br=(1", "a list goes on"),
        ("query", "v=2,br=(1,2)", "a list goes on"),
        ("query", "v=2,br=(x)", "br: integer"),
        ("query", "v=2,br=(" + "1 " * 41 + ")", "at most 40"),
        ("query", ",".join(f"a-{n}=1" for n in range(81)), "at most 80"),
        ("query", "v=2,sta=z", "sta: token"),
        ("event", "br=1", "carries e, ts, v"),
        ("event", "v=2,e=t", "carries ts"),
        ("event", "v=1,e=t,ts=1", "carries"),
        ("event", "v=2,e=ps,ts=1", "carries sta"),
        ("event", "v=2,e=rr,ts=1", "carries url"),
        ("event", "v=2,e=ce,ts=1", "carries cen"),
        ("event", "v=2,e=dance,ts=1", "e: token"),
    ],
)
def test_a_bad_report_is_refused_with_the_reason(mode: Mode, text: str, word: str) -> None:
    """The player's author reads which key, and what was expected."""
    with pytest.raises(BadReport) as caught:
        read_report(mode, text)
    assert word in str(caught.value)


@given(st.text(alphabet='abv=,;()"?01. -\\2\x00é', max_size=40), st.sampled_from(["query", "header", "event"]))
def test_whatever_is_sent_is_read_or_refused(text: str, mode: Mode) -> None:
    """Nothing else happens, and what is read can be written as JSON."""
    try:
        keys = read_report(mode, text)
    except BadReport:
        return
    assert msgspec.json.decode(msgspec.json.encode(keys)) == keys


def test_a_posted_line_is_an_event_of_our_session_and_a_line_sent_again_is_the_same_event() -> None:
    """Our own player names its session and playable; positions and times are the report's."""
    session_id, playable_id = new_id(), new_id()
    text = f'v=2,e=ps,sta=p,ts={NOW_MS - 9},sid="{session_id}",cid="{playable_id}",pt=61500,sn=3'
    event = cmcd_event(text + "\r", PROFILE, NOW_MS)
    assert (event.session_id, event.playable_id, event.position_s) == (session_id, playable_id, 61.5)
    assert event.at_ms == NOW_MS - 9
    assert event == cmcd_event(text, PROFILE, NOW_MS + 5000)
    assert event.id != cmcd_event(text.replace("sn=3", "sn=4"), PROFILE, NOW_MS).id
    assert event.id != cmcd_event(text, ProfileId(new_id()), NOW_MS).id


def test_reports_are_logged_as_sent_and_read_as_keys() -> None:
    """A bad line fails alone; foreign players' ids name nothing here."""
    lines = [f'v=2,e=t,ts={NOW_MS},sid="{SID}"', "v=2,e=t", "nonsense here", f"v=2,e=t,ts={1 << 49}"]
    events = [cmcd_event(line, PROFILE, NOW_MS) for line in lines]
    sifted = sift_array(msgspec.Raw(msgspec.json.encode(events)), Recent(9), SCHEMA)
    assert [verdict.status for verdict in sifted.verdicts] == ["stored", "failed", "failed", "stored"]
    assert sifted.verdicts[1].reason == "CMCD: an event's report carries ts"
    record = stored_batch(
        sifted.array, profile_id=PROFILE, received_ms=NOW_MS, source="web", skew_ms=0, synthetic=False
    )
    first, last = read_stored(record).events
    assert first.data == {"mode": "event", "v": 2, "keys": {"v": 2, "e": "t", "ts": NOW_MS, "sid": SID}}
    assert first.session_id is None and last.at_ms == NOW_MS
