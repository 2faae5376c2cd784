"""The real command on a throw-away paper: run, resume, report, failures, wrong input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked_command
import numpy as np
import pytest
from PIL import Image
from small_paper import IDENTITY, depth_table, newest

SMALL = [
    f"--set={assignment}"
    for assignment in (
        "model.width=2",
        "model.stem_width=2",
        "data.side=33",
        "data.train_images=8",
        "data.val_images=4",
        "evaluate.canvas=[33,33]",
        "train.crop=33",
        "train.batch_size=4",
        "pretrain.crop=33",
        "pretrain.batch_size=4",
        "pretrain.iterations=3",
    )
]


@pytest.fixture
def paper(tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "paper.toml").write_text(IDENTITY)
    (folder / "table1.toml").write_text(depth_table(1))
    return folder


ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "COLUMNS": "200",
    "PYTHONPATH": str(ROOT),
}


def repro(*words, cwd, timeout=120):
    return forked_command.run([*map(str, words)], cwd, ENVIRONMENT, timeout)


def run(paper, cwd, *words):
    return repro("run", "deep1", "--tables", paper, "--scale", "smoke", "--jobs", 1, *SMALL, *words, cwd=cwd)


def scores(result):
    return {(r["id"], r.get("seed")): r["value"] for r in json.loads(result.stdout)["rows"]}


def weights(cwd, store="runs"):
    return {p.parent.name: p.read_bytes() for p in Path(cwd, store, "trainings").glob("*/weights.safetensors")}


@pytest.mark.slow  # the tests of damage hold the same in short
def test_run_twice_then_damage_one_record(paper, tmp_path):
    first = run(paper, tmp_path, "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["schema"] == 1
    assert len(scores(first)) == 2
    assert all(0 < v < 100 for v in scores(first).values())
    for ending in ("md", "html"):
        assert newest(tmp_path / "reports/local", "deep-table1", ending).stat().st_size > 1000
    stored = weights(tmp_path)
    assert len(stored) == 3  # two trainings and the one both start from

    again = run(paper, tmp_path, "--json")
    assert again.returncode == 0
    assert "trained in" not in again.stderr
    assert scores(again) == scores(first)

    page = newest(tmp_path / "reports/local", "deep-table1", "html")
    written = page.stat().st_mtime_ns
    third = run(paper, tmp_path)
    assert third.returncode == 0
    assert "the report is up to date" in third.stderr
    assert page.stat().st_mtime_ns == written

    victim = sorted(tmp_path.glob("runs/evaluations/*/record.json"))[0]
    victim.write_text(victim.read_text()[:-20])
    repaired = run(paper, tmp_path, "--json")
    assert repaired.returncode == 0, repaired.stderr
    assert "computes it again" in repaired.stderr
    assert "trained in" not in repaired.stderr
    assert scores(repaired) == scores(first)
    assert weights(tmp_path) == stored


@pytest.mark.slow  # the tests of kills hold the same in short
def test_a_killed_run_goes_on_to_the_same_bits(paper, tmp_path):
    long = ["--set", "train.iterations=120", "--store"]
    whole = run(paper, tmp_path, *long, "whole", "--json")
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "repro", "run", "deep1", "--tables", paper, "--scale", "smoke", *SMALL, *long, "cut"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    checkpoints = tmp_path / "cut/checkpoints"
    # the first training is stored, and a second one is on its way
    while time.monotonic() < deadline and not (
        list(tmp_path.glob("cut/trainings/*/record.json")) and checkpoints.exists() and list(checkpoints.iterdir())
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode in (0, 130), stderr
    resumed = run(paper, tmp_path, *long, "cut", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert scores(resumed) == scores(whole)
    assert weights(tmp_path, "cut") == weights(tmp_path, "whole")


def test_a_failed_cell_is_reported_with_its_reason(paper, tmp_path):
    result = run(
        paper, tmp_path, *(f"--set=train.{x}" for x in ("lr=100", "weight_decay=1", "optimizer=sgd", "iterations=40"))
    )
    assert result.returncode == 3, result.stderr
    assert "the loss is" in result.stderr
    assert "the loss is" in newest(tmp_path / "reports/local", "deep-table1", "md").read_text()


def test_plan_only_and_report(paper, tmp_path):
    common = ["deep1", "--tables", paper, "--scale", "smoke", *SMALL]
    plan = json.loads(repro("plan", *common, "--json", cwd=tmp_path).stdout)
    assert (plan["trainings"], plan["evaluations"], plan["stored"]) == (3, 2, 0)
    one = json.loads(repro("plan", *common, "--only", "last_block=5", "--json", cwd=tmp_path).stdout)
    assert (one["trainings"], one["evaluations"]) == (2, 1)
    report = repro("report", *common, "--format", "md,csv", cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    assert "not run" in newest(tmp_path / "reports/local", "deep-table1", "md").read_text()


def test_a_table_that_only_leaves_nothing_of_keeps_its_report(paper, tmp_path):
    (paper / "table2.toml").write_text(depth_table(2, shallow=6))
    common = ["--tables", paper, "--scale", "smoke", "--only", "last_block=5"]
    result = repro("report", "deep1", "deep2", *common, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "deep/table2: --only leaves none of its cells" in result.stderr
    written = [path.name for path in (tmp_path / "reports/local").glob("deep-table*.md")]
    assert [re.sub("[0-9a-f]{6}", "...", name) for name in written] == ["deep-table1-smoke-last_block-5-....md"]


def test_a_report_tells_of_what_other_code_has_stored(paper, tmp_path):
    assert run(paper, tmp_path).returncode == 0
    common = ["report", "deep1", "--tables", paper, "--scale", "smoke", *SMALL]
    assert "--any-code" not in repro(*common, cwd=tmp_path).stderr
    code = (  # the same command with a suite of which one module has changed
        "import sys, repro.plan.code as code, repro.__main__ as m\n"
        "own = code.closure\n"
        "other = lambda *words: code.Code(tuple((k, v[::-1]) for k, v in own(*words).modules))\n"
        "code.closure = other\n"
        "import repro.run.session as s; s.closure = other\n"
        f"sys.argv = ['repro', *{[str(word) for word in common]!r}, *sys.argv[1:]]\n"
        "m.main()\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        for words in ((), ("--any-code",))
    ]
    assert "2 of the evaluations that are missing here are stored by another version of the code" in told[0]
    assert "missing here" not in told[1]


def test_camvid(paper, tmp_path):
    rng = np.random.default_rng(0)
    root = tmp_path / "CamVid"
    for split, count in (("train", 5), ("val", 3)):
        (root / split).mkdir(parents=True)
        (root / f"{split}annot").mkdir()
        lines = []
        for i in range(count):
            labels = np.repeat(rng.integers(0, 12, (6, 8)), 6, axis=0).repeat(6, axis=1).astype(np.uint8)
            Image.fromarray((labels * 20)[..., None].repeat(3, 2)).save(root / split / f"{i}.png")
            Image.fromarray(labels).save(root / f"{split}annot" / f"{i}.png")
            lines.append(f"/SegNet/CamVid/{split}/{i}.png /SegNet/CamVid/{split}annot/{i}.png")
        (root / f"{split}.txt").write_text("\n".join([*lines, lines[0]] if split == "val" else lines))
    words = ["--dataset", "camvid", "--data", root, "--set", "data.side=48", "--set", "evaluate.canvas=[49,49]"]
    result = run(paper, tmp_path, *words, "--json")
    assert result.returncode == 0, result.stderr
    assert len(scores(result)) == 2
    assert f"{root}/val.txt: line 4: 0.png stands in this list already ({root}/val.txt: line 1)" in result.stderr
    (root / "val/1.png").write_bytes((root / "val/1.png").read_bytes()[:60])
    broken = run(paper, tmp_path, *words)
    assert broken.returncode == 2
    assert "1.png" in broken.stderr
    assert "Traceback" not in broken.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "tabel3"], "Did you mean"),
        (["run", "table3", "--scale", "tny"], "tiny"),
        (["run", "table3", "--set", "train.iteratons=3"], "train.iterations"),
        (["run", "table3", "--set", "train.output_stride=12"], "12"),
        (["run", "table3", "--only", "last_blok=4"], "last_block"),
        (["run", "table3", "--device", "cuda:7"], "--device cuda:7"),
        (["run", "table3", "--device", "toaster"], "--device toaster"),
        (["run", "table3", "--seeds", "0"], "--seeds 0"),
        (["run", "table3", "--jobs", "0"], "--jobs 0"),
        (["run", "table3", "--dataset", "camvid"], "--data"),
        (["run", "table3", "--dataset", "camvid", "--data", "nowhere"], "nowhere"),
        (["run", "table3", "--dataset", "cambid"], "camvid"),
        (["run", "table3", "--store", "/proc/nothing"], "/proc/nothing"),
        (["run", "table3", "--scale", "smoke", "--out", "/proc/nothing"], "--out /proc/nothing"),
        (["check", "v3/fig4", "--update", "--junit", "/proc/nothing/a.xml"], "--junit and --markdown /proc/nothing"),
        (["run", "table3", "--tables", "nowhere"], "nowhere"),
        (["data", "show", "scenes", "--split", "tset"], "tset"),
        (["report", "table3", "--format", "pdf"], "pdf"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(words, told, tmp_path):
    result = repro(*words, cwd=tmp_path)
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("reports/local/*"))
    assert not list(tmp_path.glob("runs/trainings/*"))  # nothing was computed before it was told


def test_help_and_list_import_neither_torch_nor_pandas(tmp_path):
    for words in (["--help"], ["list"], ["plan", "table3"], ["run", "--help"]):
        code = (
            "import sys, repro.__main__ as m\n"
            f"sys.argv = ['repro', *{words!r}]\n"
            "try: m.main()\n"
            "except SystemExit: pass\n"
            "heavy = {'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
            "sys.exit(f'imported {heavy}' if heavy else 0)\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, (words, result.stderr)


@pytest.mark.slow  # an audit counts the operations of every network
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_output_that_is_not_utf8_is_spelt_plainly(encoding, tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "repro", "audit"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    text = told.stdout.decode(encoding)
    assert "block7 - block6 with -0.08 points" in text  # U+2212 is in neither encoding
    assert "?" not in text


@pytest.mark.parametrize("words", [["list"], ["show", "v3/table3", "--resolved", "--json"]])
def test_a_reader_that_has_seen_enough_is_no_failure(words, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "repro", *words],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), told) == (0, b"")


def test_data_prepare_says_that_scenes_need_nothing(tmp_path):
    result = repro("data", "prepare", "scenes", "--root", ".", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "")
    assert "nothing to fetch" in result.stderr


def test_data_show_draws_a_sheet(tmp_path):
    result = repro("data", "show", "scenes", "--count", 4, "--side", 65, "--out", "sheet.png", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width >= 130
        assert len(sheet.getcolors(1 << 20)) > 100


def test_short_memory_is_answered_with_micro_batches_that_the_report_lists(paper, tmp_path, monkeypatch):
    """Four images at once are too many for one of two trainings, so that it becomes another, as do its results."""
    import torch
    from planted_faults import run_workers_here
    from small_paper import repro as here

    from repro.train import loop

    whole, sizes = loop.backward, []

    def short(trainer, x, y, context, step):
        deep, train = "block5" in trainer._call.network.backbone.blocks, context.settings
        sizes.append((deep, train.micro_batch or train.batch_size))
        if deep and sizes[-1][1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(trainer, x, y, context, step)

    run_workers_here(monkeypatch)
    monkeypatch.setattr(loop, "backward", short)
    told = ["deep1", "--tables", paper, "--scale", "smoke", "--store", tmp_path / "runs", "--out", tmp_path / "out"]
    told += [*SMALL, "--device", "cpu"]
    code, _, errors = here("run", *told, "--jobs", 1)
    assert code == 0, errors
    assert "out of memory with 4 images at once; 2 may fit" in errors
    assert "going on in micro-batches" in errors
    assert set(sizes) == {(False, 4), (True, 4), (True, 2)}
    (report,) = (tmp_path / "out").glob("deep-table1*.md")
    assert "train.micro_batch" in report.read_text()
    code, _, errors = here("run", *told, "--jobs", 1)
    assert (code, sizes.count((True, 4))) == (0, 1), errors  # the same command has nothing left to do
    code, _, errors = here("run", *told, "--jobs", 1, "--set", "train.micro_batch=none")
    assert code == 3
    assert "out of memory with 4 images at once" in errors
