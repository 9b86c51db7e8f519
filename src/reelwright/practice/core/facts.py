"""The fact sheet of a design round: what a clarifying question is told, and what asking is worth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reelwright.practice.contract import Question
from reelwright.practice.core.term import term_pattern

COMMON: Mapping[str, str] = {
    "users": "200 million accounts, about 20 million of them active at the evening's peak",
    "devices": "every kind: old televisions, phones on poor lines, consoles, browsers; half of them never update",
    "regions": "three regions of data centres, viewers in 190 countries, edges in most large cities",
    "budget": "half a cent an hour watched for all delivery and services; three engineers for a year",
    "availability": "playing must go on 99.99 % of the time; everything else may fail for minutes",
}
"""Known of every service that is to be designed; a question's own facts come first."""
ASKED_FOR: Mapping[str, tuple[str, ...]] = {
    "users": ("user", "people", "account", "viewer", "household", "how many", "scale", "customer"),
    "devices": ("device", "client", "television", "phone", "browser", "platform"),
    "regions": ("region", "country", "countries", "continent", "where", "geograph*", "global"),
    "budget": ("budget", "cost", "money", "price", "spend", "team", "engineers"),
    "availability": ("availab*", "uptime", "slo", "downtime", "fail", "nines"),
}
ENOUGH = 2
"""Facts that somebody has found out who asks before designing."""
_WORD = re.compile(r"[a-z]{4,}")
_PLAIN = frozenset(
    (
        *("about", "with", "from", "that", "this", "they", "what", "which", "when", "have", "there", "each"),
        *("many", "much", "does", "will", "must", "fine", "into", "than", "them", "your", "ours"),
    )
)
"""Words of a fact that do not say what it is about."""


def sheet(question: Question) -> dict[str, str]:
    """Every fact of a question's sheet by name."""
    return {**COMMON, **question.facts}


def ask(question: Question, text: str) -> dict[str, str]:
    """The facts that a clarifying question finds out; none where it asks for none, or for everything."""
    found = {key: fact for key, fact in sheet(question).items() if _asks_for(key, fact, text, key in question.facts)}
    return found if len(found) <= 2 else dict([*found.items()][:2])


def _asks_for(key: str, fact: str, text: str, own: bool) -> bool:
    terms = [*ASKED_FOR.get(key, ()), *key.replace("_", "-").split("-")]
    if own:
        terms += [word for word in _WORD.findall(fact.lower()) if word not in _PLAIN]
    return any(term_pattern(term).search(text) for term in terms)


def says(asked: Sequence[str], question: Question) -> str:
    """What asking came to."""
    known = sum(key in asked for key in sheet(question))
    return f"{known} of {len(sheet(question))} facts asked for"
