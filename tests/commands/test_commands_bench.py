"""`repro bench` on a folder of benchmarks that take no time."""

import importlib
import json
import tomllib

import pytest
from typer.testing import CliRunner

from repro.cli import app
from repro.commands import bench
from repro.errors import InputError

QUICK = """
from .turns import Row
def bench(device):
    return [
        Row("thing", 10.0, "images/s", "theirs", 2.0, (1.5, 2.5), floor=20.0, goal="fast", met=True),
        Row("other", 3.0, "s", goal="slow", met=False, note="a note"),
    ]
"""
SLOW = QUICK + "\nSLOW = True\n"
BROKEN = "def bench(device):\n    raise RuntimeError('no such thing')\n"
RATE = """
from .turns import Row
def bench(device):
    return [Row("training rate", 5e10, "multiply-adds/s", note='a "step"')]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("__init__", "turns"):
        (folder / f"{name}.py").write_text((bench.located() / f"{name}.py").read_text())
    for name, text in {"quick": QUICK, "slow": SLOW, "broken": BROKEN, "rate": RATE}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(bench, "located", lambda: folder)
    monkeypatch.setattr(bench, "PACKAGE", f"benchmarks_of_{tmp_path.name.replace('-', '_')}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(*words):
        found = CliRunner().invoke(app, ["bench", *map(str, words), "--device", "cpu"])
        if isinstance(found.exception, InputError):
            return 2, "", str(found.exception)
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return found.exit_code, found.stdout, found.stderr

    return call


def test_a_table_and_the_same_figures_as_json(run, tmp_path):
    code, out, _ = run("quick", "--json", tmp_path / "found.json")
    assert code == 0
    for word in (
        "thing",
        "10",
        "images/s",
        "2.00 (1.50 to 2.50) theirs",
        "50%",
        "fast: met",
        "slow: NOT met",
        "a note",
    ):
        assert word in out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["schema"] == 1
    assert found["machine"]["processor"]
    assert [row["benchmark"] for row in found["rows"]] == ["quick", "quick"]
    assert found["rows"][0]["share"] == 0.5


def test_slow_ones_run_only_by_name_and_a_broken_one_fails_alone(run):
    code, out, told = run()
    assert code == 3
    assert "take minutes: slow" in told
    assert "broken: failed: no such thing" in told
    assert "thing" in out
    assert run("slow")[0] == 0


def test_every_module_beside_the_shared_ones_is_a_benchmark():
    package = bench._package(bench.located())
    names = {path.stem for path in bench.located().glob("*.py")}
    assert names > set(bench.SHARED)
    for name in names - set(bench.SHARED):
        assert callable(importlib.import_module(f"{package}.{name}").bench), name


@pytest.mark.usefixtures("run")
def test_what_was_measured_before_an_interruption_is_kept(tmp_path):
    path = tmp_path / "found.json"
    (tmp_path / "benchmarks" / "stopped.py").write_text("def bench(device):\n    raise KeyboardInterrupt\n")
    found = CliRunner().invoke(app, ["bench", "quick", "stopped", "--device", "cpu", "--json", str(path)])
    assert found.exit_code != 0
    assert [row["name"] for row in json.loads(path.read_text())["rows"]] == ["thing", "other"]


def test_an_unknown_benchmark_and_a_file_that_cannot_be_written(run, tmp_path):
    code, _, told = run("quik")
    assert code == 2
    assert "there are broken, quick, rate, slow" in told
    assert "Did you mean 'quick'" in told
    code, _, told = run("quick", "--json", tmp_path / "none" / "found.json")
    assert code == 2
    assert "no such file or directory. Choose another folder with --json" in told
    assert "quick on" not in told  # before anything is measured


def test_a_saved_rate_is_what_a_plan_reckons_with(run, tmp_path):
    path = tmp_path / "config/repro/gpus.toml"
    path.parent.mkdir(parents=True)
    old = 'title = "kept"\nmemory_gb = 8\nbfloat16 = false\npeak_tflops = 10.5\nsource = "a"\nutilisation = 0.5\n'
    path.write_text(f"[old]\n{old}")
    code, _, told = run("--save-rate", "my-box")
    assert code == 0, told
    assert "plan TABLE --gpu my-box" in told
    kept = tomllib.loads(path.read_text())
    assert kept["old"] == tomllib.loads(old)
    assert kept["my-box"]["measured"]["rate"] == 5e4
    assert kept["my-box"]["measured"]["what"] == 'a "step"'
    plan = CliRunner().invoke(app, ["plan", "table3", "--scale", "tiny", "--gpu", "my-box", "--store", "none"])
    assert plan.exit_code == 0
    assert "Rate: measured: 5e+10 multiply-adds/s" in plan.stdout
    code, _, told = run("--save-rate", "my box")  # a name that no plan could read back is refused before measuring
    assert code == 2
    assert "--save-rate" in told
    path.write_text("[")
    code, _, told = run("--save-rate", "x")
    assert code == 2
    assert "cannot be read" in told


def test_a_kind_of_gpu_is_for_predictions_alone(run):
    code, _, told = run("quick", "--gpu", "h100")
    assert code == 2
    assert "--gpu: only predictions" in told
