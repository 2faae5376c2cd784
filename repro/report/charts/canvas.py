"""A sheet to draw charts on, written as SVG: the unit is the point, the origin the top left corner.

Charts place everything themselves, which keeps them alike. What is written stands inside a page: no prolog, no clock,
words as text, colours as the page's variables (`charts.theme`), so that its theme colours the charts too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from repro.report.charts.theme import css_variables

WIDE, NARROW = 640.0, 300.0
"""Points: charts of these widths fill the page's column, on a desk and on a phone."""
LETTERS = {**dict.fromkeys("ijl.,:;'|!()[] -−·", 0.34), **dict.fromkeys("frtI/", 0.42), **dict.fromkeys("mwMW@%—", 0.9)}
"""Widths of letters in units of the type size, as interface typefaces have them."""
LETTER, CAPITAL = 0.6, 0.72

LEAST = 1.0
"""Points of per cent that an axis of scores spans at least: noise is not to look like an effect."""
LARGEST = 1e15
"""Values beyond are on no axis: no measure has them, and steps between them would be lost in rounding."""


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is, in points."""
    return size * sum(LETTERS.get(letter, CAPITAL if letter.isupper() else LETTER) for letter in text)


def shortened(text: str, width: float, size: float) -> str:
    """Return a text that fits into a width (points), cut with an ellipsis where it must be."""
    if text_width(text, size) <= width:
        return text
    room, kept = width - text_width("…", size), ""
    for letter in text:
        if text_width(kept + letter, size) > room and kept:
            break
        kept += letter
    return kept.rstrip(" ,−-") + "…"


@dataclass(frozen=True)
class AxisScale:
    """A linear map from values to points, with round ticks inside."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value lies: on the nearer end where it is beyond, as infinite values are. NaN stays NaN."""
        if math.isnan(value):
            return math.nan
        value = min(max(value, min(self.low, self.high)), max(self.low, self.high))
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return at most so many round values, evenly spaced, within the scale; its only value if it has no length."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        raw = span / max(most, 1)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next((m * power for m in (1, 2, 5, 10) if m * power >= raw), 10 * power)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def drawable(values: Iterable[float]) -> list[float]:
    """Return the values that an axis can show: neither NaN nor infinite, nor beyond what any measure has."""
    return [value for value in values if abs(value) <= LARGEST]


def length(values: Iterable[float]) -> float:
    """Return the distance between the smallest and the largest value that can be drawn; 0 where there are none."""
    shown = drawable(values)
    return max(shown) - min(shown) if shown else 0.0


def padded(values: Iterable[float], start: float, end: float, share: float = 0.06, least: float = LEAST) -> AxisScale:
    """Return the scale that holds all values that can be drawn, with a margin on both sides.

    It spans at least `least`: one value, or several equal ones, lie in the middle.
    """
    shown = drawable(values) or [0.0]
    low, high = min(shown), max(shown)
    span = max(high - low, least, 1e-6 * max(abs(low), abs(high)))
    middle = (low + high) / 2
    reach = span * (0.5 + share)
    return AxisScale(middle - reach, middle + reach, start, end)


ANCHORS = {"left": "", "center": ' text-anchor="middle"', "right": ' text-anchor="end"'}
OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "s": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "D": ((0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0)),
    "^": ((0, -1.1), (1.05, 0.85), (-1.05, 0.85)),
    "v": ((0, 1.1), (1.05, -0.85), (-1.05, -0.85)),
    "P": ((-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4), (0.4, 1.1), (-0.4, 1.1),
          (-0.4, 0.4), (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4)),
    "X": ((0, -0.5), (0.6, -1.1), (1.1, -0.6), (0.5, 0), (1.1, 0.6), (0.6, 1.1), (0, 0.5), (-0.6, 1.1), (-1.1, 0.6),
          (-0.5, 0), (-1.1, -0.6), (-0.6, -1.1)),
    "p": ((0, -1.1), (1.05, -0.35), (0.65, 0.9), (-0.65, 0.9), (-1.05, -0.35)),
    "H": ((-1.1, 0), (-0.55, -0.95), (0.55, -0.95), (1.1, 0), (0.55, 0.95), (-0.55, 0.95)),
}  # fmt: skip
"""Marker -> its corners around the middle, in units of half its size; "o" is a circle."""


