"""What holds for the whole page: its heading, and what a visitor takes along from tab to tab.

A visit has one current picture: the one that was chosen last, in whichever tab. It is known by its source, which is an
example's name or the place of an upload; each tab compares that with the source of what it shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import gradio as gr
from gradio.context import Context
from PIL import Image

from cnn_core.errors import Refused
from demos._parts import shown, told
from demos._photographs import picture_of, receive
from demos._text import CATALOGUES, language, speaking, t

HTML, JS = (Path(__file__).with_name(f"heading.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
MOST = 2_000  # characters of a link


@dataclass(frozen=True)
class Visit:
    """What a visitor takes along, as `gr.State` components of the page.

    Attributes:
        picture: source of the current picture; "" before one was chosen.
        handed: what a link has just handed over to the tab that it opens, such as {"tab": ..., "network": ...}; {}
            otherwise.
    """

    picture: gr.State
    handed: gr.State


def visit() -> Visit:
    """That of the page which is being laid out."""
    page: Any = Context.root_block
    if not hasattr(page, "visit"):
        page.visit = Visit(gr.State(""), gr.State({}))
    return page.visit


def when_opened(begin: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any], **settings: Any) -> Any:
    """Call `begin` whenever the tab that is being laid out is opened; a page of one tab is opened once.

    A tab that is opened again before it has begun, by a link perhaps, begins once more.
    """
    place, page = Context.block, Context.root_block
    listen = place.select if isinstance(place, gr.Tab) else page.load  # pyright: ignore[reportOptionalMemberAccess]
    return listen(begin, inputs, outputs, trigger_mode="always_last", **settings)


OPEN_PART = """() => {
    const query = new URL(location).searchParams, selected = query.get('part');
    const ours = (query.get('tab') ?? '%s') === '%s' && %s.includes(selected);
    return { ...(ours && { selected }), __type__: 'update' };
}"""


def part_of(tab: str, title: str, name: str) -> gr.Tab:
    """A part of a tab, to be laid out by `with`; while it is open, the address says `&part=<name>`.

    Of the first nothing is said: it is open anyway, and reports so as soon as its tab is opened. The listener is added
    before those of the part's contents: the page runs them in turn, and what a part shows may take long.
    """
    first = not Context.block.children  # pyright: ignore[reportOptionalMemberAccess]
    values = json.dumps({"part": None if first else name})
    made = gr.Tab(title, id=name)
    made.select(None, js=f"() => window.convlens?.shows('{tab}', {values})", api_visibility="private")
    return made


def keep_part(tab: str, parts: gr.Tabs) -> None:
    """Open the part of a tab that the address names.

    Args:
        tab: the tab's name.
        parts: its parts, laid out already.
    """
    names = [each.id for each in parts.children if isinstance(each, gr.Tab)]
    page = Context.root_block
    page.load(None, None, parts, js=OPEN_PART % (tab, tab, json.dumps(names)), api_visibility="private")  # pyright: ignore[reportOptionalMemberAccess]


# At once, ahead of answers that wait in the queue, and without opening the picture: the tab that is opened next asks.
# The page runs an event's listeners one after the other, in the order in which they were added: add this one first.
CHOSEN: dict[str, Any] = {"queue": False, "preprocess": False, "api_visibility": "private", "show_progress": "hidden"}


def chosen(picture: Any) -> list[str]:
    """What a visitor chooses is what the tab shows, and the visit's current picture: its source, twice.

    Args:
        picture: as a picture component sends it; where it lies is looked at when it is opened.
    """
    return [str((picture or {}).get("path") or "")] * 2


def asked_of(tab: str, first: bool, handed: dict[str, str], request: gr.Request | None) -> dict[str, str]:
    """What a link asks a tab for: one in the page, or, when the tab is first opened, the page's own address."""
    if handed.get("tab") == tab:
        return handed
    query = dict(request.query_params) if first and request else {}
    return query if query.get("tab", tab) == tab else {}


def to_show(current: str, shows: str | None, example: str = "") -> tuple[str, Image.Image | None]:
    """Source and picture for a tab that is opened: the visit's, else what it shows already, else an example.

    What cannot be read is said, and passed over.

    Args:
        current: source of the visit's picture.
        shows: source of what the tab shows; None when it is opened for the first time.
        example: source of its own example.
    """
    for source in dict.fromkeys(filter(None, (current, shows, example))):
        try:
            return source, receive(picture_of(source))
        except Refused as refused:
            gr.Info(told(refused))
    return "", None


def open_in(links: dict[str, dict[str, Any]]) -> str:
    """Links to other tabs, which the current picture follows, as HTML.

    Args:
        links: texts, and what the address says, such as {"tab": ..., "network": ...}.
    """
    anchors = "".join(f'<a href="?{escape(urlencode(query))}">{escape(text)}</a>' for text, query in links.items())
    return (
        f'<nav class="open-in" aria-label="{escape(t("Open in"))}"><span>{escape(t("Open in"))}</span>{anchors}</nav>'
    )


class Heading(gr.HTML):
    """Name, link to what is shown, and the other languages.

    Args:
        tabs: names of the page's tabs, in order.
    """

    def __init__(self, tabs: list[str]) -> None:
        words = {
            "language": language(),
            "page": t("This page"),
            "about": t("See inside convolutional networks."),
            "copy": t("Copy link"),
            "copied": t("Link copied. It opens what you see, without your own pictures and drawings."),
            "byHand": t("Please copy this link yourself:"),
            "noTab": t("The link names a tab that there is not: here is the first one."),
        }
        html = re.sub(r"{{words\.(\w+)}}", lambda found: escape(words[found[1]]), HTML)
        super().__init__(
            html_template=html.replace("{{languages}}", "".join(map(link, CATALOGUES))),
            js_on_load=f"const words = {json.dumps(words)};\nconst tabs = {json.dumps(tabs)};\n{JS}",
            apply_default_css=False,
            elem_id="heading",
        )


def link(other: str) -> str:
    """To the same page in another language, which it names in that language; "" for the one that is spoken."""
    if other == language():
        return ""
    with speaking(other):
        return f'<a href="?lang={other}" hreflang="{other}" lang="{other}">{escape(t("English"))}</a>'


def build(tabs: list[str]) -> None:
    """Lay out the heading."""
    heading = Heading(tabs)
    heading.select(shown(handed), None, visit().handed, api_visibility="private", show_progress="hidden").then(
        None, js="() => convlens.go()", api_visibility="private"
    )


def handed(event: gr.EventData) -> dict[str, str]:
    """What a link to a tab says."""
    return dict(parse_qsl(str((event._data or {}).get("query", ""))[:MOST].removeprefix("?")))
