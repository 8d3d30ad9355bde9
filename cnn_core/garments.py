"""Garments as people draw them: parametric templates with wide random variation, as strokes.

Every function draws one kind of garment on a sheet where x runs to the right, y downwards, and a garment is about two
units wide and two high. It returns strokes: arrays (points, 2). What is drawn, and how, is thrown by dice: sleeves of
every length, necks of every kind, open and closed fronts, shoes from the side and sandals from above, handles and
straps as one line or two. `synthesis` adds the unsteady hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Stroke = NDArray[np.floating[Any]]
Strokes = list[Stroke]
Point = tuple[float, float]


def line(*points: Point) -> Stroke:
    """Straight from point to point."""
    return np.array(points, float)


def curve(*points: Point, closed: bool = False) -> Stroke:
    """A smooth line through the points (centripetal enough for drawings: uniform Catmull-Rom, 1974)."""
    knots = np.array(points, float)
    padded = (
        np.concatenate([knots[-1:], knots, knots[:2]]) if closed else np.concatenate([knots[:1], knots, knots[-1:]])
    )
    before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, 8, endpoint=False)[:, None, None]
    pieces = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )  # (8, pieces, 2)
    return np.concatenate([pieces.transpose(1, 0, 2).reshape(-1, 2), end[-1:]])


def arc(centre: Point, radii: Point, start: float = 0, stop: float = 360) -> Stroke:
    """Part of an ellipse; angles in degrees, 0 to the right and 90 downwards."""
    angle = np.radians(np.linspace(start, stop, max(6, int(abs(stop - start) / 12))))
    return np.stack([centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], 1)


def mirrored(stroke: Stroke) -> Stroke:
    """Left for right."""
    return stroke * (-1, 1)


class Dice:
    """Random choices in the words that the templates need.

    Args:
        random: where the randomness comes from.
    """

    def __init__(self, random: Generator) -> None:
        self.random = random

    def between(self, low: float, high: float) -> float:
        """A number, evenly from `low` to `high`."""
        return float(self.random.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Whether something happens."""
        return bool(self.random.random() < probability)

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both possible."""
        return int(self.random.integers(low, high + 1))

    def among(self, *choices: str) -> str:
        """One of them; name one twice to make it twice as likely."""
        return choices[int(self.random.integers(len(choices)))]


def buttons(dice: Dice, x: float, top: float, bottom: float) -> Strokes:
    """A row of small circles or dots down a front."""
    size = dice.between(0.015, 0.06)
    return [arc((x, y), (size, size)) for y in np.linspace(top, bottom, dice.count(2, 7))]


def motif(dice: Dice, x: float, y: float, size: float) -> Strokes:
    """A print on a chest: a shape, a letter, a number, a heart."""
    kind = dice.among("ring", "box", "letter", "star", "wave", "heart", "face", "tree")
    if kind == "ring":
        return [arc((x, y), (size, size * dice.between(0.6, 1.2)))]
    if kind == "box":
        return [
            line(
                (x - size, y - size),
                (x + size, y - size),
                (x + size, y + size),
                (x - size, y + size),
                (x - size, y - size),
            )
        ]
    if kind == "letter":
        return [
            line((x - size, y + size), (x, y - size), (x + size, y + size)),
            line((x - size / 2, y + size / 4), (x + size / 2, y + size / 4)),
        ]
    if kind == "star":
        angles = np.radians(-90 + 144 * np.arange(6))
        return [np.stack([x + size * np.cos(angles), y + size * np.sin(angles)], 1)]
    if kind == "heart":
        left = curve((x, y - size / 2), (x - size / 2, y - size), (x - size, y - size / 3), (x, y + size))
        return [left, (left - (x, 0)) * (-1, 1) + (x, 0)]
    if kind == "face":
        return [
            arc((x, y), (size, size)),
            arc((x, y), (size / 2, size / 2), 20, 160),
            arc((x - size / 3, y - size / 3), (0.03, 0.03)),
            arc((x + size / 3, y - size / 3), (0.03, 0.03)),
        ]
    if kind == "tree":
        return [
            line((x, y - size), (x + size, y + size / 2), (x - size, y + size / 2), (x, y - size)),
            line((x, y + size / 2), (x, y + size)),
        ]
    return [curve((x - size, y), (x - size / 2, y - size / 2), (x, y), (x + size / 2, y + size / 2), (x + size, y))]


def sleeve(dice: Dice, shoulder: Point, armpit: Point, length: float, angle: float) -> tuple[Stroke, Strokes]:
    """The right sleeve's outline from shoulder to armpit, and what is drawn on it.

    Args:
        dice: for its width and details.
        shoulder: its upper end at the body.
        armpit: its lower end at the body.
        length: from the shoulder.
        angle: degrees below the horizontal.
    """
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    across = np.array([-along[1], along[0]])
    root = np.hypot(armpit[0] - shoulder[0], armpit[1] - shoulder[1])
    width = root * dice.between(0.45, 1.05)
    end = np.array(shoulder) + length * along
    inner = end + width * across
    elbow = np.array(shoulder) + length * dice.between(0.3, 0.6) * along - across * dice.between(-0.05, 0.12)
    outer = curve(shoulder, tuple(elbow), tuple(end)) if dice.chance(0.5) else line(shoulder, tuple(end))
    outline = np.concatenate([outer, line(tuple(inner), armpit)])
    details: Strokes = []
    if dice.chance(0.3):  # a cuff
        for step in range(dice.count(1, 2)):
            back = along * length * (0.08 + 0.08 * step)
            details.append(line(tuple(end - back), tuple(inner - back)))
    if dice.chance(0.2):  # the seam where the sleeve is set in
        details.append(curve(shoulder, (armpit[0] * 0.95, (shoulder[1] + armpit[1]) / 2), armpit))
    return outline, details


def upper_body(
    dice: Dice,
    sleeves: tuple[float, float],
    lengths: tuple[float, float],
    flare: tuple[float, float],
    necks: tuple[str, ...],
    waist: tuple[float, float] = (0.9, 1.05),
) -> tuple[Strokes, dict[str, float]]:
    """What T-shirt, pullover, shirt, coat and dress have in common: shoulders, sleeves, sides, hem and neck.

    Args:
        dice: for everything else.
        sleeves: shortest and longest sleeve; 0 is none.
        lengths: shortest and longest body, from the shoulder down.
        flare: narrowest and widest hem, over the width under the arms.
        necks: kinds of neck to choose from.
        waist: narrowest and widest waist, over the width under the arms.

    Returns:
        the strokes, and the measures that details are placed by: neck, depth, chest, hem, armpit, bottom.
    """
    neck, slope = dice.between(0.12, 0.38), dice.between(0.02, 0.28)
    shoulder = dice.between(0.5, 0.85)
    armpit = slope + dice.between(0.25, 0.6)
    chest = shoulder * dice.between(0.72, 1.02)
    bottom = dice.between(*lengths)
    hem = chest * dice.between(*flare)
    middle = chest * dice.between(*waist), armpit + (bottom - armpit) * dice.between(0.25, 0.5)
    length = dice.between(*sleeves)
    angle = dice.between(5, 85) if length > 0.15 else 0.0
    strokes: Strokes = []
    for side in (1, -1):
        tilt = angle + dice.between(-8, 8)
        if length > 0.15:
            arm, details = sleeve(dice, (shoulder, slope), (chest, armpit), length * dice.between(0.92, 1.08), tilt)
        else:
            inset = shoulder * dice.between(0.75, 1.0)
            arm, details = curve((shoulder, slope), (inset, (slope + armpit) / 2), (chest, armpit)), []
        flank = (
            curve((chest, armpit), middle, (hem, bottom)) if dice.chance(0.7) else line((chest, armpit), (hem, bottom))
        )
        top = line((neck, 0), (shoulder, slope))
        # Some draw the whole side in one go, some piece by piece, some the body first and the arms onto it.
        habit = dice.among("whole", "whole", "pieces", "body first")
        parts = {
            "whole": [np.concatenate([top, arm, flank])],
            "pieces": [top, arm, flank],
            "body first": [np.concatenate([top, line((shoulder, slope), (chest, armpit)), flank]), arm],
        }[habit]
        strokes += [stroke * (side, 1) for stroke in parts + details]
    sag = dice.between(-0.06, 0.12)
    strokes.append(curve((-hem, bottom), (0, bottom + sag), (hem, bottom)))
    depth = dice.between(0.05, 0.35)
    kind = dice.among(*necks)
    if kind == "round":
        strokes.append(curve((-neck, 0), (-neck * 0.6, depth * 0.8), (0, depth), (neck * 0.6, depth * 0.8), (neck, 0)))
    elif kind == "rings":
        strokes += [arc((0, 0), (neck, depth * 0.7), 0, 180), arc((0, 0), (neck, depth * 0.4), 180, 360)]
        if dice.chance(0.5):
            strokes.append(arc((0, 0), (neck * 1.2, depth), 0, 180))
    elif kind == "v":
        strokes.append(line((-neck, 0), (0, depth * 1.6), (neck, 0)))
        depth *= 1.6
    elif kind == "straight":
        strokes.append(line((-neck, 0), (neck, 0)))
        depth = 0
    elif kind == "turtle":
        rise, lean = dice.between(0.1, 0.35), dice.between(-0.05, 0.08)
        strokes += [line((-neck, 0), (-neck + lean, -rise), (neck - lean, -rise), (neck, 0))]
        if dice.chance(0.7):
            strokes.append(curve((-neck, 0), (0, depth * 0.4), (neck, 0)))
        depth *= 0.4
    elif kind == "collar":
        point = neck * dice.between(0.5, 1.1), depth + dice.between(0.05, 0.2)
        for side in (1, -1):
            strokes.append(line((neck * side, 0), (point[0] * side, point[1]), (0, depth * 0.8)))
        rise = -dice.between(0, 0.12)
        strokes.append(curve((-neck, 0), (0, rise), (neck, 0)))
        if dice.chance(0.5):
            strokes.append(curve((-neck, 0), (0, depth * 0.8), (neck, 0)))
    elif kind == "lapels":
        deep = dice.between(0.35, 0.9)
        notch = neck + dice.between(0.02, 0.25), deep * dice.between(0.35, 0.6)
        for side in (1, -1):
            strokes.append(line((neck * side, 0), (0, deep)))
            if dice.chance(0.8):
                strokes.append(line((neck * side, 0), (notch[0] * side, notch[1]), (0, deep)))
        if dice.chance(0.6):
            strokes.append(curve((-neck, 0), (0, -dice.between(0, 0.15)), (neck, 0)))
        depth = deep
    elif kind == "hood":
        rise = dice.between(0.25, 0.6)
        strokes.append(curve((-neck, 0), (-neck * 1.3, -rise * 0.6), (0, -rise), (neck * 1.3, -rise * 0.6), (neck, 0)))
        if dice.chance(0.7):
            strokes.append(
                curve(
                    (-neck * 0.7, 0),
                    (-neck * 0.7, -rise * 0.5),
                    (0, -rise * 0.75),
                    (neck * 0.7, -rise * 0.5),
                    (neck * 0.7, 0),
                )
            )
        strokes.append(curve((-neck, 0), (0, depth), (neck, 0)))
    return strokes, {"neck": neck, "depth": depth, "chest": chest, "hem": hem, "armpit": armpit, "bottom": bottom}


def stripes(dice: Dice, body: dict[str, float]) -> Strokes:
    """Lines across the body, straight, wavy or in zigzag."""
    top, bottom = body["armpit"] + dice.between(-0.1, 0.2), body["bottom"] - dice.between(0.05, 0.4)
    wave = dice.among("straight", "straight", "wave", "zigzag")
    strokes: Strokes = []
    for y in np.linspace(top, max(top, bottom), dice.count(1, 6)):
        x = np.linspace(-1, 1, 13 if wave != "straight" else 3) * body["chest"] * dice.between(0.85, 1.0)
        lift = (
            0.06 * (np.arange(len(x)) % 2) if wave == "zigzag" else 0.05 * np.sin(np.arange(len(x))) * (wave == "wave")
        )
        strokes.append(np.stack([x, y + lift], 1))
    return strokes


def t_shirt(dice: Dice) -> Strokes:
    """Short sleeves pointing anywhere between out and down; now and then a tank top."""
    if dice.chance(0.12):
        strokes, body = upper_body(dice, (0, 0), (1.1, 1.7), (0.9, 1.2), ("round", "round", "v", "straight"))
    else:
        strokes, body = upper_body(
            dice, (0.18, 0.75), (1.0, 1.7), (0.85, 1.15), ("round", "round", "rings", "v", "straight", "none")
        )
    if dice.chance(0.15):
        strokes += motif(dice, dice.between(-0.1, 0.1), body["armpit"] + dice.between(0, 0.3), dice.between(0.1, 0.3))
    if dice.chance(0.1):
        strokes += stripes(dice, body)
    if dice.chance(0.08):
        x, y = body["chest"] * dice.between(0.2, 0.4), body["armpit"]
        strokes.append(line((x, y), (x + 0.2, y), (x + 0.2, y + 0.2), (x + 0.1, y + 0.26), (x, y + 0.2), (x, y)))
    if dice.chance(0.1):
        strokes.append(line((-body["hem"], body["bottom"] - 0.08), (body["hem"], body["bottom"] - 0.08)))
    return strokes


def pullover(dice: Dice) -> Strokes:
    """Long sleeves, closed front; cuffs, bands and patterns now and then."""
    strokes, body = upper_body(
        dice,
        (0.85, 1.5),
        (1.05, 1.7),
        (0.8, 1.1),
        ("round", "round", "rings", "v", "straight", "turtle", "turtle", "hood", "none"),
    )
    if dice.chance(0.45):  # hem band, with ribs now and then
        y = body["bottom"] - dice.between(0.08, 0.2)
        strokes.append(line((-body["hem"], y), (body["hem"], y)))
        if dice.chance(0.4):
            strokes += [
                line((x, y), (x, body["bottom"])) for x in np.linspace(-body["hem"], body["hem"], dice.count(5, 12))
            ]
    if dice.chance(0.3):
        strokes += stripes(dice, body)
    elif dice.chance(0.25):
        strokes += motif(dice, dice.between(-0.1, 0.1), body["armpit"] + dice.between(0, 0.4), dice.between(0.1, 0.35))
    if dice.chance(0.08):  # the pouch of a hooded one
        y = body["bottom"] - 0.2
        strokes.append(line((-0.35, y), (-0.2, y - 0.3), (0.2, y - 0.3), (0.35, y)))
    return strokes


def coat(dice: Dice) -> Strokes:
    """Long sleeves and an opening down the front: closed with a line or a row of buttons, or standing open."""
    strokes, body = upper_body(
        dice,
        (0.85, 1.5),
        (1.1, 2.3),
        (0.85, 1.35),
        ("lapels", "lapels", "lapels", "collar", "collar", "v", "hood", "round", "turtle", "none"),
    )
    top, bottom = body["depth"], body["bottom"]
    front = dice.among("line", "line", "two lines", "open", "open", "overlap")
    if front == "line":
        strokes.append(line((0, top), (dice.between(-0.05, 0.05), bottom)))
    elif front == "two lines":
        gap = dice.between(0.04, 0.12)
        strokes += [line((-gap, top), (-gap, bottom)), line((gap, top), (gap, bottom))]
    elif front == "open":
        gap = body["hem"] * dice.between(0.15, 0.6)
        strokes += [line((body["neck"] * 0.6 * side, top * 0.6), (gap * side, bottom)) for side in (1, -1)]
        if dice.chance(0.3):
            strokes.append(curve((-body["neck"], 0), (0, 0.1), (body["neck"], 0)))
    else:
        strokes.append(line((0, top), (body["hem"] * dice.between(0.1, 0.35), bottom)))
    if dice.chance(0.5) and front != "open":
        x = dice.between(0.04, 0.14)
        for side in (1, -1) if dice.chance(0.25) else (1,):
            strokes += buttons(dice, x * side, top + 0.1, bottom - dice.between(0.1, 0.5))
    if dice.chance(0.45):  # pockets, as slits, flaps or boxes
        x, y = body["chest"] * dice.between(0.3, 0.55), bottom - (bottom - body["armpit"]) * dice.between(0.2, 0.6)
        size, slant, deep = dice.between(0.12, 0.25), dice.between(-0.12, 0.12), dice.between(0.08, 0.25)
        slit = dice.chance(0.5)
        for side in (1, -1):
            box = (
                line((x, y), (x + size, y + slant))
                if slit
                else line((x, y), (x + size, y), (x + size, y + deep), (x, y + deep), (x, y))
            )
            strokes.append(box * (side, 1))
    if dice.chance(0.2):
        y = body["armpit"] + (bottom - body["armpit"]) * dice.between(0.25, 0.5)
        strokes += [
            line((-body["chest"], y), (body["chest"], y)),
            line((-body["chest"], y + 0.1), (body["chest"], y + 0.1)),
        ]
    return strokes


def shirt(dice: Dice) -> Strokes:
    """A collar with two points and a row of buttons, with sleeves of any length."""
    sleeves = (0.25, 0.7) if dice.chance(0.4) else (0.9, 1.45)
    strokes, body = upper_body(dice, sleeves, (1.2, 1.75), (0.9, 1.1), ("collar",))
    front = dice.among("line", "line", "two lines", "half", "buttons only")
    top, bottom = body["depth"], body["bottom"]
    if front == "line":
        strokes.append(line((0, top), (0, bottom)))
    elif front == "two lines":
        strokes += [line((-0.06, top), (-0.06, bottom)), line((0.06, top), (0.06, bottom))]
    elif front == "half":
        bottom = top + 0.45
        strokes.append(line((-0.07, top), (-0.07, bottom), (0.07, bottom), (0.07, top)))
    if front == "buttons only" or dice.chance(0.65):
        strokes += buttons(dice, dice.between(-0.01, 0.06), top + 0.08, bottom - 0.1)
    if dice.chance(0.35):
        x, y = body["chest"] * dice.between(0.25, 0.4), body["armpit"] + dice.between(-0.05, 0.15)
        for side in (1, -1) if dice.chance(0.3) else (1,):
            strokes.append(line((x, y), (x + 0.22, y), (x + 0.22, y + 0.24), (x, y + 0.24), (x, y)) * (side, 1))
    if dice.chance(0.1):  # a tie
        strokes.append(line((0, top), (-0.09, top + 0.6), (0, top + 0.72), (0.09, top + 0.6), (0, top)))
    if dice.chance(0.12):
        strokes += stripes(dice, body)
    return strokes


def dress(dice: Dice) -> Strokes:
    """Narrow at the waist or not, wide at the hem; straps, no sleeves, short ones or long ones."""
    sleeves = {"none": (0.0, 0.0), "short": (0.2, 0.5), "long": (0.8, 1.3)}[
        dice.among("none", "none", "none", "short", "long")
    ]
    waist = (0.55, 0.95)
    if dice.chance(0.35):  # a bodice on two thin straps, or strapless
        top, bust, bottom = dice.between(0.15, 0.5), dice.between(0.28, 0.5), dice.between(1.9, 2.6)
        narrow, hem = bust * dice.between(0.6, 1.0), bust * dice.between(1.0, 3.2)
        level = top + dice.between(0.35, 0.7)
        side = (
            curve((bust, top), (narrow, level), ((narrow + hem) / 2, (level + bottom) / 2), (hem, bottom))
            if dice.chance(0.6)
            else line((bust, top), (narrow, level), (hem, bottom))
        )
        strokes = [side, mirrored(side)]
        strokes.append(
            curve(
                (-bust, top),
                (-bust / 2, top - 0.06),
                (0, top + dice.between(-0.02, 0.15)),
                (bust / 2, top - 0.06),
                (bust, top),
            )
        )
        if dice.chance(0.8):
            x, lean = bust * dice.between(0.5, 1.0), dice.between(-0.2, 0.1)
            double = dice.chance(0.4)
            for offset in (0, 0.07) if double else (0,):
                strap = line((x - offset, top), (max(0.0, x + lean - offset), 0))
                strokes += [strap, mirrored(strap)]
        body = {"chest": narrow, "hem": hem, "armpit": level, "bottom": bottom}
    else:
        strokes, body = upper_body(
            dice, sleeves, (1.8, 2.6), (1.0, 2.4), ("round", "round", "v", "straight", "none"), waist
        )
        level = body["armpit"] + (body["bottom"] - body["armpit"]) * dice.between(0.2, 0.4)
    if dice.chance(0.45):
        for y in (level, level + 0.1) if dice.chance(0.4) else (level,):
            strokes.append(line((-body["chest"] * 0.8, y), (body["chest"] * 0.8, y)))
    if dice.chance(0.25):  # folds
        strokes += [
            line((x * 0.3, level + 0.1), (x, body["bottom"] - 0.1))
            for x in np.linspace(-body["hem"], body["hem"], dice.count(3, 6))[1:-1]
        ]
    if dice.chance(0.2):  # a wavy hem
        x = np.linspace(-body["hem"], body["hem"], 17)
        strokes.append(np.stack([x, body["bottom"] + 0.06 * np.sin(np.arange(17) * 1.6)], 1))
    if dice.chance(0.08):
        strokes += [
            arc((dice.between(-0.3, 0.3), dice.between(level, body["bottom"])), (0.05, 0.05))
            for _ in range(dice.count(3, 8))
        ]
    return strokes


def trouser(dice: Dice) -> Strokes:
    """Two legs: straight, flared or narrow, apart or split by one line; now and then short."""
    waist, hip = dice.between(0.3, 0.55), dice.between(0.38, 0.62)
    length = dice.between(0.75, 1.3) if dice.chance(0.12) else dice.between(1.7, 2.8)
    crotch = dice.between(0.45, 0.8) * min(1.0, length / 1.6)
    spread = dice.between(-0.1, 0.45)
    ankle = dice.between(0.14, 0.5)
    outer = hip + spread
    inner = max(dice.between(0.0, 0.06), outer - ankle)
    bent = dice.chance(0.5)
    strokes: Strokes = []
    for side in (1, -1):
        knee = (hip + outer) / 2 + dice.between(-0.08, 0.05), (crotch + length) / 2
        flank = (
            curve((waist, 0), (hip, crotch * 0.7), knee, (outer, length))
            if bent
            else line((waist, 0), (hip, crotch * 0.6), (outer, length))
        )
        foot = line((outer, length), (inner, length + dice.between(-0.05, 0.05)))
        inside = line((inner, length), (0, crotch))
        leg = [np.concatenate([flank, foot, inside])] if dice.chance(0.6) else [flank, foot, inside]
        strokes += [stroke * (side, 1) for stroke in leg]
    strokes.append(curve((-waist, 0), (0, dice.between(-0.06, 0.1)), (waist, 0)))
    if dice.chance(0.4):
        strokes.append(line((-waist, 0.13), (waist, 0.13)))
        if dice.chance(0.4):
            strokes += [line((x, 0), (x, 0.13)) for x in np.linspace(-waist, waist, dice.count(3, 6))[1:-1]]
    if dice.chance(0.35):
        strokes.append(
            line((0, 0), (0, crotch)) if dice.chance(0.5) else curve((0, 0.1), (0.08, crotch * 0.5), (0, crotch * 0.8))
        )
    if dice.chance(0.4):
        slant = dice.between(0.0, 0.25)
        pocket = curve((waist * 0.5, 0.12), (waist * 0.65, 0.12 + slant), (hip * 0.95, 0.3 + slant / 2))
        strokes += [pocket, mirrored(pocket)]
    if dice.chance(0.15):
        crease = line(((hip + 0) / 2, crotch), ((outer + inner) / 2, length))
        strokes += [crease, mirrored(crease)]
    if dice.chance(0.12):
        strokes += [line((inner * side, length - 0.12), (outer * side, length - 0.12)) for side in (1, -1)]
    return strokes


def footwear(dice: Dice, shaft: float, heel: float) -> tuple[Strokes, dict[str, float]]:
    """A closed shoe from the side, toe to the right: the upper's outline and the sole.

    Args:
        dice: for everything else.
        shaft: height of the opening above the sole.
        heel: height of the heel under the sole; 0 is flat.
    """
    sole = dice.between(0.0, 0.28)
    toe, instep = dice.between(0.22, 0.5), dice.between(-0.25, 0.2)
    back, mouth = dice.between(-0.08, 0.08), dice.between(-0.35, -0.05)
    shaft = max(shaft, toe + 0.05)
    lean = dice.between(-0.08, 0.1)
    front = [
        (mouth, -shaft + dice.between(-0.05, 0.12)),
        (instep, -toe - (shaft - toe) * dice.between(0.25, 0.5)),
        (0.62, -toe * dice.between(0.75, 1.0)),
        (0.92, -toe * 0.55),
        (1.0, -0.02),
    ]
    heel_side = [(-1.0, 0.0), (-1.02 + back, -shaft * 0.5), (-0.95 + lean, -shaft)]
    dip = dice.between(0.0, 0.14)
    collar = [(-0.95 + lean, -shaft), ((-0.95 + mouth) / 2, -shaft + dip), front[0]]
    whole = dice.chance(0.5)
    upper = [curve(*heel_side), curve(*collar), curve(*front)]
    strokes = [np.concatenate(upper)] if whole else upper
    if heel > 0.02:
        block = dice.between(0.25, 0.55) if heel < 0.35 else dice.between(0.1, 0.4)
        arch = curve(
            (-1.0 + block, heel), (-1.0 + block + 0.12, heel * 0.25), (-0.1, heel * 0.3), (0.4, heel + 0.0), (1.0, heel)
        )
        if heel < 0.35:
            strokes += [line((-1.0, 0), (-0.98, heel), (-1.0 + block, heel)), arch, line((1.0, heel), (1.0, 0))]
            if dice.chance(0.6):
                strokes.append(line((-1.0, 0), (1.0, 0)))
        else:
            strokes += [line((-1.0, 0), (-0.95, heel), (-0.95 + block / 2, heel), (-1.0 + block, heel * 0.15))]
            strokes.append(curve((-1.0 + block, heel * 0.15), (0.0, heel * 0.55), (0.4, heel), (1.02, heel)))
            strokes.append(curve((1.0, -0.02), (1.05, heel * 0.6), (1.02, heel)))
    elif sole > 0.06:
        bump = dice.between(-0.03, 0.06)
        strokes.append(line((-1.0, 0), (-1.02 - bump, sole), (1.03 + bump, sole), (1.0, 0)))
        if dice.chance(0.85):
            strokes.append(curve((-1.0, 0), (0, dice.between(-0.05, 0.05)), (1.0, 0)))
        if dice.chance(0.15):
            strokes += [line((x, sole * 0.5), (x, sole)) for x in np.linspace(-0.95, 0.95, dice.count(6, 16))]
    else:
        strokes.append(line((-1.0, 0), (1.0, 0)))
        if dice.chance(0.3):
            strokes.append(curve((-1.0, -0.12), (0, -0.1), (1.0, -0.1)))
    return strokes, {"toe": toe, "mouth": mouth, "instep": instep, "shaft": shaft}


def laces(dice: Dice, start: Point, end: Point) -> Strokes:
    """Ticks or crosses across the instep."""
    size = dice.between(0.06, 0.18)
    lean = dice.between(-0.6, 0.6)
    crossed = dice.chance(0.4)
    strokes: Strokes = []
    for share in np.linspace(0, 1, dice.count(2, 6)):
        x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
        strokes.append(line((x - size * lean, y - size * 0.3), (x - size * 0.4, y + size)))
        if crossed:
            strokes.append(line((x - size, y), (x + size * 0.3, y + size)))
    if dice.chance(0.2):
        strokes += [
            arc((start[0] + 0.1, start[1] - 0.1), (0.12, 0.07)),
            arc((start[0] - 0.1, start[1] - 0.12), (0.1, 0.06)),
        ]
    return strokes


def shoe_details(dice: Dice, shoe: dict[str, float], probability: float) -> Strokes:
    """Toe cap, laces, stripes, heel tab and tongue, each with its own chance."""
    strokes: Strokes = []
    toe, mouth, instep, shaft = shoe["toe"], shoe["mouth"], shoe["instep"], shoe["shaft"]
    if dice.chance(probability):
        strokes += laces(dice, (mouth + 0.08, -shaft * 0.85), (max(instep, mouth) + 0.4, -toe * 0.95))
    if dice.chance(probability * 0.6):
        x = dice.between(0.5, 0.8)
        strokes.append(curve((x, -toe * 0.9), (x - 0.12, -toe * 0.4), (x + dice.between(-0.1, 0.1), 0)))
    if dice.chance(probability * 0.4):
        for offset in np.linspace(0, 0.3, dice.count(1, 3)):
            strokes.append(line((-0.3 + offset, -shaft * 0.6), (-0.05 + offset, 0)))
    elif dice.chance(probability * 0.3):
        strokes.append(curve((-0.6, -shaft * 0.3), (-0.2, -0.1), (0.45, -toe * 0.8)))
    if dice.chance(probability * 0.4):
        strokes.append(curve((-0.72, -shaft * 0.95), (-0.66, -shaft * 0.5), (-0.7, 0)))
    if dice.chance(probability * 0.35):
        strokes.append(line((mouth - 0.02, -shaft), (mouth + 0.1, -shaft - 0.14), (mouth + 0.22, -shaft * 0.85)))
    return strokes


def sneaker(dice: Dice) -> Strokes:
    """A low shoe from the side, from trainer to slip-on and lace-up; now and then from above."""
    if dice.chance(0.06):
        outline = sole_from_above(dice)
        mouth = arc((0, 0.45), (dice.between(0.16, 0.26), dice.between(0.3, 0.45)))
        return [
            outline,
            mouth,
            *(line((-0.15, y), (0.15, y - 0.02)) for y in np.linspace(-0.35, 0.0, dice.count(2, 5))),
        ]
    heel = dice.between(0.08, 0.6) if dice.chance(0.22) else 0.0
    strokes, shoe = footwear(dice, dice.between(0.35, 0.95), heel)
    return strokes + shoe_details(dice, shoe, 0.55)


def ankle_boot(dice: Dice) -> Strokes:
    """A shaft above the ankle, on a flat sole, a block or a high heel."""
    heel = dice.between(0.1, 0.9) if dice.chance(0.6) else 0.0
    shaft = dice.between(1.05, 2.0)
    strokes, shoe = footwear(dice, shaft, heel)
    strokes += shoe_details(dice, shoe, 0.25)
    mouth = shoe["mouth"]
    if dice.chance(0.25):  # a cuff, or a band around the top
        y = -shaft + dice.between(0.1, 0.3)
        strokes.append(line((-0.95, y), (mouth, y)))
    if dice.chance(0.15):
        x = (mouth - 0.95) / 2
        strokes.append(line((x, -shaft), (x + dice.between(-0.1, 0.1), -0.1)))
    if dice.chance(0.12):
        strokes += [line((-0.8, -shaft * 0.9), (-0.72, -0.35), (-0.45, -0.35), (-0.4, -shaft * 0.9))]
    if dice.chance(0.12):
        strokes.append(line((-1.0, -shaft * 0.35), (mouth + 0.3, -shaft * 0.4)))
    return strokes


def sole_from_above(dice: Dice) -> Stroke:
    """The outline of a sole seen from above, toes up."""
    ball, middle, heel = dice.between(0.34, 0.5), dice.between(0.2, 0.4), dice.between(0.24, 0.42)
    skew = dice.between(-0.1, 0.1)
    return curve(
        (skew, -1.0), (ball * 0.85 + skew, -0.8), (ball, -0.35), (middle, 0.2), (heel, 0.65), (heel * 0.6, 0.95),
        (0, 1.02), (-heel * 0.6, 0.95), (-heel, 0.65), (-middle * dice.between(0.9, 1.1), 0.2), (-ball, -0.35),
        (-ball * 0.85 + skew, -0.8),
        closed=True,
    )  # fmt: skip


def sandal_from_above(dice: Dice) -> Strokes:
    """A sole with a strap shaped like a V or Y, or with bands or crosses over it."""
    strokes = [sole_from_above(dice)]
    kind = dice.among("v", "v", "v", "y", "bands", "cross", "one")
    toe, back = dice.between(-0.75, -0.4), dice.between(-0.2, 0.3)
    wide = dice.between(0.28, 0.46)
    if kind in "vy":
        bend = dice.between(-0.05, 0.12)
        straps = [
            curve((0, toe), (wide * 0.6 * side, (toe + back) / 2 - bend), (wide * side, back)) for side in (1, -1)
        ]
        strokes += straps
        if dice.chance(0.35):  # the strap has two edges
            strokes += [stroke * (1, 1) + (0, dice.between(0.1, 0.2)) for stroke in straps]
        if kind == "y":
            strokes.append(line((0, toe), (0, toe - 0.2)))
        if dice.chance(0.2):
            strokes.append(arc((0, toe), (0.06, 0.06)))
    elif kind == "bands":
        for y in np.linspace(-0.6, dice.between(-0.2, 0.6), dice.count(2, 4)):
            strokes.append(curve((-0.42, y + 0.08), (0, y - 0.06), (0.42, y + 0.08)))
    elif kind == "cross":
        strokes += [line((-0.44, -0.5), (0.38, 0.1)), line((0.44, -0.5), (-0.38, 0.1))]
        if dice.chance(0.5):
            strokes.append(curve((-0.3, 0.5), (0, 0.42), (0.3, 0.5)))
    else:
        strokes.append(curve((-0.44, -0.15), (0, dice.between(-0.5, -0.2)), (0.44, -0.15)))
    return strokes


def sandal_from_side(dice: Dice) -> Strokes:
    """A sole, flat or on a heel or wedge, with straps bowed over it as lines or bands, and air between them."""
    kind = dice.among("flat", "flat", "wedge", "heel", "heel")
    thick = dice.between(0.0, 0.25)
    rise = 0.0 if kind == "flat" else dice.between(0.3, 1.1)

    def tread(x: float) -> float:  # height of the sole's upper side at x
        return -rise * float(np.clip((0.35 - x) / 1.2, 0, 1) ** 1.2)

    xs = np.linspace(-1, 1, 15)
    upper = np.array([(x, tread(x)) for x in xs])
    strokes = [upper]
    if kind == "flat":
        strokes.append(
            line((-1, 0), (-1.02, thick), (1.02, thick), (1, 0)) if thick > 0.04 else line((-1, 0.02), (1, 0.02))
        )
    elif kind == "wedge":
        strokes.append(line((-1, tread(-1)), (-1.0, thick), (1.0, thick), (1, 0)))
    else:
        slim = dice.between(0.03, 0.4)
        strokes.append(line((-1, tread(-1)), (-0.97, thick), (-0.97 + slim, thick), (-0.9 + slim, tread(-0.9) + 0.12)))
        if dice.chance(0.6):
            strokes.append(upper[2:] + np.array([0, max(0.06, thick * 0.6)]))
    for _ in range(dice.count(1, 4)):  # bands over the foot
        x, wide, high = dice.between(-0.2, 0.75), dice.between(0.15, 0.45), dice.between(0.2, 0.5)
        strokes.append(
            curve(
                (x - wide, tread(x - wide)),
                (x - wide * 0.5, tread(x) - high),
                (x + wide * 0.4, tread(x) - high * 0.9),
                (x + wide, tread(x + wide)),
            )
        )
        if dice.chance(0.4):
            inner = wide * dice.between(0.45, 0.7)
            strokes.append(
                curve((x - inner, tread(x - inner)), (x, tread(x) - high * 0.7), (x + inner, tread(x + inner)))
            )
    if dice.chance(0.6):  # at the heel: a loop, or a strap round the ankle
        high = dice.between(0.3, 0.8)
        top = tread(-0.8) - high
        strokes.append(
            curve(
                (-0.98, tread(-1)),
                (-1.0, top + 0.1),
                (-0.8, top),
                (-0.5, top + dice.between(-0.05, 0.1)),
                (-0.4, tread(-0.4)),
            )
        )
        if dice.chance(0.5):
            strokes.append(curve((-0.95, top + 0.15), (-0.65, top + 0.25), (-0.35, top + 0.15)))
        if dice.chance(0.5):
            strokes.append(line((-0.45, top + 0.1), (dice.between(0.2, 0.6), tread(0.3) - 0.2)))
    if dice.chance(0.08):
        strokes += [
            curve((-0.9, -rise - y), (-0.6, -rise - y - 0.08), (-0.3, -rise - y))
            for y in np.linspace(0.5, 1.3, dice.count(2, 4))
        ]
    return strokes


def sandal(dice: Dice) -> Strokes:
    """From above or from the side."""
    return sandal_from_above(dice) if dice.chance(0.45) else sandal_from_side(dice)


def handle(dice: Dice, width: float, top: float) -> Strokes:
    """A bow over the bag, as one line or two, round or angular."""
    high, wide = dice.between(0.2, 1.2), width * dice.between(0.3, 0.95)
    angular = dice.chance(0.25)

    def bow(reach: float, rise: float) -> Stroke:
        if angular:
            return line((-reach, top), (-reach * 0.85, top - rise), (reach * 0.85, top - rise), (reach, top))
        return curve(
            (-reach, top),
            (-reach * 0.85, top - rise * 0.7),
            (0, top - rise),
            (reach * 0.85, top - rise * 0.7),
            (reach, top),
        )

    strokes = [bow(wide, high)]
    if dice.chance(0.45):
        band = dice.between(0.06, 0.16)
        strokes.append(bow(max(0.05, wide - band), max(0.05, high - band)))
    if dice.chance(0.15):  # the one behind
        strokes.append(bow(wide, high) * (0.85, 1) + (dice.between(-0.1, 0.1), -0.08))
    return strokes


def bag(dice: Dice) -> Strokes:
    """Handbag, tote, purse, clutch, backpack, suitcase, duffel: a body, and something to hold it by."""
    high, low, height = dice.between(0.45, 1.0), dice.between(0.6, 1.05), dice.between(0.6, 1.8)
    shape = dice.among("trapezoid", "trapezoid", "trapezoid", "rounded", "rounded", "round", "sack")
    if shape == "trapezoid":
        body = line((-high, 0), (-low, height), (low, height), (high, 0), (-high, 0))
    elif shape == "rounded":
        body = curve(
            (-high, 0),
            (-low, height * 0.5),
            (-low * 0.85, height * 0.95),
            (0, height),
            (low * 0.85, height * 0.95),
            (low, height * 0.5),
            (high, 0),
        )
        body = np.concatenate([body, line((-high, 0))])
    elif shape == "round":
        body = arc((0, height / 2), (low, height / 2))
    else:
        body = curve(
            (-high * 0.6, 0),
            (-low, height * 0.6),
            (-low * 0.7, height),
            (low * 0.7, height),
            (low, height * 0.6),
            (high * 0.6, 0),
        )
        body = np.concatenate([body, line((-high * 0.6, 0))])
    strokes = [body]
    grip = dice.among("handle", "handle", "handle", "handle", "long strap", "two straps", "knob", "none")
    if grip == "handle":
        strokes += handle(dice, high if shape != "round" else low * 0.7, 0.0 if shape != "round" else height * 0.12)
    elif grip == "long strap":
        rise = dice.between(0.9, 2.0)
        for inset in (0, 0.08) if dice.chance(0.4) else (0,):
            strokes.append(
                curve(
                    (-high + inset, 0),
                    (-high * 0.5 + inset, -rise * 0.7),
                    (dice.between(-0.1, 0.3), -rise + inset),
                    (high * 0.6 - inset, -rise * 0.6),
                    (high - inset, 0),
                )
            )
    elif grip == "two straps":
        for x in (-high * 0.5, high * 0.5):
            strokes += [arc((x, 0), (high * 0.25, dice.between(0.3, 0.9)), 180, 360)]
    elif grip == "knob":
        strokes.append(line((-0.25, 0), (-0.25, -0.18), (0.25, -0.18), (0.25, 0)))
    if dice.chance(0.4):  # a flap
        deep = height * dice.between(0.25, 0.6)
        flap = dice.among("line", "curve", "point")
        strokes.append(
            {
                "line": line((-high, deep), (high, deep)),
                "curve": curve((-high, 0), (-high * 0.8, deep * 0.8), (0, deep), (high * 0.8, deep * 0.8), (high, 0)),
                "point": line((-high, 0), (0, deep), (high, 0)),
            }[flap]
        )
        if dice.chance(0.6):
            strokes.append(arc((0, deep), (dice.between(0.03, 0.1), dice.between(0.03, 0.1))))
    elif dice.chance(0.25):
        strokes.append(line((-high * 0.9, height * 0.15), (high * 0.9, height * 0.15)))
    if dice.chance(0.2):
        x, y = low * 0.55, height * dice.between(0.45, 0.6)
        strokes.append(line((-x, y), (-x, height * 0.88), (x, height * 0.88), (x, y), (-x, y)))
    if dice.chance(0.12):
        strokes += [line((x, 0), (x * 1.05, height)) for x in (-low * 0.6, low * 0.6)]
    if dice.chance(0.1):
        strokes += motif(dice, 0, height * 0.55, dice.between(0.1, 0.25))
    if dice.chance(0.08):
        strokes += [arc((x, height + 0.06), (0.06, 0.06)) for x in (-low * 0.7, low * 0.7)]
    return strokes


# In the order of cnn_core.data.FASHION_CLASSES.
GARMENTS: tuple[Callable[[Dice], Strokes], ...] = (
    t_shirt,
    trouser,
    pullover,
    dress,
    coat,
    sandal,
    shirt,
    sneaker,
    bag,
    ankle_boot,
)
