"""Hand-drawn garments, stroke by stroke: what the sketch networks are measured on, and the examples of the tab.

None of them is used for training. Each line of `drawings.jsonl` is one drawing: its class (or "none" for things that
are no garment), a note, the pen's width and its strokes, as points on a sheet of 256x256 px.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHEET = 256  # px


@dataclass(frozen=True)
class Drawing:
    """One drawing.

    Attributes:
        label: a class of Fashion-MNIST, or "none".
        note: what it shows; unique among the drawings of its label.
        width: of the pen in px.
        strokes: one list of (x, y) in px per stroke, x to the right, y downwards.
    """

    label: str
    note: str
    width: int
    strokes: list[list[list[int]]]

    def render(self, size: int = 280, width: int | None = None) -> NDArray[np.uint8]:
        """The drawing as a picture (size, size), black ink on white.

        Args:
            size: side of the picture in px.
            width: of the pen in px of the 256 px sheet; the drawing's own unless given.
        """
        import cv2  # not needed by those who only want the strokes

        picture = np.full((size, size), 255, np.uint8)
        scale = size / SHEET
        lines = [np.round(np.array(stroke) * scale * 16).astype(np.int32) for stroke in self.strokes]
        pen = max(1, round((width or self.width) * scale))
        cv2.polylines(picture, lines, False, 0, pen, cv2.LINE_AA, shift=4)
        return picture

    def svg(self) -> str:
        """The drawing as a small SVG picture in the colour of the text around it."""
        lines = "".join(f'<polyline points="{" ".join(f"{x},{y}" for x, y in stroke)}"/>' for stroke in self.strokes)
        return (
            f'<svg viewBox="0 0 {SHEET} {SHEET}" fill="none" stroke="currentColor" stroke-width="{max(8, self.width)}" '
            f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{lines}</svg>'
        )


@cache
def drawings() -> tuple[Drawing, ...]:
    """All of them, in the order of the file."""
    lines = Path(__file__).with_suffix(".jsonl").read_text().splitlines()
    return tuple(Drawing(**json.loads(line)) for line in lines)
