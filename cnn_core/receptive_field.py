"""What a unit sees: receptive fields in plain integers, along one axis at a time.

Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019,
https://distill.pub/2019/computing-receptive-fields. There, three numbers describe a layer: size, stride and padding of
its field. Those suffice while every unit sees as far as its neighbour. Behind a transposed convolution or an
upsampling, units see different lengths in turn; so here a field lists what the first few units see, and after how many
units and pixels the list begins anew. Chains and branches of such lists are such lists, and all of it stays exact.

Units and pixels are counted from 0. A field may reach over the rim of the picture: that is padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from math import gcd, lcm

from cnn_core.errors import Refused, Words

MOST_SIZE = 8192  # px of an input; beyond, nothing is learnt that a smaller one does not show
MOST_TAPS = 2**16  # that the units of a list touch in all; the lists of a few odd factors multiply into the millions


# ---------------------------------------------------------------------------------------------------- Output sizes


def effective_kernel(kernel: int, dilation: int = 1) -> int:
    """Length of a window whose taps are `dilation` apart, in px: k + (k−1)(r−1)."""
    return kernel + (kernel - 1) * (dilation - 1)


def output_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
    padding_after: int | None = None,
) -> int:
    """How many units a sliding window makes of `size` px: (W−F+2P)/S+1, rounded down, with F the effective kernel.

    Args:
        size: of the input, in px.
        kernel: taps.
        stride: px from one window to the next.
        padding: px before the first, and after the last unless `padding_after` says otherwise.
        dilation: px from tap to tap.
        ceil_mode: round up, but let no window begin behind the padding before and the input, as PyTorch's poolings do.
        padding_after: px after the last, as in TensorFlow's "SAME".

    Raises:
        Refused: the window is larger than the padded input, or a number is out of range.
    """
    if kernel < 1 or stride < 1 or dilation < 1 or padding < 0 or size < 1:
        raise Refused(
            "Size, kernel, stride and dilation must be at least 1 and padding at least 0; these are {size}, {kernel}, "
            "{stride}, {dilation} and {padding}.",
            size=size,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            padding=padding,
        )
    padded = size + padding + (padding if padding_after is None else padding_after)
    window = effective_kernel(kernel, dilation)
    if window > padded:
        raise Refused(
            "A window of {window} px does not fit into {padded} px, the padded input: use a smaller kernel or "
            "dilation, or more padding.",
            window=window,
            padded=padded,
        )
    units, rest = divmod(padded - window, stride)
    if ceil_mode and rest and (units + 1) * stride < size + padding:
        units += 1
    return units + 1


def transposed_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, output_padding: int = 0
) -> int:
    """How many units a transposed convolution makes of `size`: (W−1)·S − 2P + F + output padding.

    Raises:
        Refused: nothing would be left, or a number is out of range.
    """
    if kernel < 1 or stride < 1 or dilation < 1 or padding < 0 or size < 1:
        output_size(size, kernel, stride, padding, dilation)  # says which numbers
    if not 0 <= output_padding < max(stride, dilation):
        raise Refused(
            "The output padding must be smaller than the stride or the dilation; it is {it}.", it=output_padding
        )
    units = (size - 1) * stride - 2 * padding + effective_kernel(kernel, dilation) + output_padding
    if units < 1:
        raise Refused("A padding of {padding} px leaves nothing of the output: use less.", padding=padding)
    return units


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Padding before and after of TensorFlow's "SAME": ceil(W/S) units come out, and an odd pixel goes after."""
    total = max((-(-size // stride) - 1) * stride + effective_kernel(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


# ---------------------------------------------------------------------------------------------------- One layer


@dataclass(frozen=True)
class Window:
    """Which units of its input each unit of a layer touches, along one axis.

    Attributes:
        taps: for units 0, 1, ... of the layer, ascending positions in the input; none where a unit touches nothing.
        advance: unit `len(taps)` touches what unit 0 does, `advance` further on, and so forth.
    """

    taps: tuple[tuple[int, ...], ...] = ((0,),)
    advance: int = 1

    def of(self, unit: int) -> list[int]:
        """The positions that a unit touches, whether they are in the input or in its padding."""
        turn, phase = divmod(unit, len(self.taps))
        return [tap + turn * self.advance for tap in self.taps[phase]]


POINT = Window()  # every unit touches its own position: what acts on each value by itself, and 1x1 convolutions
SPREAD = Window(advance=0)  # every unit touches the only one there is: a pooled value handed back to all places


def sliding(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Window:
    """Convolution and pooling: `kernel` taps, `dilation` apart, from `padding` before the input, moved by `stride`."""
    return Window((tuple(range(-padding, dilation * kernel - padding, dilation)),), stride)


def transposed(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Window:
    """Transposed convolution: unit i of the output touches all j with j·S − P + k·r = i for a tap k."""

    def touched(unit: int) -> tuple[int, ...]:
        places = [unit + padding - tap * dilation for tap in range(kernel)]
        return tuple(sorted(place // stride for place in places if place % stride == 0))

    return Window(tuple(touched(unit) for unit in range(stride)), 1)


def adaptive(size: int, units: int) -> Window:
    """Adaptive pooling of `size` to `units`: from ⌊i·size/units⌋ to ⌈(i+1)·size/units⌉ − 1."""
    period = units // gcd(size, units)
    spans = [(unit * size // units, -(-(unit + 1) * size // units)) for unit in range(period)]
    return Window(tuple(tuple(range(*span)) for span in spans), size // gcd(size, units))


def resampled(size: int, units: int, taps: int = 2, align_corners: bool = False) -> Window:
    """Interpolation from `size` to `units`: 1 tap for nearest, 2 for linear, 4 for cubic; 1 where it hits a unit."""
    moved, over = (size - 1, max(units - 1, 1)) if align_corners else (size, units)
    shared = gcd(moved, over)
    moved, over = moved // shared, over // shared

    def touched(unit: int) -> tuple[int, ...]:
        if taps == 1:
            return (unit * moved // over,)
        # The place of a unit is unit·moved/over with corners aligned, else (unit + 1/2)·moved/over − 1/2.
        twice = 2 * unit * moved if align_corners else (2 * unit + 1) * moved - over
        place, rest = divmod(twice, 2 * over)
        return tuple(range(place - taps // 2 + 1, place + taps // 2 + 1)) if rest else (place,)

    return Window(tuple(touched(unit) for unit in range(over)), moved)


# ---------------------------------------------------------------------------------------------------- A field


Span = tuple[int, int]  # first and last pixel, both included


def _hull(spans: Iterable[Span | None]) -> Span | None:
    seen = [span for span in spans if span]
    return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None


def _afford(taps: int) -> None:
    if taps > MOST_TAPS:
        raise Refused("Its units see too many different lengths in turn to list them: use factors and strides that "
                      "have divisors in common.")  # fmt: skip


@dataclass(frozen=True)
class Field:
    """What the units of a map see of the picture, along one axis.

    Attributes:
        spans: for units 0, 1, ...: first and last pixel; `None` where a unit sees nothing.
        advance: unit `len(spans)` sees what unit 0 does, `advance` px further on, and so forth.
    """

    spans: tuple[Span | None, ...] = ((0, 0),)
    advance: int = 1

    @property
    def size(self) -> int:
        """Length of the receptive field, in px; the longest where units differ."""
        return max((last - first + 1 for first, last in filter(None, self.spans)), default=0)

    @property
    def jump(self) -> Fraction:
        """Pixels from one unit's field to the next one's, on average: the effective stride."""
        return Fraction(self.advance, len(self.spans))

    @property
    def start(self) -> int:
        """First pixel that unit 0 sees; negative in the padding, where its negative is the effective padding."""
        return next((span[0] for span in self.spans if span), 0)

    @property
    def centre(self) -> Fraction:
        """Middle of what unit 0 sees, in px: pixel 0 reaches from −1/2 to 1/2."""
        return Fraction(sum(next(filter(None, self.spans), (0, 0))), 2)

    def of(self, unit: int) -> Span | None:
        """First and last pixel that a unit sees, padding included; `None` if it sees nothing."""
        turn, phase = divmod(unit, len(self.spans))
        span = self.spans[phase]
        return span and (span[0] + turn * self.advance, span[1] + turn * self.advance)

    def through(self, window: Window) -> Field:
        """The field of the layer that looks at this map through `window`.

        Raises:
            Refused: too many of its units see different lengths.
        """
        turns = len(self.spans) // gcd(len(self.spans), window.advance)
        _afford(turns * sum(map(len, window.taps)))
        units = range(turns * len(window.taps))
        advance = turns * window.advance * self.advance // len(self.spans)
        return Field(tuple(_hull(map(self.of, window.of(unit))) for unit in units), advance)

    def beside(self, other: Field) -> Field:
        """The field of a sum or concatenation of two maps of the same `jump`.

        Raises:
            Refused: too many of its units see different lengths.
        """
        period = lcm(len(self.spans), len(other.spans))
        _afford(period)
        spans = tuple(_hull((self.of(unit), other.of(unit))) for unit in range(period))
        return Field(spans, self.advance * period // len(self.spans))

    def units_at(self, pixel: int, units: int) -> list[int]:
        """Those of the first `units` units whose field contains a pixel."""
        return [unit for unit in range(units) if (span := self.of(unit)) and span[0] <= pixel <= span[1]]


PIXEL = Field()  # the picture itself: every pixel sees itself


def chain(windows: Iterable[Window], before: Field = PIXEL) -> Field:
    """The field behind layers that follow one another."""
    return reduce(Field.through, windows, before)


# ---------------------------------------------------------------------------------------------------- A graph


@dataclass(frozen=True)
class Reach:
    """What is known of a map's field along one axis.

    Attributes:
        field: of the local way from the picture to the map.
        pooled: there is no other way than through a pooling over the whole axis: every unit sees everything.
        everything: beside the local way there is a pooled one (squeeze-and-excitation, normalisation over places).
        misaligned: why branches that meet here or before do not keep step or centre, or `None`.
    """

    field: Field = PIXEL
    pooled: bool = False
    everything: bool = False
    misaligned: Words | None = None


@dataclass(frozen=True)
class Step:
    """One operation along one axis.

    Attributes:
        inputs: steps whose maps are added, multiplied or concatenated; none for the picture.
        window: through which it looks at them.
        size: units that come out.
        reach: what they see.
    """

    inputs: tuple[int, ...]
    window: Window
    size: int
    reach: Reach


def _misaligned(ways: Sequence[Field]) -> Words | None:
    """Why units of maps that are brought together do not belong together."""
    if len(jumps := sorted({way.jump for way in ways})) > 1:
        return Words("one branch moves on by {least:g} px per unit, another by {most:g} px",
                     least=float(jumps[0]), most=float(jumps[-1]))  # fmt: skip
    if len(centres := sorted({way.centre for way in ways if len(way.spans) == 1})) > 1:
        return Words("the branches' centres lie {apart:g} px apart", apart=float(centres[-1] - centres[0]))
    return None


@dataclass
class Axis:
    """A network along one axis of the picture, as steps of which each looks at earlier ones; step 0 is the picture.

    Args:
        size: of the picture, in px.
    """

    size: int
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MOST_SIZE:
            raise Refused("Choose an input of 1 to {most} px; this is {size}.", most=MOST_SIZE, size=self.size)
        self.steps.append(Step((), POINT, self.size, Reach()))

    def add(
        self, inputs: Sequence[int], window: Window = POINT, size: int | None = None, *, pools: bool = False
    ) -> int:
        """Append an operation; returns its number.

        Args:
            inputs: numbers of earlier steps, one or more.
            window: through which it looks at them.
            size: units that come out; as many as go in unless given.
            pools: it pools over the whole axis.
        """
        reaches = [self.steps[number].reach for number in inputs]
        local = [reach for reach in reaches if not reach.pooled] or reaches
        ways = list(dict.fromkeys(reach.field for reach in local))
        reach = Reach(
            pooled=local[0].pooled or pools,
            everything=len(local) < len(reaches) or any(each.everything for each in reaches),
            misaligned=next((each.misaligned for each in local if each.misaligned), None) or _misaligned(ways),
        )
        number, units = len(self.steps), self.steps[inputs[0]].size if size is None else size
        self.steps.append(Step(tuple(inputs), window, units, reach))
        if len({way.jump for way in ways}) == 1:
            field = reduce(Field.beside, ways).through(window)
        else:  # out of step for good: what each unit of this very map sees, one by one
            moved = units * ways[0].through(window).jump
            field = Field(tuple(self.span(number, unit) for unit in range(units)), round(moved))
        self.steps[number] = replace(self.steps[number], reach=replace(reach, field=field))
        return number

    def seen(self, number: int, unit: int, local: bool = False) -> set[int]:
        """Every pixel that a unit depends on; holes of dilated windows and the picture's rim are heeded.

        Args:
            number: of the step.
            unit: 0 <= unit < its size.
            local: leave pooled branches out where there is another way.
        """
        wanted: list[set[int]] = [set() for _ in range(number)] + [{unit}]
        for index in range(number, 0, -1):
            if not wanted[index]:
                continue
            step = self.steps[index]
            touched = {tap for each in wanted[index] for tap in step.window.of(each)}
            inputs = [source for source in step.inputs if not self.steps[source].reach.pooled] if local else []
            for source in inputs or step.inputs:
                wanted[source] |= {tap for tap in touched if 0 <= tap < self.steps[source].size}
        return wanted[0]

    def span(self, number: int, unit: int) -> Span | None:
        """First and last pixel of the picture on which a unit depends without pooled branches."""
        seen = self.seen(number, unit, local=True)
        return (min(seen), max(seen)) if seen else None

    def seers(self, number: int, pixel: int) -> list[int]:
        """Every unit of a step's map that depends on a pixel without pooled branches."""
        seeing: list[set[int]] = [{pixel}] + [set() for _ in range(number)]
        for index in range(1, number + 1):
            step = self.steps[index]
            inputs = [source for source in step.inputs if not self.steps[source].reach.pooled] or step.inputs
            if touched := set().union(*(seeing[source] for source in inputs)):
                seeing[index] = {unit for unit in range(step.size) if not touched.isdisjoint(step.window.of(unit))}
        return sorted(seeing[number])


def box(rows: Span | None, columns: Span | None, height: int, width: int) -> tuple[int, int, int, int]:
    """What a unit sees of a picture: (top, left, bottom, right) in px, bottom and right one beyond the last pixel.

    Args:
        rows: as `Field.of` and `Axis.span` give it.
        columns: likewise.
        height: of the picture, in px; nothing outside it is in the box.
        width: likewise.
    """
    if rows is None or columns is None:
        return 0, 0, 0, 0
    top, left, bottom, right = max(rows[0], 0), max(columns[0], 0), min(rows[1] + 1, height), min(columns[1] + 1, width)
    return (top, left, bottom, right) if top < bottom and left < right else (0, 0, 0, 0)
