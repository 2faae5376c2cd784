"""What the report says that it cannot show."""

import dataclasses

from report_fixture import changed, content, usual, without_results

from repro.report.limits import limits
from repro.report.sentences import scale_line


def limits_of(base) -> str:
    return " ".join(limits(base))


def test_below_scale_paper():
    text = limits_of(usual())
    assert "no reproduction of printed values" in text
    assert "the paper's are “voc2012”" in text
    assert "below about 1.8 points" in text
    assert "2 of 20 cells have no number" in text


def test_computed_figures_are_those_of_the_paper_at_any_scale():
    base = content(broken=False)
    computed = tuple(
        dataclasses.replace(c, state="computed", cell=dataclasses.replace(c.cell, kind="computed")) for c in base.cells
    )
    assert "no reproduction" in limits_of(base)
    assert "no reproduction" not in limits_of(dataclasses.replace(base, cells=computed))


def test_at_scale_paper():
    text = limits_of(content(scale="paper", seeds=(0, 1, 2), broken=False))
    assert "no reproduction" not in text
    assert "voc2012" not in text
    assert "have no number" not in text


def test_changed_settings_at_scale_paper():
    base = changed(content(scale="paper", seeds=(0, 1, 2), broken=False))
    assert "no reproduction of printed values" in limits_of(base)
    # which settings these are stands beside the scale, once
    where = "settings other than the paper's (model.width, train.crop): that says nothing about absolute values"
    assert where in scale_line(base)
    assert where not in limits_of(base)
    one = changed(content(scale="paper", seeds=(0, 1, 2), broken=False), cells=1)
    assert "Of 20 cells, one measured with settings other than the paper's" in scale_line(one)
    assert "other than the paper's" not in limits_of(changed(usual()))  # a smaller scale says it all


def test_one_seed():
    assert "the choice of validation images only" in limits_of(content(seeds=(0,)))


def test_claims_that_are_texts_are_counted():
    assert "1 of 5 claims cannot be tested with these numbers" in limits_of(content(table="v3/table2"))


def test_nothing_measured():
    text = limits_of(without_results(usual()))
    assert "20 of 20 cells have no number" in text
    assert "seeds" not in text
