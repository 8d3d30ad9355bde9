"""What stands behind a tab: its formulas, the code that computes its figures, and how to do so without the page."""

from __future__ import annotations

import ast
import os
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import gradio as gr

from demos import About
from demos._text import t

LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


class Source(NamedTuple):
    """A function or class as it stands in its file.

    Attributes:
        file: as seen from the project's folder, e.g. "cnn_core/receptive_field.py".
        line: its first, counted from 1; decorators belong to it.
        text: as written, but for the indentation of the whole.
    """

    file: str
    line: int
    text: str


def source(name: str) -> Source:
    """Read "cnn_core.module:function" from its file; importing the module might bring PyTorch along."""
    module, _, path = name.partition(":")
    lines, places = outline(module)
    first, last = places[path]
    return Source(f"{module.replace('.', '/')}.py", first, dedent("\n".join(lines[first - 1 : last])))


@cache
def outline(module: str) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """A module's lines, and the first and last of each function and class in it; a method is "Class.method"."""
    spec = find_spec(module)
    assert spec
    assert spec.origin
    text = Path(spec.origin).read_text(encoding="utf-8")
    places: dict[str, tuple[int, int]] = {}
    bodies: list[tuple[str, list[ast.stmt]]] = [("", ast.parse(text).body)]
    for within, body in bodies:  # which grows meanwhile
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min(each.lineno for each in (node, *node.decorator_list))
                places[within + node.name] = first, node.end_lineno or first
                bodies.append((f"{within}{node.name}.", node.body))
    return text.split("\n"), places


def listed(about: About) -> str:
    """What computes a tab's figures, each with its source to open, and the six lines, as HTML."""
    space, parts = os.environ.get("SPACE_ID"), ""
    for name in about.code:
        found = source(name)
        label = f"{found.file} · {name.partition(':')[2]}"
        link = ""
        if space:  # a Space shows its own files
            address = f"https://huggingface.co/spaces/{space}/blob/main/{found.file}#L{found.line}"
            link = f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(t("Open the file"))}</a>'
        parts += f"<details><summary><code>{escape(label)}</code></summary>{link}{block(found.text)}</details>"
    hint = t("In this project's folder, with what {file} lists installed:").format(file="requirements.txt")
    return (
        f"<h3>{escape(t('Computed by'))}</h3>{parts}<p>{escape(t(about.device))}</p>"
        f"<h3>{escape(t('In six lines of Python'))}</h3><p>{escape(hint)}</p>{block(about.python)}"
    )


def block(code: str) -> str:
    """Code as HTML; long lines scroll within it, by keyboard too."""
    return f'<pre tabindex="0"><code>{escape(code.strip())}</code></pre>'


def build(about: About) -> None:
    """Lay it out, closed, inside the caller's Blocks."""
    with gr.Accordion(t("About this tab"), open=False, elem_classes="about"):
        gr.Markdown(t(about.text), latex_delimiters=LATEX)
        gr.HTML(listed(about), js_on_load=None)
