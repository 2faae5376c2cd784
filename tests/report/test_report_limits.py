"""What the report says that it cannot show."""

import dataclasses

from report_fixture import changed, content, usual, without_results

from repro.report.limits import limits


def said(base) -> str:
    return " ".join(limits(base))


def test_below_scale_paper():
    text = said(usual())
    assert "“tiny”, not the paper's" in text
    assert "the paper's are “voc2012”" in text
    assert "below about 1.8 points" in text
    assert "2 of 20 cells have no number" in text


def test_computed_figures_are_those_of_the_paper_at_any_scale():
    base = content(broken=False)
    computed = tuple(
        dataclasses.replace(c, state="computed", cell=dataclasses.replace(c.cell, kind="computed")) for c in base.cells
    )
    assert "not the paper's. Orders" in said(base)
    assert "not the paper's. Orders" not in said(dataclasses.replace(base, cells=computed))


def test_at_scale_paper():
    text = said(content(scale="paper", seeds=(0, 1, 2), broken=False))
    assert "not the paper's. Orders" not in text
    assert "voc2012" not in text
    assert "have no number" not in text


def test_changed_settings_at_scale_paper():
    text = said(changed(content(scale="paper", seeds=(0, 1, 2), broken=False)))
    assert "settings other than the paper's (model.width, train.crop): that says nothing about absolute values" in text
    assert "no reproduction of printed values" in text
    one = said(changed(content(scale="paper", seeds=(0, 1, 2), broken=False), cells=1))
    assert one.startswith("Of 20 cells, one measured with settings other than the paper's")
    assert "other than the paper's" not in said(changed(usual()))  # a smaller scale says it all


def test_one_seed():
    assert "the choice of validation images only" in said(content(seeds=(0,)))


def test_claims_that_are_texts_are_counted():
    assert "1 of 5 claims cannot be put to these numbers" in said(content(table="v3/table2"))


def test_nothing_measured():
    text = said(without_results(usual()))
    assert "20 of 20 cells have no number" in text
    assert "seeds" not in text
