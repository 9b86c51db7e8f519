"""Languages and labels as sources give them: hostile text until it has passed here."""

from __future__ import annotations

import re

LONGEST_LABEL = 80
_ISO_639_2 = re.compile(r"[a-z]{3}")
_SUBTAG = re.compile(r"[A-Za-z]{4}|[A-Za-z]{2}|[0-9]{3}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]+")


def language_code(tag: str) -> str:
    """The ISO 639-2 code of a tag, `und` for anything else: it goes into manifests and the movie header as it is."""
    code = _subtags(tag)[0].lower()
    code = _SHORT.get(code, code)
    return code if _ISO_639_2.fullmatch(code) else "und"


def tag_of(code: str) -> str:
    """The BCP 47 tag of an ISO 639-2 code: the two-letter form where there is one (RFC 5646, section 2.2.1)."""
    return _LONG.get(code, code)


def language_name(code: str) -> str:
    """A language as its speakers call it; codes that we have no word for stay codes."""
    return _NAMES.get(tag_of(code), code if code != "und" else "Original")


def variant_name(tag: str) -> str:
    """A name for menus where a tag tells more than the language, as `pt-BR` or `zh-Hant`; else empty."""
    code, subtags = language_code(tag), [one for one in _subtags(tag)[1:] if _SUBTAG.fullmatch(one)]
    if code == "und" or not subtags:
        return ""
    told = (_VARIANTS.get(one.lower(), one.title() if len(one) == 4 else one.upper()) for one in subtags)
    return f"{language_name(code)} ({', '.join(told)})"


def _subtags(tag: str) -> list[str]:
    return re.split("[-_]", tag.strip()[:LONGEST_LABEL])


def clean_label(text: str) -> str:
    """A name for menus: one line, nothing that cannot be seen, no longer than a menu is wide."""
    return " ".join(_UNSEEN.sub(" ", text).split())[:LONGEST_LABEL].strip()


_LANGUAGES = """
ar ara العربية, bg bul Български, bn ben বাংলা, ca cat Català, cs ces Čeština, cy cym Cymraeg,
da dan Dansk, de deu Deutsch, el ell Ελληνικά, en eng English, es spa Español, et est Eesti,
eu eus Euskara, fa fas فارسی, fi fin Suomi, fr fra Français, ga gle Gaeilge, gl glg Galego,
gu guj ગુજરાતી, he heb עברית, hi hin हिन्दी, hr hrv Hrvatski, hu hun Magyar, hy hye Հայերեն,
id ind Bahasa Indonesia, is isl Íslenska, it ita Italiano, ja jpn 日本語, ka kat ქართული, kk kaz Қазақша,
kn kan ಕನ್ನಡ, ko kor 한국어, lt lit Lietuvių, lv lav Latviešu, mk mkd Македонски, ml mal മലയാളം,
mr mar मराठी, ms msa Bahasa Melayu, nb nob Norsk bokmål, nl nld Nederlands, nn nno Nynorsk, no nor Norsk,
pa pan ਪੰਜਾਬੀ, pl pol Polski, pt por Português, ro ron Română, ru rus Русский, sk slk Slovenčina,
sl slv Slovenščina, sq sqi Shqip, sr srp Српски, sv swe Svenska, sw swa Kiswahili, ta tam தமிழ்,
te tel తెలుగు, th tha ไทย, tl tgl Tagalog, tr tur Türkçe, uk ukr Українська, ur urd اردو,
uz uzb Oʻzbekcha, vi vie Tiếng Việt, zh zho 中文
"""
_ROWS = [row.split(maxsplit=2) for row in _LANGUAGES.replace("\n", " ").split(",")]
_NAMES = {short: name.strip() for short, _, name in _ROWS}
_VARIANTS = {"hans": "简体", "hant": "繁體", "419": "Latinoamérica", "br": "Brasil", "pt": "Portugal", "es": "España"}
_SHORT = {short: code for short, code, _ in _ROWS}
_BIBLIOGRAPHIC = {"alb": "sq", "arm": "hy", "baq": "eu", "chi": "zh", "cze": "cs", "dut": "nl", "fre": "fr",
                  "geo": "ka", "ger": "de", "gre": "el", "ice": "is", "mac": "mk", "may": "ms", "per": "fa",
                  "rum": "ro", "slo": "sk", "wel": "cy"}  # fmt: skip
_LONG = {**{long: short for short, long in _SHORT.items()}, **_BIBLIOGRAPHIC}
