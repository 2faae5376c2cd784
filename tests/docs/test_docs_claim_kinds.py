"""The table of kinds of claims in docs/specs.md is what the kinds declare; run as a script it is made again."""

import re
from pathlib import Path

from repro.spec.claim_kinds import KINDS

PAGE = Path(__file__).parents[2] / "docs/specs.md"
HEAD = "| kind | says | needs (may have) |\n| --- | --- | --- |\n"


def table() -> str:
    rows = []
    for kind in KINDS.values():
        needs, takes = (", ".join(f"`{name}`" for name in names) for names in (kind.needs, kind.takes))
        rows.append(f"| `{kind.name}` | {kind.statement} | {needs}{f' ({takes})' if takes else ''} |\n")
    return HEAD + "".join(rows)


def renewed(page: str) -> str:
    return re.sub(re.escape(HEAD) + r"(\|.*\n)+", lambda _: table(), page)


def test_the_page_has_every_kind() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert HEAD in page
    assert renewed(page) == page, "python tests/docs/test_docs_claim_kinds.py"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
