"""The pages about the judge: made from their own figures, and the committed ones keep what was promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.studies.first_trainings import First
from repro.studies.interval_ends import RULES, ClassEnds, Ends
from repro.studies.judge_report import files, main, read, write
from repro.studies.judge_study import CoverageRow, Covered, DetectionRate, JudgedTable, Likeness, Null
from repro.studies.pairs import PLACES, SPREADS, TABLES, Apart, Every, Missed
from repro.studies.reference_runs import BORNE, ELSEWHERE, PLAIN, Borrowed, BorrowedApart, BorrowedTable

COMMITTED = Path(__file__).parents[2] / "reports" / "judge"


def made() -> list[CoverageRow]:
    return [
        Likeness("a | b", 100, 6, 60.0, 1.0, 2.0, 1.5, 0.5),
        Covered("a | b", 1, 50, True, 0.94, 0.96, None, 3.0),
        Covered("a | b", 3, 50, True, 0.93, 0.95, 0.80, 8.0),
        Covered("wild", 3, 50, False, 0.88, 0.95, 0.80, 8.0),
        Ends("low", 2, 50, 6.6, 0.2, dict.fromkeys(RULES, 0.94), dict(zip(RULES, (9.5, 8.5, 11.4, 10.2), strict=True))),
        ClassEnds(0.05, 27.5, 50, 0.86, 0.97, 54.8),
        Null("a | b", 3, 50, 0.02, 0.04),
        JudgedTable(3, 10, 0.03, 0.8),
        DetectionRate(3, 16, 0.5, 1.2, 0.4, 0.1, 0.12),
        DetectionRate(3, 16, 2.5, 1.2, 0.4, 0.7, 0.68),
        First("a | b", 5, 50, 0.9, 0.95),
        Every("3, 3", 5, 50, 0.6, 0.0, 0.9, 0.8),
        Apart("a | b, alike", True, 3, 50, 0.02),
        Apart("a | b, alike", True, 5, 50, 0.03),
        Missed("a table", 5, 50, 0.4, 0.02, 0.04, 0.03, 0.0),
        Borrowed("a | b", False, 5, 0.5, 0.0, 50, 0.03, 0.02, 0.1, 0.01, 0.02),
        Borrowed("a | b", True, 5, 0.0, 3.0, 50, 0.53, 0.0, 0.9, 0.0, 0.9),
        BorrowedTable(5, 0.5, 50, 0.03, 0.7),
        BorrowedApart("a | b, alike", True, 5, 50, 0.02),
    ]


def test_what_was_promised_stands_first_beside_what_was_found() -> None:
    page = files(made())["README.md"]
    assert "93.0 to 96.0 %; elsewhere (2 seeds, runs that now and then go wrong) 88.0 to 95.0 %" in page
    assert "| 2.0 to 2.0 % |" in page
    assert page.index("Promise") < page.index("## What is simulated")
    assert "| 2.5 | 3 | 70 | 68 |" in page


def test_figures_survive_the_folder_and_pages_are_made_from_them(tmp_path: Path) -> None:
    write(made(), tmp_path)
    assert read(tmp_path) == made()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"README.md", "coverage.svg", "power.svg", "proof.json"}
    (tmp_path / "README.md").unlink()
    main([str(tmp_path), "--from-json"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_some_rows_can_be_simulated_anew(tmp_path: Path) -> None:
    write(made(), tmp_path)
    main([str(tmp_path), "--only", "classes", "--experiments", "2"])
    found = read(tmp_path)
    anew = [row for row in found if isinstance(row, ClassEnds)]
    assert [row for row in found if row not in anew] == [row for row in made() if not isinstance(row, ClassEnds)]
    assert {row.experiments for row in anew} == {2}
    assert len(anew) == 16


def test_pictures_stand_alone_in_both_themes() -> None:
    from xml.etree import ElementTree

    for name in ("coverage.svg", "power.svg"):
        text = files(made())[name]
        ElementTree.fromstring(text)
        assert 'xmlns="http://www.w3.org/2000/svg"' in text
        assert "prefers-color-scheme:dark" in text


@pytest.fixture(scope="module")
def committed() -> list[CoverageRow]:
    return read(COMMITTED)


def test_committed_pages_are_those_of_the_committed_figures(committed: list[CoverageRow]) -> None:
    for name, text in files(committed).items():
        assert (COMMITTED / name).read_text(encoding="utf-8") == text, name


def test_committed_intervals_cover_within_two_points(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, Covered) and row.promised]
    assert {row.seeds for row in rows} == {1, 3, 5, 10}
    for row in rows:
        assert row.experiments >= 1000
        error = (0.95 * 0.05 / row.experiments) ** 0.5
        # two points, and what simulating adds to the worst of so many figures
        assert abs(row.score - 0.95) <= 0.02 + 2 * error, row
        assert abs(row.difference - 0.95) <= 0.02 + 2 * error, row


def test_committed_scores_stay_in_range_and_cover_no_less_than_students_t(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, Ends)]
    assert {row.seeds for row in rows} == {1, 2, 3, 5, 10}
    for row in rows:
        error = (0.95 * 0.05 / row.experiments) ** 0.5
        assert row.experiments >= 1000
        assert row.covered["wilson"] >= min(row.covered["student"], 0.95) - error, row  # where that falls short
        assert row.width["wilson"] <= row.width["logit"] + 1e-9, row
        assert row.covered["wilson"] >= 0.93 - 2 * error, row
    assert max(row.impossible for row in rows) > 0.5
    assert min(row.covered["student"] for row in rows) < 0.92


def test_committed_classes_cover_far_better_than_with_students_t(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, ClassEnds)]
    assert min(row.student for row in rows) < 0.8
    assert min(row.wilson for row in rows) > 0.88
    for row in rows:
        assert row.wilson >= row.student - 0.01, row


def test_committed_nulls_are_seldom_supported(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, Null)]
    assert len(rows) >= 20
    assert max(row.supported for row in rows) <= 0.05
    assert max(row.wrong for row in committed if isinstance(row, JudgedTable)) <= 0.05


def test_committed_first_trainings_of_each_seed_are_covered(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, First)]
    assert rows
    for row in rows:
        error = (0.95 * 0.05 / row.experiments) ** 0.5
        assert abs(row.own - 0.95) <= 3 * error, row
        assert row.shared < row.own, row


def test_committed_every_is_seldom_supported_where_one_place_is_not_better(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, Every)]
    assert {row.places for row in rows} == set(PLACES)
    for row in rows:
        allowed = 0.05 + 2 * (0.05 * 0.95 / row.experiments) ** 0.5
        assert row.experiments >= 1000
        if min(PLACES[row.places]) <= 0:
            assert row.every_supported <= allowed, row
        if min(PLACES[row.places]) >= 0:
            assert row.every_contradicted <= allowed, row
    worse = next(row for row in rows if row.places == "3, 2.5, 2, -0.8" and row.seeds == 5)
    assert worse.mean_supported > 0.9
    assert worse.mean_plain < 0.1


def test_committed_pairs_that_are_alike_are_seldom_called_different(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, Apart | BorrowedApart)]
    assert len(rows) == 36 + len(SPREADS)
    for row in rows:
        allowed = 0.05 + 2 * (0.05 * 0.95 / row.experiments) ** 0.5
        assert not row.alike or row.flagged <= allowed, row
    assert max(row.flagged for row in rows if not row.alike) > 0.9


def test_committed_intervals_of_claims_miss_no_more_than_promised(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, Missed)]
    assert {row.table for row in rows} == set(TABLES)
    for row in rows:
        allowed = 0.05 + 2 * (0.05 * 0.95 / row.experiments) ** 0.5
        assert row.missed_decided <= allowed, row
        assert row.missed <= allowed, row
        assert row.wrong <= allowed, row
        assert row.at_odds == 0, row


def test_committed_verdicts_of_one_seed_are_seldom_false(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, Borrowed) and not row.difference]
    assert {row.elsewhere for row in rows if row.world == PLAIN} == set(ELSEWHERE)
    for row in rows:
        if row.elsewhere <= BORNE:
            assert row.supported <= 0.05 + 2 * (0.05 * 0.95 / row.experiments) ** 0.5, row
    tables = [row for row in committed if isinstance(row, BorrowedTable)]
    assert max(row.wrong for row in tables if row.reference_seeds == 5) <= 0.05
    powers = [row for row in committed if isinstance(row, Borrowed) and row.difference]
    assert max(row.supported for row in powers) > 0.9


def test_committed_power_rises_with_size_and_seeds_as_foretold(committed: list[CoverageRow]) -> None:
    rows = [row for row in committed if isinstance(row, DetectionRate)]
    for row in rows:
        # with 2 seeds fewer are foretold than found: the judge's quantile there is a mean of two very different ones
        assert row.supported == pytest.approx(row.foretold, abs=0.1 if row.seeds > 2 else 0.15), row
    largest = max(row.difference for row in rows)
    by_seeds = [row.supported for row in sorted(rows, key=lambda r: r.seeds) if row.difference == largest]
    assert by_seeds == sorted(by_seeds)
