"""A report's charts as files for a paper: SVG, PDF and PNG, in the light theme's colours.

The charts themselves are those of the page. `charts.canvas` writes them with four kinds of elements; these are read
back here and drawn by matplotlib, point for point, so that no chart is described twice.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from repro.report.blocks import Block, Chart, Fold
from repro.report.charts.claim_effects import evidence_plot, forest_plot
from repro.report.charts.main_figure import main_figure
from repro.report.charts.theme import COLOURS
from repro.report.content import ReportContent
from repro.report.files import ready_folder, write_file
from repro.report.sections import sections

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PRINTED = 504.0
"""Points: 7 inches, the text's width in a paper of two columns; type is then printed at 8 to 9 points."""
DOTS = 300
"""Of a PNG, to the inch."""
SUFFIXES = ("svg", "pdf", "png")
FONT = "DejaVu Sans"
"""Comes with matplotlib: figures look alike on every machine."""
TYPE = 0.94
"""Of the size that a chart asks for: this typeface is wider than those that charts are laid out for."""
INCH = 72.0


def figures(content: ReportContent) -> dict[str, str]:
    """Return name -> SVG, as the page has it, of every chart of a report; names are unique."""
    drawings: dict[str, str] = {}
    for drawing in _drawings(content):
        if drawing:
            drawings.setdefault(name_of(drawing), drawing)
    return drawings


def write_figures(content: ReportContent, stem: str, folder: Path) -> list[Path]:
    """Write every chart as `stem-name.svg`, `.pdf` and `.png`; return the files. All are made before one is written.

    Raises InputError where the folder can't be written to.
    """
    ready_folder(folder, "--figures")
    made: dict[str, bytes] = {}
    for name, drawing in figures(content).items():
        figure = matplotlib_figure(drawing)
        made |= {f"{stem}-{name}.{suffix}": picture(figure, suffix, name) for suffix in SUFFIXES}
    return [write_file(folder / file, data, "--figures") for file, data in made.items()]


def _drawings(content: ReportContent) -> Iterator[str]:
    first = main_figure(content)
    blocks = [block for section in sections(content) for block in section.blocks]
    for chart in _charts([*([first] if first is not None else []), *blocks]):
        yield chart.draw(PRINTED)
    yield forest_plot(content.claims, PRINTED)
    for claim in content.claims:
        yield evidence_plot(claim)


def _charts(blocks: Iterable[Block]) -> Iterator[Chart]:
    for block in blocks:
        if isinstance(block, Chart):
            yield block
        elif isinstance(block, Fold):
            yield from _charts(block.blocks)


def name_of(drawing: str) -> str:
    """Return the name that a chart gave itself, which prefixes its ids."""
    return re.search(r'aria-labelledby="(.*?)-t ', drawing).group(1)  # type: ignore[union-attr]


def picture(figure: Figure, suffix: str, name: str) -> bytes:
    """Return a figure as a file's content; equal figures give equal bytes."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format=suffix, dpi=DOTS, metadata=dates.get(suffix))
    return buffer.getvalue()


def matplotlib_figure(drawing: str) -> Figure:
    """Return a chart as a matplotlib figure of the same size. Raises ValueError for what no chart is made of."""
    from matplotlib.figure import Figure

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports each table of a typeface
    root = ElementTree.fromstring(re.sub(r"^<svg ", '<svg xmlns="" ', drawing))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    figure = Figure(figsize=(width / INCH, height / INCH), facecolor=COLOURS["page"][0])
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(height, 0))
    for order, element in enumerate(root):
        if element.tag not in ("title", "desc"):
            _draw(axes, element, order)
    return figure


def _draw(axes: Axes, element: ElementTree.Element, order: int) -> None:
    from matplotlib import patches

    given = element.attrib

    def number(name: str, usual: float = 0.0) -> float:
        return float(given.get(name, usual))

    if element.tag == "text":
        align: Any = {"middle": "center", "end": "right"}.get(given.get("text-anchor", ""), "left")
        axes.text(
            number("x"), number("y"), element.text or "", fontsize=TYPE * number("font-size"), fontfamily=FONT,
            color=_colour(given["fill"]), ha=align, va="baseline", zorder=order, parse_math=False,
            fontweight="bold" if "font-weight" in given else "normal",
        )  # fmt: skip
        return
    ends = "round" if given.get("stroke-linecap") == "round" else "butt"
    style: dict[str, Any] = {
        "facecolor": _colour(given.get("fill", "none")), "edgecolor": _colour(given.get("stroke", "none")),
        "linewidth": number("stroke-width"), "alpha": number("opacity", 1.0), "capstyle": ends, "joinstyle": "round",
        "zorder": order,
    }  # fmt: skip
    if "stroke-dasharray" in given:
        on = [float(length) / (style["linewidth"] or 1.0) for length in given["stroke-dasharray"].split()]
        style["linestyle"] = (0, on)
    if element.tag == "path":
        axes.add_patch(patches.PathPatch(_path(given["d"]), **style))
    elif element.tag == "circle":
        axes.add_patch(patches.Circle((number("cx"), number("cy")), number("r"), **style))
    elif element.tag == "rect":
        axes.add_patch(patches.Rectangle((number("x"), number("y")), number("width"), number("height"), **style))
    else:
        raise ValueError(f"charts are not made of <{element.tag}>")


def _path(text: str) -> Any:
    """A path of M, L and Z in absolute coordinates."""
    from matplotlib.path import Path as Outline

    points: list[tuple[float, float]] = []
    codes = []
    for letter, x, y in re.findall(r"([MLZ])(?: (-?[\d.]+) (-?[\d.]+))?", text):
        codes.append({"M": Outline.MOVETO, "L": Outline.LINETO, "Z": Outline.CLOSEPOLY}[letter])
        points.append((float(x), float(y)) if letter != "Z" else points[0])
    return Outline(points, codes)


def _colour(paint: str) -> str:
    """`var(--ink)` in the light theme's colours."""
    return "none" if paint == "none" else COLOURS[paint.removeprefix("var(--").removesuffix(")")][0]
