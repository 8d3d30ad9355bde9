"""The interface in the visitors' language: English stands in the code, other languages in `text/<language>.json`."""

import json
from pathlib import Path

_catalogue: dict[str, str] = {}


def use(language: str) -> None:
    """Speak `language` ("en", "de", ...) from now on; English where there is no catalogue for it."""
    path = Path(__file__).with_name("text") / f"{language}.json"
    _catalogue.clear()
    if path.is_file():
        _catalogue.update(json.loads(path.read_text(encoding="utf-8")))


def t(english: str) -> str:
    """The sentence in the language in use, or as it stands."""
    return _catalogue.get(english, english)
