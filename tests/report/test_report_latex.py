"""The table as LaTeX."""

import dataclasses
import re

import pytest
from report_fixture import SUITE, changed, content, usual

from repro.report.latex import escape, report_latex


@pytest.mark.parametrize("table", ["v3/table1", "v3/table3", "v3/table4"])
def test_every_line_has_as_many_columns_as_the_table(table):
    page = report_latex(content(table=table))
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", page)[1])
    rows = [line for line in page.split("\n") if line.endswith(r"\\")]
    assert len(rows) == 1 + 2 * SUITE.find(table).shape()[0]
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {columns}


def test_published_and_ours():
    page = report_latex(usual())
    assert "(1, 1, 1) & published & 68.39 & 73.21 & 75.34 & 75.76" in page
    assert r"$\pm$" in page
    assert r"failed $\times$" in page


def test_changed_settings_are_told_in_the_caption():
    said = "with other settings than the paper's (model.width, train.crop)"
    assert said in report_latex(changed(usual()))
    assert "other settings" not in report_latex(usual())


def test_special_letters_are_escaped():
    assert escape(r"50% & a_b {x} \y $z$ #1 ~^") == (
        r"50\% \& a\_b \{x\} \textbackslash{}y \$z\$ \#1 \textasciitilde{}\textasciicircum{}"
    )


def test_braces_balance():
    base = usual()
    page = report_latex(dataclasses.replace(base, table=dataclasses.replace(base.table, title="a {b \\ c} %")))
    plain = re.sub(r"\\[{}]", "", page)
    assert plain.count("{") == plain.count("}")
