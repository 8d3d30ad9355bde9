"""Drawings by an unsteady hand: what SketchNet is trained on besides photographs.

Three sources of strokes: the templates of `garments`; the contours of Fashion-MNIST's training photographs; and things
that are no garment at all (scribbles, faces, words, crops of photographs), labelled -1. Each is bent, turned, left
open, drawn twice, dropped in part, drawn with some pen or filled, and then prepared exactly as a visitor's drawing is.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cnn_core import data, drawing
from cnn_core.errors import Refused
from cnn_core.garments import GARMENTS, Dice, Stroke, Strokes, arc, curve, line

SHEET = 224  # px
NONE = -1  # the label of what is no garment
INNER_LINES = {4, 6}  # coats and shirts are told by what is drawn inside their outline


def unsteady(random: Generator, strokes: Strokes, largest_turn: float = 18) -> Strokes:
    """The same strokes as a hand would draw them, on a sheet of 224 px.

    Args:
        random: source of randomness.
        strokes: arrays (points, 2) in any unit, y downwards.
        largest_turn: of the whole drawing, in degrees.
    """
    points = np.concatenate(strokes)
    low, extent = points.min(0), max(np.ptp(points, 0).max(), 1e-6)
    centre = (low + points.max(0)) / 2
    clumsy = random.gamma(2, 0.35)  # most hands are fairly sure, a few are not
    turn = np.radians(random.normal(0, largest_turn / 2.5))
    rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = np.array([[1, random.normal(0, 0.06)], [random.normal(0, 0.03), 1]])
    stretch = np.diag(np.exp(random.normal(0, 0.1, 2)))
    change = rotate @ shear @ stretch
    tilt = random.normal(0, 0.12, 2) * clumsy  # perspective: what is on one side is drawn larger
    waves = [(random.normal(0, 2.5, 2), random.uniform(0, 6.3), random.normal(0, 0.02, 2) * clumsy) for _ in range(3)]
    tremor, slack = random.uniform(0, 0.006) * clumsy, 0.018 * clumsy
    flip = -1 if random.random() < 0.5 else 1
    drawn: Strokes = []
    for stroke in strokes:
        for _ in range(2 if random.random() < 0.06 else 1):
            p = (densify(stroke) - centre) / extent  # within [-0.5, 0.5]
            p = p * (1 + p @ tilt)[:, None]
            for direction, phase, size in waves:
                p = p + np.sin(p @ direction * 2 + phase)[:, None] * size
            p = p + random.normal(0, slack * 0.5, 2) + (p - p.mean(0)) * random.normal(0, slack)
            p = p + smooth_noise(random, len(p)) * slack + random.normal(0, tremor, p.shape)
            first, last = ends(random, len(p))
            drawn.append((p[first:last] @ change.T) * (flip, 1))
    points = np.concatenate(drawn)
    scale = SHEET * random.uniform(0.5, 0.9) / max(np.ptp(points, 0).max(), 1e-6)
    shift = SHEET / 2 - (points.min(0) + points.max(0)) / 2 * scale
    return [stroke * scale + shift for stroke in drawn]


def densify(stroke: Stroke, step: float = 0.06) -> Stroke:
    """More points along the same line, about one every `step` of its unit, so that it can bend."""
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    along = np.concatenate([[0], np.cumsum(lengths)])
    where = np.linspace(0, along[-1], max(2, int(along[-1] / step)))
    return np.stack([np.interp(where, along, stroke[:, axis]) for axis in (0, 1)], 1)


def smooth_noise(random: Generator, count: int) -> Stroke:
    """A slowly wandering offset (count, 2) with spread about 1."""
    knots = random.normal(0, 1, (max(2, count // 8 + 1), 2))
    where = np.linspace(0, len(knots) - 1, count)
    return np.stack([np.interp(where, np.arange(len(knots)), knots[:, axis]) for axis in (0, 1)], 1)


def ends(random: Generator, count: int) -> tuple[int, int]:
    """Where the pen goes down and up: mostly at the ends, sometimes late or early."""
    if count < 8 or random.random() < 0.8:
        return 0, count
    return int(count * random.uniform(0, 0.1)), int(count * random.uniform(0.88, 1)) + 1


def ink(random: Generator, strokes: Strokes) -> NDArray[np.uint8]:
    """Draw the strokes (in px) black on white, (224, 224), with some pen; now and then filled, or hatched."""
    sheet = np.full((SHEET, SHEET), 255, np.uint8)
    lines = [np.round(stroke * 16).astype(np.int32) for stroke in strokes]
    pen = int(np.clip(round(random.lognormal(1.6, 0.5)), 1, 20))
    if random.random() < 0.1:
        cv2.polylines(sheet, lines, False, 0, pen, cv2.LINE_AA, shift=4)
        filled = cv2.morphologyEx(255 - sheet, cv2.MORPH_CLOSE, drawing.disc(int(random.integers(3, 19))))
        outside = (filled > 127).astype(np.uint8)
        cv2.floodFill(outside, None, (0, 0), 2)
        sheet[outside != 2] = 0
        if random.random() < 0.5:  # inner lines left light
            cv2.polylines(sheet, lines, False, 255, max(1, pen // 2), cv2.LINE_AA, shift=4)
            cv2.polylines(sheet, lines[:2], False, 0, pen, cv2.LINE_AA, shift=4)
        return sheet
    for stroke in lines:
        width = int(np.clip(pen + random.integers(-1, 2), 1, 24))
        cv2.polylines(sheet, [stroke], False, 0, width, cv2.LINE_AA, shift=4)
    if random.random() < 0.04:  # hatching
        points = np.concatenate(strokes)
        (left, top), (right, bottom) = points.min(0), points.max(0)
        for x in np.linspace(left, right, int(random.integers(5, 14))):
            y = random.uniform(top, bottom)
            reach = random.uniform(8, 30)
            cv2.line(sheet, (int(x), int(y)), (int(x + reach * 0.5), int(y + reach)), 0, 1, cv2.LINE_AA)
    return sheet


def pair(random: Generator, strokes: Strokes) -> Strokes:
    """Two of the same side by side, the second mirrored or not."""
    points = np.concatenate(strokes)
    step = np.ptp(points[:, 0]) * random.uniform(1.05, 1.4)
    sign = -1 if random.random() < 0.5 else 1
    return strokes + [
        stroke * (sign, 1) + (step + (points[:, 0].min() + points[:, 0].max()) * (sign < 0), random.normal(0, 0.1))
        for stroke in strokes
    ]


def garment(random: Generator, label: int) -> NDArray[np.uint8]:
    """A drawing (224, 224) of class `label` from its template."""
    strokes = GARMENTS[label](Dice(random))
    if (label == 5 and random.random() < 0.25) or (label == 7 and random.random() < 0.05):
        strokes = pair(random, strokes)
    if (label == 5 and random.random() < 0.1) or (label == 8 and random.random() < 0.1):
        return ink(random, unsteady(random, strokes, 90))
    return ink(random, unsteady(random, strokes))


def contours(random: Generator, photograph: NDArray[np.uint8], inner: bool) -> NDArray[np.uint8]:
    """A drawing (224, 224) that follows the outline of a photograph (28, 28), and its inner lines if wanted.

    Args:
        random: source of randomness.
        photograph: light garment on black.
        inner: whether the edges inside the outline are drawn too.
    """
    large = cv2.GaussianBlur(cv2.resize(photograph, (112, 112), interpolation=cv2.INTER_CUBIC), (0, 0), 1.5)
    levels = [random.integers(12, 40)]
    if inner:
        levels += list(random.integers(50, 220, random.integers(1, 4)))
    strokes: Strokes = []
    for level in levels:
        found, _ = cv2.findContours((large > level).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        strokes += [contour[::2, 0].astype(float) for contour in found if len(contour) > 24]
    return ink(random, unsteady(random, [np.concatenate([stroke, stroke[:1]]) / 50 for stroke in strokes], 12))


@cache
def photographs() -> tuple[NDArray[np.uint8], ...]:
    """Photographs of things that are no garment: CC0 pictures that come with scikit-image."""
    from skimage import data as pictures

    return tuple(
        getattr(pictures, name)()
        for name in ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket", "page", "clock")
    )


def nothing(random: Generator) -> NDArray[np.uint8]:
    """A picture of no garment: scribble, face, word, loose shapes, or a crop of a photograph."""
    dice = Dice(random)
    kind = dice.among(
        "scribble",
        "scribble",
        "face",
        "word",
        "shapes",
        "shapes",
        "shapes",
        "crop",
        "house",
        "figure",
        "spiral",
        "flower",
        "noise",
    )
    if kind == "crop":
        picture = photographs()[random.integers(len(photographs()))]
        side = int(random.integers(60, min(picture.shape[:2])))
        top, left = (int(random.integers(0, extent - side + 1)) for extent in picture.shape[:2])
        return np.ascontiguousarray(picture[top : top + side, left : left + side])
    if kind == "noise":
        rough = random.uniform(0, 255, (int(random.integers(3, 28)),) * 2).astype(np.float32)
        return cv2.resize(rough, (112, 112), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    if kind == "word":
        sheet = np.full((SHEET, SHEET), 255, np.uint8)
        letters = "".join(random.choice(list("abcdefghklmnoprstuvwxyzABEGHKMRS0123456789?&"), random.integers(1, 6)))
        font = int(random.integers(0, 8))
        cv2.putText(sheet, letters, (12, 140), font, float(dice.between(1.0, 4.0)), 0, dice.count(2, 8), cv2.LINE_AA)
        return sheet
    strokes: Strokes = []
    if kind == "scribble":
        walk = np.cumsum(random.normal(0, 1, (dice.count(6, 40), 2)), 0)
        strokes.append(curve(*walk) if dice.chance(0.7) else walk)
    elif kind == "face":
        size = dice.between(0.08, 0.2)
        strokes = [
            arc((0, 0), (1, dice.between(0.9, 1.4))),
            arc((-0.4, -0.3), (size, size)),
            arc((0.4, -0.3), (size, size * 0.8)),
        ]
        strokes.append(arc((0, dice.between(0.1, 0.4)), (0.5, dice.between(0.1, 0.4)), 10, 170))
        if dice.chance(0.6):
            strokes.append(line((0, -0.15), (-0.12, 0.2), (0.08, 0.2)))
        if dice.chance(0.5):
            strokes += [
                curve((x, -1.0), (x + dice.between(-0.3, 0.3), -1.3), (x * 1.2, -1.5))
                for x in np.linspace(-0.7, 0.7, dice.count(3, 9))
            ]
        if dice.chance(0.3):
            strokes += [arc((-1.05, 0), (0.15, 0.25), 90, 270), arc((1.05, 0), (0.15, 0.25), -90, 90)]
    elif kind == "house":
        high = dice.between(0.6, 1.3)
        strokes = [
            line((-1, 0), (-1, high), (1, high), (1, 0), (-1, 0)),
            line((-1.1, 0), (0, -dice.between(0.5, 1.1)), (1.1, 0)),
        ]
        strokes.append(line((-0.2, high), (-0.2, high - 0.5), (0.2, high - 0.5), (0.2, high)))
        strokes += [
            line((x, 0.2), (x + 0.3, 0.2), (x + 0.3, 0.5), (x, 0.5), (x, 0.2)) for x in (-0.7, 0.4)[: dice.count(0, 2)]
        ]
    elif kind == "figure":
        strokes = [
            arc((0, -1.2), (0.3, 0.3)),
            line((0, -0.9), (0, 0.3)),
            line((-0.6, -0.4), (0, -0.6), (0.6, dice.between(-0.8, 0))),
            line((-0.5, 1.2), (0, 0.3), (0.5, 1.2)),
        ]
    elif kind == "spiral":
        angle = np.linspace(0, dice.between(8, 25), 80)
        strokes = [np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1)]
    elif kind == "flower":
        petals = dice.count(4, 8)
        strokes = [arc((0, 0), (0.3, 0.3))]
        strokes += [
            arc((0.65 * np.cos(a), 0.65 * np.sin(a)), (0.35, 0.35))
            for a in np.linspace(0, 6.28, petals, endpoint=False)
        ]
        strokes.append(curve((0, 0.9), (0.1, 1.6), (0, 2.4)))
    else:
        for _ in range(dice.count(1, 7)):
            x, y, size = dice.between(-1, 1), dice.between(-1, 1), dice.between(0.1, 1.0)
            shape = dice.among("ring", "polygon", "line", "wave", "arc")
            if shape == "ring":
                strokes.append(arc((x, y), (size, size * dice.between(0.4, 1.2))))
            elif shape == "polygon":
                angles = np.sort(random.uniform(0, 6.28, dice.count(3, 6)))
                corners = np.stack([x + size * np.cos(angles), y + size * np.sin(angles)], 1)
                strokes.append(np.concatenate([corners, corners[:1]]))
            elif shape == "line":
                strokes.append(line((x, y), (dice.between(-1, 1), dice.between(-1, 1))))
            elif shape == "wave":
                along = np.linspace(0, 1, 24)
                strokes.append(np.stack([x + along * size * 2, y + 0.2 * np.sin(along * dice.between(6, 30))], 1))
            else:
                strokes.append(arc((x, y), (size, size), dice.between(0, 180), dice.between(200, 360)))
    return ink(random, unsteady(random, strokes, 40))


def one(random: Generator, pictures: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[NDArray[np.uint8], int]:
    """One prepared drawing (28, 28) and its label: 62 % templates, 25 % contours, 13 % nothing."""
    source = random.random()
    while True:
        if source < 0.62:
            label = int(random.integers(len(GARMENTS)))
            picture = garment(random, label)
        elif source < 0.87:
            index = int(random.integers(len(pictures)))
            label = int(labels[index])
            picture = contours(random, pictures[index], label in INNER_LINES or random.random() < 0.5)
        else:
            label, picture = NONE, nothing(random)
        try:
            return np.round(drawing.prepare(picture) * 255).astype(np.uint8), label
        except Refused:  # a crop of plain sky: throw the dice again
            continue


def batch(seed: int, count: int, root: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` prepared drawings (count, 28, 28) and labels (count,), the same for the same seed."""
    cv2.setNumThreads(1)
    random = np.random.default_rng(seed)
    pictures, labels = (tensor.numpy() for tensor in data.fashion_mnist(True, root))
    made = [one(random, pictures, labels) for _ in range(count)]
    return np.stack([picture for picture, _ in made]), np.array([label for _, label in made])


def many(count: int, root: Path | None = None, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` prepared drawings (count, 28, 28) uint8 and labels (count,), on all processors."""
    sizes = [min(2000, count - begun) for begun in range(0, count, 2000)]
    seeds = [seed * 1_000_003 + index for index in range(len(sizes))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(batch, seeds, sizes, [root] * len(sizes)))
    return np.concatenate([pictures for pictures, _ in made]), np.concatenate([labels for _, labels in made])
