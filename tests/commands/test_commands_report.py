"""`repro report`: names, one page's fault, what pages say of this machine, and equal bytes for any hash seed."""

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from small_paper import IDENTITY, depth_table, repro

from repro.commands.options import OUT, how_given
from repro.commands.report import command
from repro.report.formats import html
from repro.run import pretrained_weights
from repro.run.session import Options

ROOT = Path(__file__).parents[2]


@pytest.fixture
def paper(tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "paper.toml").write_text(IDENTITY)
    for number in (1, 2):
        (folder / f"table{number}.toml").write_text(depth_table(number))
    return folder


def told(paper, *words):
    place = paper.parent
    return repro("report", *words, "--tables", paper, "--store", place / "runs", "--out", place / "out")


def pages(folder, pattern="deep-table1*.html"):
    return sorted(re.sub("[0-9a-f]{6}", "...", path.name) for path in folder.glob(pattern))


def test_reports_of_other_scales_cells_and_settings_stand_side_by_side(paper, tmp_path):
    told(paper, "deep1", "--scale", "tiny")
    first = (tmp_path / "out/deep-table1.html").read_bytes()
    for words in (
        ("--scale", "smoke"),
        ("--scale", "smoke", "--set", "train.lr=0.004", "--only", "last_block=4"),
        ("--scale", "tiny", "--set", "train.lr=0.004"),
        ("--scale", "tiny", "--only", "last_block=4"),
    ):
        assert told(paper, "deep1", *words)[0] == 0
    assert pages(tmp_path / "out") == [
        "deep-table1-last_block-4-....html",
        "deep-table1-smoke-last_block-4-train.lr-0.004-....html",
        "deep-table1-smoke.html",
        "deep-table1-train.lr-0.004-....html",
        "deep-table1.html",
    ]
    assert (tmp_path / "out/deep-table1.html").read_bytes() == first
    index = (tmp_path / "out/index.md").read_text()
    own = [line for line in index.splitlines() if "deep/table1" in line]
    assert len(own) == 5
    # all of a table comes before parts of it, and each line leads to its own page
    assert [("only" in line or "set" in line) for line in own] == [False, False, True, True, True]
    links = [re.search(r"\]\(([^)]+)\)", line)[1] for line in own]
    assert {(tmp_path / "out" / link).exists() for link in links} == {True}
    assert len(set(links)) == 5
    assert "--only last\\_block=4" in index
    text = next((tmp_path / "out").glob("deep-table1-last_block*.md")).read_text()
    assert "Of the table only last\\_block=4 was asked for." in text


def test_a_page_that_cannot_be_made_is_told_and_keeps_none_of_the_others(paper, tmp_path, monkeypatch):
    """Not exit code 1, which says that a check failed; and nothing half-written."""

    def broken(content, changes):
        if content.table.id == "deep/table1":
            raise ZeroDivisionError("division by zero")
        return own(content, changes)

    own = html.report_html
    monkeypatch.setattr(html, "report_html", broken)
    code, _, err = told(paper, "deep1", "deep2", "--scale", "tiny")
    assert code == 70
    assert "deep/table1: no report: ZeroDivisionError: division by zero" in err
    assert pages(tmp_path / "out", "deep-*") == ["deep-table2.html", "deep-table2.md"]
    monkeypatch.undo()
    assert told(paper, "deep1", "deep2", "--scale", "tiny")[0] == 0
    assert pages(tmp_path / "out", "deep-*.html") == ["deep-table1.html", "deep-table2.html"]


def test_the_command_in_a_page_names_no_folder_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = Options(
        ("v3/table3",), "smoke", 5, ("multi_grid=[1,1,1]",), ("train.lr=0.004",), None, Path("data/VOC devkit"),
        Path("/somewhere/else/runs"), tmp_path / "papers", pretrained_weights.folder(),
    )  # fmt: skip
    assert command(options, "v3/table3") == (
        "python -m repro run v3/table3 --scale smoke --data 'data/VOC devkit' --weights hub --store <store> "
        "--tables papers --set train.lr=0.004 --only 'multi_grid=[1,1,1]' --seeds 5"
    )
    shell = subprocess.run(["sh", "-c", command(options, "v3/table3")], capture_output=True, cwd=tmp_path, check=False)
    assert shell.returncode != 0
    assert not list(tmp_path.iterdir())


