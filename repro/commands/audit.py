"""`repro audit`: the papers' claims checked against their own published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import repro
from repro.commands.output import portable, print_json, print_line
from repro.errors import InputError
from repro.judge.audit import Audit, audit_suite, too_close
from repro.judge.result import Published
from repro.run.computed import cells_for, published_values
from repro.spec.load import load_suite

if TYPE_CHECKING:
    from repro.report.formats.audit_page import PageFormat

PAGES: tuple[PageFormat, ...] = ("md", "html")


def main(
    tables_dir: Path | None, full: bool, as_json: bool, formats: str | None = None, out: Path | None = None
) -> None:
    """Print the headline, then the claims that fail or rest on too little (all of them with `full`).

    With `formats` ("md,html") write pages into `out` instead, audit.md and audit.html.
    """
    if out is not None and formats is None:
        raise InputError(f"--out {out}: nothing to write there. Say --format md, html or both.")
    wanted = None if formats is None else page_formats(formats)
    suite = load_suite([tables_dir] if tables_dir else None)
    audit = audit_suite(suite, published_values(suite, cells_for(suite, suite.select(["all"]))))
    if as_json:
        rows = [_row(table.id, claim) for table in audit.tables for claim in table.claims]
        print_json(rows, headline=list(audit.headline))
        return
    if wanted is not None:
        _write(audit, wanted, out or Path("reports/local"), full)
        return
    for line in audit.headline:
        print(f"- {line}")
    print()
    for table in audit.tables:
        shown = [c for c in table.claims if full or c.status == "fails" or too_close(c)]
        if not shown:
            continue
        print(f"{table.id}: {table.title}")
        for claim in shown:
            print(f"  {claim.status:12} {claim.id}: {claim.text} {claim.note}".rstrip())


def page_formats(text: str) -> tuple[PageFormat, ...]:
    """Return the formats of a list such as "md,html". Raises InputError for a word that is none."""
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    unknown = [part for part in names if part not in PAGES]
    if unknown or not names:
        raise InputError(f"--format: {unknown[0] if unknown else text!r} is not one of {', '.join(PAGES)}.")
    return tuple(name for name in PAGES if name in names)


def _write(audit: Audit, formats: tuple[PageFormat, ...], out: Path, full: bool) -> None:
    from repro.report.files import ready_folder, write_file
    from repro.report.formats.audit_page import audit_files

    ready_folder(out)
    flag = " --full" if full else ""
    where = " ".join(portable("--out", out))
    command = f"python -m repro audit{flag} --format {','.join(formats)} {where}"
    for name, page in audit_files(audit, formats, command, full, repro.__version__).items():
        print_line(str(write_file(out / name, page.encode())))


def _row(table: str, claim: Published) -> dict[str, Any]:
    return {
        "id": claim.id,
        "kind": "claim",
        "table": table,
        "text": claim.text,
        "status": claim.status,
        "pairs": len(claim.pairs),
        "clear": claim.clear,
        "note": claim.note,
    }
