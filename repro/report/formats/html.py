"""The HTML report: one file that holds everything it shows and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.report.changes import Change
from repro.report.charts.theme import css_variables
from repro.report.content import ReportContent
from repro.report.formats.frames import to_document
from repro.report.formats.html_sections import page

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def report_html(content: ReportContent, changes: Sequence[Change] = ()) -> str:
    """Return the page of one table. `changes`: cells whose number differs from the report before."""
    view, pictures = page(content, changes)
    document = {**to_document(content), "changes": [vars(change) for change in changes]}
    return render("report.html.j2", {**view, "data": json_block(document), "picture_data": json_block(pictures)})


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

    return Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