def test_commands_in_a_page_keep_all_that_was_given(tmp_path):
    """More seeds of the same cells, with the same settings; one cell with the same seeds."""
    given = ["--scale", "smoke", "--store", "runs of mine", "--set", "train.lr=0.004", "--only", "last_block=4"]
    code, _, err = repro(
        "report", "v3/table3", *given, "--seeds", "2", "--out", tmp_path / "out", "--format", "md,html"
    )
    assert code == 0, err
    common = "python -m repro run v3/table3 --scale smoke --store 'runs of mine' --set train.lr=0.004 "
    page = next((tmp_path / "out").glob("*.md")).read_text()
    assert f"{common}--only last_block=4 --seeds 2 --out <out>\n" in page
    assert f"{common}--only last_block=4 --seeds 5 --out <out>\n" in page
    whole = unescape(next((tmp_path / "out").glob("v3*.html")).read_text())
    assert f"{common}--seeds 2 --out <out> --only 'model.multi_grid=[1,1,1]' --only model.last_block=4" in whole


def test_options_of_where_and_how_are_repeated():
    assert how_given(
        out=(Path("a b"), OUT), device=("cpu", "auto"), jobs=(3, None), executor=("local", "local"),
        slurm=(["partition=gpu", "time=1:00"], None), gpus_per_training=(8, 1), tensorboard=(None, None),
    ) == (
        ("--out", Path("a b")), ("--device", "cpu"), ("--jobs", "3"), ("--slurm", "partition=gpu"),
        ("--slurm", "time=1:00"), ("--gpus-per-training", "8"),
    )  # fmt: skip
    options = Options(("x",), how=how_given(out=(Path("a b"), OUT), slurm=(["comment=a b"], None)))
    assert command(options, "x", seeds=5) == "python -m repro run x --seeds 5 --out 'a b' --slurm 'comment=a b'"


def test_pages_and_rows_do_not_depend_on_the_hash_seed(tmp_path):
    """Sets of strings have another order in every process: no output may follow it."""

    def made(seed: int) -> list[bytes]:
        out = tmp_path / str(seed) / "out"
        out.mkdir(parents=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed), "CUDA_VISIBLE_DEVICES": ""}
        common = ["--scale", "smoke", "--store", "none", "--dataset", "scenes"]
        script = (
            "import sys, repro.cli as c\n"
            "for words in sys.stdin.read().splitlines():\n"
            "    try: c.app(words.split())\n"
            "    except SystemExit: pass\n"
        )
        lines = [
            f"report v3/table8 --out {out} --format md,html,csv {' '.join(common)}",
            f"plan v3/table8 --json {' '.join(common)}",
            "plan v3/table3 --scale paper --gpu h200 --store none",
            "show v3/table8 --json",
        ]
        done = subprocess.run(
            [sys.executable, "-c", script], input="\n".join(lines).encode(), env=environment, capture_output=True,
            cwd=out.parent, check=True,
        )  # fmt: skip
        files = sorted(path for path in out.iterdir() if path.suffix in (".md", ".html", ".csv"))
        assert len(files) >= 7, done.stderr
        assert done.stdout.count(b'"schema"') == 2
        return [done.stdout, *(path.read_bytes().replace(str(out).encode(), b"") for path in files)]

    assert made(1) == made(2)


def test_json_rows_are_written_beside_the_report(paper):
    code, out, _ = told(paper, "deep1", "--scale", "tiny", "--json")
    assert code == 0
    assert {row["state"] for row in json.loads(out)["rows"]} == {"missing"}
