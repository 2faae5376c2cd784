"""`repro audit`: the papers' claims put to the papers' own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.commands.output import print_json
from repro.judge.audit import audit_suite
from repro.judge.result import Published
from repro.run.computed import cells_for, published_values
from repro.spec.load import load_suite


def main(tables_dir: Path | None, full: bool, as_json: bool) -> None:
    """Print the headline, then the claims that fail or rest on too little (all of them with `full`)."""
    suite = load_suite([tables_dir] if tables_dir else None)
    found = audit_suite(suite, published_values(suite, cells_for(suite, suite.select(["all"]))))
    if as_json:
        rows = [_row(table.id, claim) for table in found.tables for claim in table.claims]
        print_json(rows, headline=list(found.headline))
        return
    for line in found.headline:
        print(f"- {line}")
    print()
    for table in found.tables:
        shown = [c for c in table.claims if full or c.status == "fails" or _close(c)]
        if not shown:
            continue
        print(f"{table.id}: {table.title}")
        for claim in shown:
            print(f"  {claim.status:12} {claim.id}: {claim.text} {claim.note}".rstrip())


def _close(claim: Published) -> bool:
    """Whether some of its differences are too small for single runs to tell."""
    return claim.clear is not None and claim.clear < len(claim.pairs)


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
