"""The audit of the three papers and the model zoo: its headline items, found without being told where they are."""

from __future__ import annotations

import pytest

from repro.judge.audit import Audit, audit_suite
from repro.judge.published import published_images
from repro.spec.load import Suite, load_suite


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite()


@pytest.fixture(scope="module")
def found(suite: Suite) -> Audit:
    specs = suite.select(["v3plus/table3"])
    computed = {c.id: c.published or 0.0 for spec in specs for c in spec.cells() if c.metric == "multiply_adds"}
    printed = next(c for spec in specs for c in spec.cells() if c.published == 101.28)
    return audit_suite(suite, {**computed, printed.id: 102.78})


def test_one_protocol_printed_with_two_values(found: Audit) -> None:
    """v2 Tables 2 and 3: LargeFOV, poly, before CRF."""
    values = [{double.first.published, double.second.published} for double in found.doubles]
    assert values == [{65.88, 65.76}]
    assert abs(found.doubles[0].difference) == pytest.approx(0.12)
    assert found.repeats >= 15  # 77.21 alone stands in five tables


def test_the_figure_that_contradicts_its_neighbours(found: Audit) -> None:
    assert [(m.cell.published, m.computed) for m in found.misprints] == [(101.28, 102.78)]
    assert found.computed == 14
    assert any("101.28" in line and "+1.50 B" in line for line in found.headline)


def test_smallest_differences_are_named(found: Audit) -> None:
    """v3+ Table 1, 48 against 32 channels, and v3 Table 5, 76.58 against 76.46."""
    line = next(line for line in found.headline if line.startswith("The smallest"))
    assert "v3+ Table 1, 78.21 against 78.16 (0.05; v3plus.t1.c2)" in line
    assert "v3 Table 5, 76.58 against 76.46 (0.12; v3.t5.c3)" in line


def test_headline_counts_add_up_and_failures_are_named(found: Audit) -> None:
    assert len(found.claims) == sum(len(table.claims) for table in found.tables)
    fails = [claim for claim in found.claims if claim.status == "fails"]
    assert all(any(line.startswith(f"{claim.id} fails") for line in found.headline) for claim in fails)
    testable = sum(claim.status != "not testable" for claim in found.claims)
    assert f"Of {testable} claims" in found.headline[0]
    assert {"v2", "v3", "v3plus"} <= {table.id for table in found.tables}  # claims of the papers' text


def test_papers_come_by_year(found: Audit) -> None:
    names = [table.place.split(" Table")[0].split(" Figure")[0] for table in found.tables if "text" not in table.place]
    assert list(dict.fromkeys(names)) == ["v2", "v3", "v3+", "model zoo"]


def test_only_the_papers_own_tables_are_audited(found: Audit) -> None:
    assert not any(table.id.startswith("pitfalls") for table in found.tables)


@pytest.mark.parametrize(
    ("table", "images"), [("v3/table5", 1449), ("v3/table12", 500), ("v2/table6", 5105), ("v2/table7", 1817)]
)
def test_size_of_the_validation_set_is_the_tables_own(suite: Suite, table: str, images: int) -> None:
    assert published_images(suite, suite.find(table)) == images
