"""Whether a text holds what a criterion needs, and where: terms and structures that occur together in a sentence."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import msgspec

from reelwright.practice.contract import Criterion, Predicate, Structure


class Span(msgspec.Struct, frozen=True, order=True):
    """A piece of a text, by offsets in characters."""

    start: int
    end: int


_END = r"[\"')\]]*+(?=\s|$)"
# A run of full stops is looked at once, from its first: from each of them, a long one would take for ever.
_SENTENCE = re.compile(rf"[.!?]{{2,}}+{_END}|[^\n]+?(?:(?<![.!?])[.!?]++{_END}|(?=\n)|$)")
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
_PAST = (
    "was|made|built|wrote|chose|led|told|said|went|took|gave|ran|cut|found|began|brought|bought|held|kept|knew|left|lost|"
    "met|put|read|saw|sent|set|spent|spoke|taught|thought|understood|won|asked|drew|drove|did|got|had|paid|rebuilt|sold|"
    "stood|threw|withdrew|felt|became|broke|came|sat|shut|split|overrode|rewrote|stuck|caught|dealt|dug|fed|fought|froze|"
    "grew|hid|laid|oversaw|quit|redid|rose|shook|shrank|sought|swept|tore|undertook|undid|woke"
)
_DONE = (
    "begun|broken|chosen|done|drawn|driven|frozen|given|grown|hidden|overridden|overseen|redone|rewritten|run|seen|shown|"
    "spoken|taken|thrown|undertaken|undone|withdrawn|written"
)
_NUMBER_WORD = (
    "half|third|quarter|twice|double|doubled|tripled|halved|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    "(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|hundreds|"
    "thousands?|millions?|billions?|trillion|dozens?"
)
_UNIT = (
    r"%|per ?cent|points?|ms|µs|us|ns|s|seconds?|minutes?|min|hours?|h|days?|weeks?|months?|quarters?|years?|"
    r"[kmgtp]i?b|[kmgt]bit|[kmgt]bps|bytes?|bits?|qps|rps|x|times|fold|users?|people|members?|households?|viewers?|"
    r"engineers?|teams?|requests?|calls?|events?|rows?|titles?|streams?|servers?|nodes?|cores?|dollars?|euros?|incidents?|tickets?|"
    r"million|billion|thousand|k|m|bn"
)
STRUCTURES: dict[Structure, re.Pattern[str]] = {
    "own_action": re.compile(
        rf"\bI(?:['’]ve|\s+have|\s+had)?(?:\s+(?:also|then|first|personally|therefore|still|once|again|only|simply|even|\w+ly))?"
        rf"\s+(?:\w+ed|{_PAST})\b|\bI(?:['’]ve|\s+have|\s+had)(?:\s+\w+ly|\s+also)?\s+(?:{_DONE})\b"
    ),
    "number": re.compile(
        rf"(?:[$€£]\s?\d|\b\d[\d.,]*\s*(?:{_UNIT})\b|\b\d[\d.,]*\s*%|\b\d[\d.,]*\s+(?:[a-z]+\s+)?[a-z]{{2,}}s\b|\b(?:from|to|by|of)\s+\d[\d.,]*\b|"
        rf"\b(?:{_NUMBER_WORD})\b(?:\s+\w+)?\s+(?:{_UNIT})\b|\b(?:by|in)\s+(?:half|a\s+(?:third|quarter))\b|"
        rf"\b(?:halved|doubled|tripled)\b)",
        re.IGNORECASE,
    ),
    "cause": re.compile(
        r"\b(?:because|since|so that|as a result|therefore|due to|caused?|which (?:meant|means)|the reason|why|"
        r"otherwise|led to|leads to)\b",
        re.IGNORECASE,
    ),
    "concession": re.compile(
        r"\b(?:although|though|however|on the other hand|was wrong|were right|was right|admit(?:ted)?|conceded?|"
        r"downside|the (?:cost|price)|costs? (?:us|me)|gave up|give up|at the expense|trade-?offs?|in fairness|"
        r"but|despite|even if|i did not know|mistake|my fault)\b",
        re.IGNORECASE,
    ),
    "outcome": re.compile(
        r"\b(?:fell|rose|dropped|reduced|grew|went (?:from|to|down|up)|increased|decreased|improved|saved|resulted|"
        r"halved|doubled|shipped|launched|adopted|recovered|cancelled|ended|became|stopped|outcome|result|lost|"
        r"turned out|afterwards|in the end|stayed|within (?:a|the|\d+))\b",
        re.IGNORECASE,
    ),
    "reflection": re.compile(
        r"\b(?:learn(?:ed|t)|since then|in hindsight|next time|would (?:now|have|do)|looking back|changed (?:how|my)|"
        r"ever since|from then on|now I|today I|I now|taught me|realis(?:e|ed)|realiz(?:e|ed)|I no longer)\b",
        re.IGNORECASE,
    ),
    "question": re.compile(r"\?"),
    "work": re.compile(
        r"\b(?:team|colleague|manager|lead|engineer|director|customer|user|viewer|partner|vendor|client|candidate|"
        r"release|deploy\w*|production|service|system|server|code|data|database|table|query|quer|test|experiment|"
        r"metric|alert|incident|outage|project|product|feature|design\w*|review|launch|budget|contract|migrat\w*|"
        r"cache|latency|traffic|request|dashboard|roadmap|deadline|estimate|decision|proposal|document|report|ticket|"
        r"bug|build|pipeline|stream\w*|playback|video|app|api|platform|company|companie|model|script|backup|log|"
        r"process|plan|support|warning|rollout|prototype|research|studio|title|device|account|revenue|architecture|"
        r"tool|librar|library|standard|policy|policie|config\w*|cluster|queue|shipped|hir\w*|meeting)(?:'?s|es)?\b",
        re.IGNORECASE,
    ),
}


def sentences(text: str) -> list[Span]:
    """The sentences of a text, without the white space around them; a line break ends one."""
    found = []
    for match in _SENTENCE.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = start + len(match[0].strip())
        if end > start:
            found.append(Span(start, end))
    return found


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


def holds(predicate: Predicate, text: str) -> bool:
    """Whether this span holds all that the predicate needs."""
    return all(any(term_pattern(term).search(text) for term in group) for group in predicate.all) and all(
        STRUCTURES[structure].search(text) for structure in predicate.structures
    )


def find_evidence(predicate: Predicate, text: str, parts: Sequence[Span] | None = None) -> tuple[Span, ...]:
    """The sentences that meet the predicate: one, or for `within: answer` those with its parts; none when unmet."""
    parts = sentences(text) if parts is None else parts
    if predicate.within == "sentence":
        return next(((part,) for part in parts if holds(predicate, text[part.start : part.end])), ())
    needed = [Predicate(all=(group,)) for group in predicate.all]
    needed += [Predicate(structures=(one,)) for one in predicate.structures]
    found = [next((part for part in parts if holds(one, text[part.start : part.end])), None) for one in needed]
    return () if None in found else tuple(sorted({part for part in found if part is not None}))


def find_met(criterion: Criterion, text: str, parts: Sequence[Span] | None = None) -> tuple[Span, ...]:
    """The sentences for which a criterion is met; none when it is not."""
    parts = sentences(text) if parts is None else parts
    found = [find_evidence(predicate, text, parts) for predicate in criterion.needs]
    if criterion.match == "all":
        return tuple(sorted({span for spans in found for span in spans})) if all(found) else ()
    return next((spans for spans in found if spans), ())
