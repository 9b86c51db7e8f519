"""A term of a criterion as a pattern: with its usual endings, in either spelling, and in words that say the same."""

from __future__ import annotations

import functools
import re

_SUFFIX = r"(?:'s|s|es|d|ed|r|er|ers|ly|ing|ies|al|ment|ments)?"
IRREGULAR = {
    base: (base, *forms)
    for base, *forms in map(str.split, (
        "become became", "begin began begun", "break broke broken", "bring brought", "build built", "buy bought",
        "catch caught", "choose chose chosen", "come came", "deal dealt", "draw drew drawn", "drive drove driven",
        "fall fell fallen", "feel felt", "fight fought", "find found", "forget forgot forgotten",
        "freeze froze frozen", "get got gotten getting", "give gave given", "go goes going went gone",
        "grow grew grown", "hide hid hidden", "hold held", "keep kept", "know knew known", "lead led",
        "learn learnt", "lend lent", "lose lost", "make made", "meet met", "override overrode overridden",
        "overwrite overwrote overwritten", "pay paid", "rebuild rebuilt", "rewrite rewrote rewritten",
        "rise rose risen", "run ran", "say said", "see saw seen", "sell sold", "send sent", "show shown",
        "shrink shrank shrunk", "speak spoke spoken", "spend spent", "stand stood", "steal stole stolen",
        "stick stuck", "take took taken", "teach taught", "tell told", "think thought", "throw threw thrown",
        "understand understood", "wake woke woken", "weave wove woven", "win won", "withdraw withdrew withdrawn",
        "write wrote written",
    ))
}  # fmt: skip
"""Verbs by their base form, with the forms that no ending makes."""
_SPELLINGS = tuple(
    (re.compile(found), other)
    for found, other in (
        (r"(?<=\w\w\w)is(?=e|ing|ation|\*)", "iz"), (r"(?<=\w\w\w)iz(?=e|ing|ation|\*)", "is"),
        (r"(?<=\w)ys(?=ed?\b|ing)", "yz"), (r"(?<=\w)yz(?=e|ing)", "ys"),
        (r"(?<=\w\w\w)our", "or"), (r"(behavi|neighb|fav|col|hon|lab|flav)or", r"\1our"),
        (r"centre", "center"), (r"center", "centre"), (r"catalogue", "catalog"), (r"catalog$", "catalogue"),
        (r"(?<=\w[aeiou])ll(?=ed|ing)", "l"), (r"(?<=[bdcnv]el|nal)(?=ed|ing)", "l"),
    )
)  # fmt: skip
"""How the other side of the Atlantic writes a word."""
_ALIKE = tuple(tuple(words.split(", ")) for words in (
    "save, store, record, persist, remember", "same, identical, equal, equally",
    "delete, drop, discard, remove, throw away, throw out, get rid of, clean out, wipe",
    "rung, rendition, variant, quality level", "refuse, reject, deny, turn away", "edge, pop",
    "manifest, playlist", "segment, chunk, piece", "check, verify, make sure", "client, caller",
    "acknowledge, ack, confirm", "previous, preceding", "begin, start", "wait, stand in line", "stall, rebuffer",
    "licence, license", "percent, per cent", "twice, two times, double, a second time, second time",
    "viewer, user, customer", "different, differ, mismatch, unequal", "id, identifier, uuid",
    "simulate, replay, re-run, run through", "daily, every day, each day, every morning",
    "broadcast, publish, pub/sub, message bus",
    "because, so that, therefore, due to, hence, that is why, so i, so we",
))  # fmt: skip
"""Words that say the same in answers about such systems: a term of one family finds all of it."""


@functools.lru_cache(maxsize=20_000)
def term_pattern(term: str) -> re.Pattern[str]:
    """A term in its usual inflections and either spelling, words joined by spaces or hyphens; `*` ends any way."""
    words = [_word_pattern(word) for word in re.split(r"[\s-]+", term.strip())]
    return re.compile(r"(?<![\w])" + r"[\s\-\u2010\u2011]+".join(words) + r"(?!\w)", re.IGNORECASE)


def _word_pattern(word: str) -> str:
    return "(?:" + "|".join(_joined(one) for one in (word, *_alike(word))) + ")"


def _alike(word: str) -> list[str]:
    """What says the same as a word; as one that ends any way, from four letters."""
    stem = word.removesuffix("*")
    found = [
        one
        for one in _ALIKE
        if word in one or (stem != word and len(stem) > 3 and any(w.startswith(stem) for w in one))
    ]
    return [other for one in found for other in one if other != word]


def _joined(words: str) -> str:
    return r"[\s\-\u2010\u2011]+".join(_spelled(word) for word in words.split())


def _spelled(word: str) -> str:
    others = (spelling.sub(other, word) for spelling, other in _SPELLINGS)
    spelled = [form for one in dict.fromkeys((word, *others)) for form in IRREGULAR.get(one, (one,))]
    return "(?:" + "|".join(map(_inflected, spelled)) + ")"


def _inflected(word: str) -> str:
    if word.endswith("*"):
        return re.escape(word[:-1]) + r"\w*"
    plain = re.escape(word)
    if not word.isalpha() or len(word) < 3:
        return plain + "s?" if word.isalpha() else plain
    forms = [plain + _SUFFIX, plain + re.escape(word[-1]) + "(?:ed|ing|er)"]
    if word[-1] == "e":
        forms.append(re.escape(word[:-1]) + "(?:ing|ed|er|ation|al)")
    if word[-1] == "y":
        forms.append(re.escape(word[:-1]) + "(?:ies|ied|ier)")
    return "(?:" + "|".join(forms) + ")"
