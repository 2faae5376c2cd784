"""A sheet to draw charts on: matplotlib's figure with one axes whose unit is the point, origin at the top left.

Charts place everything themselves. That keeps them alike, and makes them several times faster to draw than panels laid
out by matplotlib: a report has a dozen charts, some of twenty panels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro.report.svg import chart_settings, to_svg
from repro.report.theme import paint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 640.0
"""Points: charts of this width fill the page's column."""
LETTER = 0.6
"""Mean width of a letter in units of the type size; interface typefaces lie between 0.50 and 0.60."""


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
        """Return where a value lies."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return at most so many round values, evenly spaced, within the scale."""
        span = self.high - self.low
        raw = span / max(most, 1)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next((m * power for m in (1, 2, 5, 10) if m * power >= raw), 10 * power)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def padded(values: Sequence[float], start: float, end: float, share: float = 0.06, least: float = 1.0) -> Scale:
    """Return the scale that holds all values with a margin on both sides; it spans at least `least`."""
    low, high = min(values), max(values)
    span = max(high - low, least)
    middle = (low + high) / 2
    reach = span * (0.5 + share)
    return Scale(middle - reach, middle + reach, start, end)


class Canvas:
    """Draws marks, lines, boxes and words; x to the right, y downwards, in points."""

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
        self.axes.plot(
            xs, ys, linestyle="none", marker=marker, markersize=size, color=paint(colour), alpha=alpha,
            markerfacecolor="none" if hollow else paint(colour), markeredgecolor=paint(edge or colour),
            markeredgewidth=1.2 if hollow else 0.8 if edge else 0.0, zorder=self._next(), scalex=False, scaley=False,
        )  # fmt: skip

    def box(self, x: float, y: float, width: float, height: float, colour: str, alpha: float = 1.0) -> None:
        """Fill a rectangle; (x, y) is its top left corner."""
        from matplotlib.patches import Rectangle

        self.axes.add_artist(
            Rectangle((x, y), width, height, facecolor=paint(colour), alpha=alpha, linewidth=0, zorder=self._next())
        )

    def band(
        self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str, alpha: float
    ) -> None:
        """Fill what lies between two lines over the same xs."""
        from matplotlib.patches import Polygon

        corners = [*zip(xs, lows, strict=True), *reversed(list(zip(xs, highs, strict=True)))]
        self.axes.add_artist(Polygon(corners, facecolor=paint(colour), alpha=alpha, linewidth=0, zorder=self._next()))

    def svg(self, name: str, title: str, description: str) -> str:
        """Return what was drawn; see `repro.report.svg.to_svg`."""
        with chart_settings():
            return to_svg(self.figure, name, title, description)

    def _next(self) -> float:
        """What is drawn later lies on top, whatever its kind."""
        self._order += 1
        return float(self._order)
