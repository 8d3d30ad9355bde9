"""The interface in the visitors' language: English stands in the code, other languages in `text/<language>.json`.

A visitor's language is the one that the address names (`?lang=ko`), else the first that the browser asks for and we
speak. It holds while their page is handed out and while their request is worked on, and for nobody else.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

ENGLISH = "en"
CATALOGUES: dict[str, dict[str, str]] = {ENGLISH: {}} | {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted(Path(__file__).with_name("text").glob("*.json"))
}
WISH = re.compile(r"\s*(?P<tag>[\w-]+)\s*(?:;\s*[qQ]=(?P<weight>[01](?:\.\d{0,3})?)\s*)?")

_spoken = ContextVar("spoken", default=ENGLISH)


def t(english: str) -> str:
    """The sentence in the language that is spoken, or as it stands."""
    return CATALOGUES[_spoken.get()].get(english, english)


def language() -> str:
    """The language that is spoken: a key of `CATALOGUES`."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak `language`, a key of `CATALOGUES`, within the block."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def preferred(query: Mapping[str, str], headers: Mapping[str, str], otherwise: str = ENGLISH) -> str:
    """The language that a request asks for.

    Args:
        query: of its address; `lang` is the visitor's own choice.
        headers: of the request; "accept-language" is what the browser is set to, RFC 9110, section 12.5.4.
        otherwise: what to speak if neither names a language of ours.
    """
    wishes = [(2.0, query.get("lang", ""))]
    for wish in map(WISH.fullmatch, headers.get("accept-language", "").split(",")):
        if wish and (weight := float(wish["weight"] or 1)):  # 0: not this one
            wishes.append((weight, wish["tag"]))
    for _, tag in sorted(wishes, key=lambda wish: -wish[0]):
        primary = tag.lower().partition("-")[0]  # "ko-KR" is Korean
        if primary in CATALOGUES:
            return primary
    return otherwise
