"""The audit's pages: complete, self-contained, and the committed ones are those that the specs give today."""

from __future__ import annotations

from pathlib import Path

import pytest

import repro
from repro.commands.audit import main, page_formats
from repro.errors import InputError
from repro.judge.audit import Audit, audit_suite, share_of_limit, too_close
from repro.report.formats.audit_page import audit_files, audit_html, audit_markdown
from repro.run.computed import cells_for, published_values
from repro.spec.load import load_suite

ROOT = Path(__file__).parents[2]
SHORT = "python -m repro audit --format md --out docs"
FULL = "python -m repro audit --full --format md,html --out reports/audit"


@pytest.fixture(scope="module")
def found() -> Audit:
    suite = load_suite()
    return audit_suite(suite, published_values(suite, cells_for(suite, suite.select(["all"]))))


def test_documentation_page_is_not_stale(found: Audit) -> None:
    """Where this fails: run the command that the page names."""
    assert (ROOT / "docs" / "audit.md").read_text(encoding="utf-8") == audit_markdown(found, SHORT)


def test_committed_report_is_not_stale(found: Audit) -> None:
    for name, page in audit_files(found, ("md", "html"), FULL, True, repro.__version__).items():
        assert (ROOT / "reports" / "audit" / name).read_text(encoding="utf-8") == page, name


def test_headline_numbers_are_on_the_page(found: Audit) -> None:
    page = audit_markdown(found, SHORT)
    for number in ("65.88", "65.76", "101.28", "102.78", "76.58 against 76.46", "78.21 against 78.16"):
        assert number in page
    for claim in ("v3.t3.c2.shallow", "v3.t3.c3.doubled", "v2.f10.c1.narrow"):
        assert f"| {claim} |" in page


def test_only_figures_that_are_printed_are_counted_as_such(found: Audit) -> None:
    # v2 Table 1: 8, v3+ Table 3: 14, v3+ Table 5: 24, model zoo: 5 and 4; v3 Fig. 4 prints curves without values
    assert (found.computed, len(found.misprints)) == (55, 2)
    assert "Of 55 figures that follow from the architecture, 53 come out as printed." in audit_markdown(found, SHORT)


def test_full_page_has_every_claim_and_the_short_one_only_those_that_fall_short(found: Audit) -> None:
    full, short = audit_markdown(found, FULL, True), audit_markdown(found, SHORT)
    html = audit_html(found, FULL, "1")
    for claim in found.claims:
        assert f"| {claim.id} |" in full
        assert claim.id in html
        assert (f"| {claim.id} |" in short) == (claim.status == "fails" or too_close(claim))


def test_too_close_and_the_share_of_the_limit_say_the_same(found: Audit) -> None:
    for claim in found.claims:
        if claim.clear is not None:
            assert (share_of_limit(claim) < 1) == too_close(claim), claim.id


def test_the_page_is_self_contained(found: Audit) -> None:
    page = audit_html(found, FULL, "1")
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert len(page) < 3_000_000


def test_formats_are_checked_before_anything_is_computed(tmp_path: Path) -> None:
    assert page_formats("html, md") == ("md", "html")
    with pytest.raises(InputError, match="'pdf' is not one of md, html"):
        main(None, False, False, "pdf", tmp_path)
    with pytest.raises(InputError, match="nothing to write"):
        main(None, False, False, None, tmp_path)


def test_command_writes_the_pages(tmp_path: Path) -> None:
    main(None, True, False, "md,html", tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"audit.md", "audit.html"}
