"""What an answer may hold besides terms, by its words: an own action, a number, a cause and the like."""

from __future__ import annotations

import re

from reelwright.practice.contract import Structure

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
