"""A sheet to draw charts on: matplotlib's figure with one axes whose unit is the point, origin at the top left.

Charts place everything themselves. That keeps them alike, and makes them several times faster to draw than panels laid
out by matplotlib: a report has a dozen charts, some of twenty panels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro.report.charts.svg import chart_settings, to_svg
from repro.report.charts.theme import paint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 640.0
"""Points: charts of this width fill the page's column."""
LETTER = 0.6
"""Mean width of a letter in units of the type size; interface typefaces lie between 0.50 and 0.60."""


LEAST = 1.0
"""Points of per cent that an axis of scores spans at least: noise is not to look like an effect."""
LARGEST = 1e15
"""Values beyond are on no axis: no measure has them, and steps between them would be lost in rounding."""


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is, in points."""
    return LETTER * size * len(text)


@dataclass(frozen=True)
class Scale:
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


def padded(values: Iterable[float], start: float, end: float, share: float = 0.06, least: float = LEAST) -> Scale:
    """Return the scale that holds all values that can be drawn, with a margin on both sides.

    It spans at least `least`: one value, or several equal ones, lie in the middle.
    """
    shown = drawable(values) or [0.0]
    low, high = min(shown), max(shown)
    span = max(high - low, least, 1e-6 * max(abs(low), abs(high)))
    middle = (low + high) / 2
    reach = span * (0.5 + share)
    return Scale(middle - reach, middle + reach, start, end)


class Canvas:
    """Draws marks, lines, boxes and words; x to the right, y downwards, in points.

    What has no place, a coordinate being NaN, is not drawn; a line has a gap there.
    """

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        with chart_settings():
            self.figure: Figure = Figure(figsize=(width / 72, height / 72))
            self.figure.patch.set_visible(False)
            self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self._order = 0

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 9,
        colour: str = "ink",
        align: str = "left",
        bold: bool = False,
    ) -> None:
        """Write words whose middle line is at y."""
        if not _placed(x, y):
            return
        words = "".join(letter if letter.isprintable() else " " for letter in words)
        # mathtext is off: a "$" in a label is a "$".
        self.axes.text(
            x, y, words, fontsize=size, color=paint(colour), ha=align, va="center_baseline", parse_math=False,
            fontweight="bold" if bold else "normal", zorder=self._next(),
        )  # fmt: skip

    def line(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, width: float = 1.0, alpha: float = 1.0,
        dashes: tuple[float, ...] = (), round_ends: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line through points."""
        if not any(map(_placed, xs, ys)):
            return
        extra: dict[str, Any] = {"dashes": dashes} if dashes else {"solid_capstyle": "round" if round_ends else "butt"}
        self.axes.plot(
            xs,
            ys,
            color=paint(colour),
            linewidth=width,
            alpha=alpha,
            zorder=self._next(),
            scalex=False,
            scaley=False,
            **extra,
        )

    def marks(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, marker: str = "o", size: float = 6,
        alpha: float = 1.0, hollow: bool = False, edge: str = "",
    ) -> None:  # fmt: skip
        """Draw a mark at each point; `edge` sets it off from what it covers."""
        points = [point for point in zip(xs, ys, strict=True) if _placed(*point)]
        if not points:
            return
        xs, ys = [x for x, _ in points], [y for _, y in points]
        self.axes.plot(
            xs, ys, linestyle="none", marker=marker, markersize=size, color=paint(colour), alpha=alpha,
            markerfacecolor="none" if hollow else paint(colour), markeredgecolor=paint(edge or colour),
            markeredgewidth=1.2 if hollow else 0.8 if edge else 0.0, zorder=self._next(), scalex=False, scaley=False,
        )  # fmt: skip

    def box(self, x: float, y: float, width: float, height: float, colour: str, alpha: float = 1.0) -> None:
        """Fill a rectangle; (x, y) is its top left corner."""
        from matplotlib.patches import Rectangle

        if not _placed(x, y, width, height):
            return
        self.axes.add_artist(
            Rectangle((x, y), width, height, facecolor=paint(colour), alpha=alpha, linewidth=0, zorder=self._next())
        )

    def band(
        self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str, alpha: float
    ) -> None:
        """Fill what lies between two lines over the same xs."""
        from matplotlib.patches import Polygon

        placed = [ends for ends in zip(xs, lows, highs, strict=True) if _placed(*ends)]
        if len(placed) < 2:
            return
        corners = [*((x, low) for x, low, _ in placed), *((x, high) for x, _, high in reversed(placed))]
        self.axes.add_artist(Polygon(corners, facecolor=paint(colour), alpha=alpha, linewidth=0, zorder=self._next()))

    def svg(self, name: str, title: str, description: str) -> str:
        """Return what was drawn; see `repro.report.charts.svg.to_svg`."""
        with chart_settings():
            return to_svg(self.figure, name, title, description)

    def _next(self) -> float:
        """What is drawn later lies on top, whatever its kind."""
        self._order += 1
        return float(self._order)


def _placed(*numbers: float) -> bool:
    return all(map(math.isfinite, numbers))
