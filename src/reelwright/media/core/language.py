"""Languages and labels as sources give them: hostile text until it has passed here."""

from __future__ import annotations

import re

LONGEST_LABEL = 80
_ISO_639_2 = re.compile(r"[a-z]{3}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]+")


def language_code(text: str) -> str:
    """An ISO 639-2 code, `und` for anything else: it goes into manifests and into the movie header as it is."""
    code = text.strip().lower()
    code = _SHORT.get(code, code)
    return code if _ISO_639_2.fullmatch(code) else "und"


def tag_of(code: str) -> str:
    """The BCP 47 tag of an ISO 639-2 code: the two-letter form where there is one (RFC 5646, section 2.2.1)."""
    return _LONG.get(code, code)


def clean_label(text: str) -> str:
    """A name for menus: one line, nothing that cannot be seen, no longer than a menu is wide."""
    return " ".join(_UNSEEN.sub(" ", text).split())[:LONGEST_LABEL].strip()


_CODES = (
    "ar ara,bg bul,bn ben,ca cat,cs ces,cy cym,da dan,de deu,el ell,en eng,es spa,et est,eu eus,fa fas,fi fin,"
    "fr fra,ga gle,gl glg,gu guj,he heb,hi hin,hr hrv,hu hun,hy hye,id ind,is isl,it ita,ja jpn,ka kat,kk kaz,"
    "kn kan,ko kor,lt lit,lv lav,mk mkd,ml mal,mr mar,ms msa,nb nob,nl nld,nn nno,no nor,pa pan,pl pol,pt por,"
    "ro ron,ru rus,sk slk,sl slv,sq sqi,sr srp,sv swe,sw swa,ta tam,te tel,th tha,tl tgl,tr tur,uk ukr,ur urd,"
    "uz uzb,vi vie,zh zho"
)
_SHORT = {code[:2]: code[3:] for code in _CODES.split(",")}
_BIBLIOGRAPHIC = {"alb": "sq", "arm": "hy", "baq": "eu", "chi": "zh", "cze": "cs", "dut": "nl", "fre": "fr",
                  "geo": "ka", "ger": "de", "gre": "el", "ice": "is", "mac": "mk", "may": "ms", "per": "fa",
                  "rum": "ro", "slo": "sk", "wel": "cy"}  # fmt: skip
_LONG = {**{long: short for short, long in _SHORT.items()}, **_BIBLIOGRAPHIC}
