"""The table as LaTeX."""

import dataclasses
import re
import shutil
import subprocess

import pytest
from report_fixture import SUITE, changed, content, usual

from repro.report.formats.latex import PACKAGES, escape, report_latex
from repro.report.grid import grid


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
    assert f"({grid(usual()).cells()[0].interval}) n/c" in page
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


@pytest.mark.parametrize("table", ["v2/fig10", "v3plus/fig5"])
def test_a_table_of_many_columns_is_turned(table):
    told = content(table=table)
    page, (lines, columns) = report_latex(told), SUITE.find(table).shape()
    assert len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", page)[1]) == 1 + 2 * lines
    rows = [line.split(" & ") for line in page.split("\n") if line.endswith(r"\\")]
    assert len(rows) == 2 + columns
    assert {len(row) for row in rows[1:]} == {1 + 2 * lines}
    for at, cell in ((1, told.cells[0].cell), (2 * lines - 1, told.cells[(lines - 1) * columns].cell)):
        assert float(rows[2][at]) == pytest.approx(cell.published, abs=0.01)
    upright = report_latex(content(table="v3/table3"))
    assert r"\multicolumn" not in upright


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_prints_it_within_the_page(tmp_path):
    tables = ("v2/fig10", "v3/table3", "v3plus/table5", "pitfalls/deeplabv3")
    body = r"\clearpage".join(report_latex(content(table=table)) for table in tables)
    head = rf"\documentclass{{article}}\usepackage{{{','.join(PACKAGES)}}}"
    (tmp_path / "a.tex").write_text(rf"{head}\begin{{document}}{body}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "too large" not in done.stdout
