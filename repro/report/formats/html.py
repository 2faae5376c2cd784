"""The HTML report: one self-contained file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.report.blocks import Block, Chart, Fold, Part, Section
from repro.report.changes import Change
from repro.report.charts.canvas import NARROW, WIDE
from repro.report.charts.main_figure import main_figure
from repro.report.charts.theme import css_variables
from repro.report.content import ReportContent
from repro.report.formats.frames import to_document
from repro.report.legend import VERDICTS
from repro.report.sections import sections
from repro.report.sentences import facts, order_line, scale_line

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def report_html(content: ReportContent, changes: Sequence[Change] = ()) -> str:
    """Return the page of one table. `changes`: cells whose number differs from the report before."""
    document = {**to_document(content), "changes": [vars(change) for change in changes]}
    figure = main_figure(content)
    view = {
        "table": content.table,
        "version": content.version,
        "date": content.date,
        "headline": content.headline,
        "findings": content.findings,
        "order": order_line(content),
        "verdicts": VERDICTS,
        "remarks": content.remarks,
        "scale_line": scale_line(content),
        "published": content.has_published,
        "facts": facts(content),
        "figure": blocks_html((figure,)) if figure is not None else "",
        "sections": with_markup(sections(content, changes)),
        "data": json_block(document),
    }
    return render("report.html.j2", view)


def with_markup(items: Iterable[Section]) -> list[tuple[Section, Any]]:
    """Return each section with its blocks as markup."""
    return [(section, blocks_html(section.blocks)) for section in items]


def blocks_html(blocks: Iterable[Block]) -> Any:
    """Return blocks as markup."""
    from markupsafe import Markup

    return Markup("").join(_markup(block) for block in blocks)


def _markup(block: Block) -> Any:
    from markupsafe import Markup

    macros: Any = _environment().get_template("blocks.html.j2").module
    match block:
        case Chart():
            wide, narrow = (Markup(block.draw(width)) for width in (WIDE, NARROW))
            return macros.chart(block, wide, narrow if narrow != wide else "") if wide else Markup("")
        case Fold():
            return macros.fold(block.summary, blocks_html(block.blocks))
        case Part():
            return Markup(_environment().get_template(block.template).render(block.values()))
        case _:
            return getattr(macros, type(block).__name__)(block)


def render(template: str, view: Mapping[str, Any]) -> str:
    """Fill a template; everything in `view` that is not `Markup` is escaped."""
    from markupsafe import Markup

    light, dark = css_variables()
    style, script = _asset("style.css"), _asset("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    fixed = {
        "light": Markup(light),
        "dark": Markup(dark),
        "style": Markup(style),
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
    }
    return _environment().get_template(template).render({**fixed, **view})


def json_block(value: Any) -> Any:
    """Return JSON that can stand inside a `<script>` element: no "<" in it can end the element."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json_block"] = json_block
    return environment