class Canvas:
    """Draws marks, lines, boxes and words; x to the right, y downwards, in points.

    What has no place, a coordinate being NaN, is not drawn; a line has a gap there.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._elements: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        content: str,
        size: float = 9,
        colour: str = "ink",
        align: str = "left",
        bold: bool = False,
    ) -> None:
        """Write words whose middle line is at y."""
        if not _placed(x, y) or not content:
            return
        content = escape("".join(letter if letter.isprintable() else " " for letter in content))
        weight = ' font-weight="600"' if bold else ""
        self._add(
            f'<text x="{_n(x)}" y="{_n(y + 0.35 * size)}" font-size="{_n(size)}" fill="var(--{colour})"'
            f"{ANCHORS[align]}{weight}>{content}</text>"
        )

    def line(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, width: float = 1.0, alpha: float = 1.0,
        dashes: tuple[float, ...] = (), round_ends: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line through points."""
        path, pen = "", "M"
        for x, y in zip(xs, ys, strict=True):
            if _placed(x, y):
                path += f"{pen} {_n(x)} {_n(y)} "
                pen = "L"
            else:
                pen = "M"
        if not path:
            return
        extra = f' stroke-dasharray="{" ".join(map(_n, dashes))}"' if dashes else ""
        extra += ' stroke-linecap="round"' if round_ends else ""
        self._add(
            f'<path d="{path.rstrip()}" fill="none" stroke="var(--{colour})" stroke-width="{_n(width)}"{extra}'
            f"{_opacity(alpha)}/>"
        )

    def marks(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, marker: str = "o", size: float = 6,
        alpha: float = 1.0, hollow: bool = False, edge: str = "",
    ) -> None:  # fmt: skip
        """Draw a mark at each point; `edge` sets it off from what it covers."""
        paint = f'fill="{"none" if hollow else f"var(--{colour})"}"'
        if hollow or edge:
            paint += f' stroke="var(--{edge or colour})" stroke-width="{1.2 if hollow else 0.8}"'
        for x, y in zip(xs, ys, strict=True):
            if not _placed(x, y):
                continue
            if marker == "o":
                shape = f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(size / 2)}"'
            else:
                corners = [f"{_n(x + dx * size / 2)} {_n(y + dy * size / 2)}" for dx, dy in OUTLINES[marker]]
                shape = f'<path d="M {" L ".join(corners)} Z"'
            self._add(f"{shape} {paint}{_opacity(alpha)}/>")

    def box(self, x: float, y: float, width: float, height: float, colour: str, alpha: float = 1.0) -> None:
        """Fill a rectangle; (x, y) is its top left corner."""
        if _placed(x, y, width, height):
            self._add(
                f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="var(--{colour})"'
                f"{_opacity(alpha)}/>"
            )

    def band(
        self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str, alpha: float
    ) -> None:
        """Fill what lies between two lines over the same xs."""
        placed = [ends for ends in zip(xs, lows, highs, strict=True) if _placed(*ends)]
        if len(placed) < 2:
            return
        corners = [*((x, low) for x, low, _ in placed), *((x, high) for x, _, high in reversed(placed))]
        path = " L ".join(f"{_n(x)} {_n(y)}" for x, y in corners)
        self._add(f'<path d="M {path} Z" fill="var(--{colour})"{_opacity(alpha)}/>')

    def svg(self, name: str, title: str, description: str) -> str:
        """Return what was drawn as an `<svg>` element.

        `name` is unique within the page and prefixes its ids; a chart drawn for narrow pages gets a suffix of its own.
        `title` and `description` are read out by screen readers. Equal drawings give equal text.
        """
        name = re.sub(r"[^A-Za-z0-9_-]", "-", name) + ("-narrow" if self.width == NARROW else "")
        title, description = escape(title), escape(description)
        return (
            f'<svg class="chart" role="img" aria-labelledby="{name}-t {name}-d" viewBox="0 0 {_n(self.width)} '
            f'{_n(self.height)}" style="--w:{_n(self.width)}"><title id="{name}-t">{title}</title>'
            f'<desc id="{name}-d">{description}</desc>{"".join(self._elements)}</svg>'
        )

    def _add(self, element: str) -> None:
        self._elements.append(element)


def standalone(chart: str) -> str:
    """Return a chart as a file of its own, to be shown as a picture: in the colours of the reader's theme."""
    light, dark = css_variables()
    width, height = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', chart).groups()  # type: ignore[union-attr]
    style = (
        f"svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}"
        "text{font-family:system-ui,sans-serif}.paper{fill:var(--page)}"
    )
    head, rest = chart.split(">", 1)
    head = head.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" ', 1)
    return f'{head}><style>{style}</style><rect class="paper" width="100%" height="100%"/>{rest}\n'


def _n(value: float) -> str:
    """Return a coordinate with two decimals at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _opacity(alpha: float) -> str:
    return "" if alpha >= 1 else f' opacity="{_n(alpha)}"'


def _placed(*numbers: float) -> bool:
    return all(map(math.isfinite, numbers))
