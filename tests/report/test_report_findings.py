"""Findings: sizes, the most certain first, and never more than was measured."""

import dataclasses

import pytest
from report_fixture import content

from repro.judge.result import Differences, PairGroup
from repro.report.charts.main_figure import main_figure
from repro.report.findings import MOST, findings


@pytest.fixture(scope="module")
def claims():
    return content(seeds=(0, 1, 2, 3, 4), broken=False).claims


def as_if(claim, verdict, q=0.01, differences=None):
    """The claim with another verdict, its deciding part being of pairs that differ so."""
    parts = list(claim.parts)
    parts[claim.decisive] = dataclasses.replace(parts[claim.decisive], differences=differences)
    return dataclasses.replace(claim, verdict=verdict, q=q, parts=tuple(parts))


def test_what_is_decided_comes_first_with_its_size_and_the_papers(claims):
    first, second = claims[:2]
    found = findings([as_if(first, "inconclusive", 0.4), as_if(second, "supported")])
    assert [line.verdict for line in found] == ["supported", "inconclusive"]
    assert found[0].text.startswith(second.text.rstrip("."))
    assert f"{second.effect.value:+.2f} points".replace("-", "−") in found[0].text
    assert f"as printed {second.published_effect:+.2f} points".replace("-", "−") in found[0].text


def test_of_one_verdict_the_most_certain_comes_first_and_the_rest_is_counted(claims):
    many = [as_if(claims[0], "supported", q=0.001 * (10 - k)) for k in range(MOST + 3)]
    many = [dataclasses.replace(claim, id=f"c{k}") for k, claim in enumerate(many)]
    found = findings(many)
    assert [line.claim for line in found[:MOST]] == [f"c{k}" for k in range(MOST + 2, 2, -1)]
    assert found[MOST].text == "3 more are supported."
    assert len(found) == MOST + 1


def test_a_mean_that_depends_on_where_says_where(claims):
    apart = Differences(0.0004, 2.1, PairGroup("block4", 3, 4.5, True, False), PairGroup("", 9, 0.1, False, False))
    (line,) = findings([as_if(claims[0], "supported on average", differences=apart)])
    assert line.text.endswith("It depends on where: +4.50 points for block4, +0.10 points for the 9 others.")


def test_a_contradicted_claim_is_never_told_as_true(claims):
    (line,) = findings([as_if(claims[0], "contradicted")])
    assert line.text.startswith("Not so here: “")


def test_nothing_decided_says_what_was_seen_and_what_could_have_been(claims):
    found = findings([as_if(claim, "inconclusive", 0.9) for claim in claims[:3]], detectable=3.0)
    assert found[-1].text.startswith("Nothing is decided: all 3 claims are inconclusive.")
    assert "Nearest to a decision: “" in found[-1].text
    assert "detect a true difference of 3.0 points with 80 % power" in found[-1].text
    assert {line.verdict for line in found} == {"inconclusive"}


def test_what_was_not_run_is_no_finding(claims):
    assert findings([as_if(claim, "not run") for claim in claims]) == ()
    assert findings(()) == ()


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("v3/table3", "Each row over the columns"),
        ("pitfalls/deeplabv3", "The effect behind each claim"),
        ("v3/table4", "Every measured cell"),
    ],
)
def test_the_first_figure_shows_the_tables_message(table, name):
    base = content(table=table, seeds=(0, 1, 2), broken=False)
    figure = main_figure(base)
    assert figure is not None
    assert figure.name.startswith(name)
    wide, narrow = figure.draw(640.0), figure.draw(300.0)
    assert 'viewBox="0 0 640 ' in wide
    assert 'viewBox="0 0 300 ' in narrow


def test_nothing_measured_no_figure():
    base = content(table="v3/table13")
    assert main_figure(base) is None
