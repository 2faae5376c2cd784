"""The table as LaTeX."""

import dataclasses
import re
import shutil
import subprocess

import pytest
from report_fixture import SUITE, changed, content, usual

from repro.report.formats.latex import PACKAGES, escape, report_latex
from repro.report.grid import grid
from repro.report.legend import LEGEND
from repro.report.table_alone import JUDGED


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
    assert f"({grid(usual()).cells()[0].interval})" in page
    assert r"\label{tab:v3-table3}" in page
    for sign in ("n/c", " -- ", "times", "circ"):
        assert sign not in page


def test_ours_only_has_one_line_per_row_and_no_published_number():
    page = report_latex(usual(), ours_only=True)
    rows = [line for line in page.split("\n") if line.endswith(r"\\")]
    assert len(rows) == 6
    assert "published" not in page
    assert "68.39" not in page
    assert re.search(r"\\begin\{tabular\}\{([lr]+)\}", page)[1] == "l" + "r" * 4
    for table in ("v2/fig10", "v3/table1"):
        assert "published" not in report_latex(content(table=table), ours_only=True)


def test_the_best_of_each_column_is_bold():
    page = report_latex(usual())
    published = [line.split(" & ") for line in page.split("\n") if "& published" in line]
    bold = [[row[k].removesuffix(r" \\") for row in published if "textbf" in row[k]] for k in range(2, 6)]
    # the largest number of each column of v3 Table 3, as printed
    assert bold == [[r"\textbf{73.45}"], [r"\textbf{75.78}"], [r"\textbf{76.09}"], [r"\textbf{76.66}"]]
    ours = [line.split(" & ") for line in page.split("\n") if "& ours" in line]
    for k in range(2, 6):
        values = {row[k].startswith(r"\textbf"): [] for row in ours}
        for row in ours:
            found = re.search(r"\d+\.\d+", row[k])
            if found:
                values[row[k].startswith(r"\textbf")].append(float(found[0]))
        assert min(values[True]) > max(values[False])


def test_signs_that_judge_are_explained_at_paper_scale():
    page = report_latex(content(scale="paper"))
    marks = {cell.mark for cell in grid(content(scale="paper")).cells()} & set(JUDGED)
    assert marks
    for mark in marks:
        assert f"{escape(LEGEND[mark].symbol)} {LEGEND[mark].name}" in page


def test_changed_settings_are_told_in_the_caption():
    said = "with other settings than the paper's (model.width, train.crop)"
    assert said in report_latex(changed(usual()))
    assert "other settings" not in report_latex(usual())


def test_special_letters_are_escaped():
    assert escape(r"50% & a_b {x} \y $z$ #1 ~^") == (
        r"50\% \& a\_b \{x\} \textbackslash{}y \$z\$ \#1 \textasciitilde{}\textasciicircum{}"
    )
    assert escape("a|b ∞") == r"a\textbar{}b $\infty$"


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
        assert float(rows[2][at].removeprefix(r"\textbf{").rstrip("}")) == pytest.approx(cell.published, abs=0.01)
    assert "Best of each row" in page
    upright = report_latex(content(table="v3/table3"))
    assert r"\multicolumn" not in upright


def test_a_turned_table_shows_differences_to_the_baseline_too():
    told = content(table="v3plus/fig5")
    cells = tuple(dataclasses.replace(c, baseline="x", gain=c.estimate) for c in told.cells)
    told = dataclasses.replace(told, cells=cells)
    page, (lines, _) = report_latex(told), SUITE.find("v3plus/fig5").shape()
    rows = [line.removesuffix(r" \\").split(" & ") for line in page.split("\n") if line.endswith(r"\\")]
    assert rows[1][1:] == ["published", "ours", "to baseline"] * lines
    shown = [escape(cell.gain) for cell in grid(told).cells()]
    assert [row[3 + 3 * k].strip() for k in range(lines) for row in rows[2:]] == shown
    assert any(shown)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_prints_it_within_the_page(tmp_path):
    tables = ("v2/fig10", "v3/table3", "v3plus/table5", "pitfalls/deeplabv3")
    body = r"\clearpage".join(report_latex(content(table=t), only) for t in tables for only in (False, True))
    head = rf"\documentclass{{article}}\usepackage{{{','.join(PACKAGES)}}}"
    (tmp_path / "a.tex").write_text(rf"{head}\begin{{document}}{body}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "too large" not in done.stdout
