"""Figures as SVG that can stand inside a page: no prolog, no stray ids, no clock, coloured by the page's theme."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from repro.report.charts.theme import COLOURS, css_variables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "repro",
    "font.family": "sans-serif",
    # Of these the page's own stylesheet decides; here they only set the space that text is given.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "path.simplify": False,
}


@contextmanager
def chart_settings() -> Iterator[None]:
    """Settings under which charts are drawn and written, whatever the caller's own are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def to_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Return a figure as an `<svg>` element.

    `name` is unique within the page and prefixes the ids that must stay; `title` and `description` are read out by
    screen readers. Equal figures give equal text.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "-", name)  # it becomes an id: a claim's own id may hold anything
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # the page's own typeface has letters that the one which only measures has not
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # Its rules would hold for the whole page; the page's stylesheet has them for charts only.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, flags=re.DOTALL)
    text = text.replace("xlink:href", "href")
    used = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    # The page decides on the typeface; sizes stay.
    text = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"<[^<>]+>", lambda m: _slim(m[0]), text)
    for colour, (stand_in, _, _) in COLOURS.items():
        text = text.replace(stand_in, f"var(--{colour})")
    text = re.sub(r">\s+<", "><", text).strip()
    width, height = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', text).groups()  # type: ignore[union-attr]
    head = (
        f'<svg class="chart" role="img" aria-labelledby="{name}-t {name}-d" viewBox="0 0 {width} {height}" '
        f'style="--w:{width}">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>'
    )
    return head + text[text.index(">") + 1 :]


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


def _slim(tag: str) -> str:
    """Drop from a tag what no eye sees: line breaks, null rotations, digits beyond a hundredth of a point."""
    tag = re.sub(r"\s+", " ", tag).replace(' "', '"')
    tag = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", tag)
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), tag)
