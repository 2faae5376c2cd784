"""`repro check` on a throw-away paper: equal without a fault, failing with each of the planted ones; wrong input."""

import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import planted_faults
import pytest
from planted_faults import FAULTS
from small_paper import TABLE, repro, write_paper

from repro import pytest_plugin


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return write_paper(tmp_path_factory.mktemp("deep"))


@pytest.fixture(scope="module")
def made(paper, tmp_path_factory):
    """A folder with a baseline of three seeds, and the words that every check of it shares."""
    folder = tmp_path_factory.mktemp("check")
    shared = ["check", "deep1", "--tables", paper, "--baselines", folder / "baselines", "--device", "cpu", "--jobs", 1]
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        code, _, told = repro(*shared, "--store", folder / "runs", "--update")
    assert code == 0, told
    assert "first baseline, 4 cells" in told
    return folder, shared


@pytest.fixture(scope="module")
def end_to_end(made, tmp_path_factory):
    """The words of a check against that baseline without its frozen weights."""
    folder, shared = made
    baselines = tmp_path_factory.mktemp("end") / "baselines"
    shutil.copytree(folder / "baselines", baselines)
    path = baselines / "smoke/deep-table1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"steps": ""}))
    return [baselines if word == folder / "baselines" else word for word in shared]


@pytest.fixture
def edited(made, tmp_path):
    """A copy of the baseline that a test may change: its path, its content, and the words of a check against it."""
    folder, shared = made
    path = tmp_path / "baselines/smoke/deep-table1.json"
    shutil.copytree(folder / "baselines", tmp_path / "baselines")
    words = [tmp_path / "baselines" if word == folder / "baselines" else word for word in shared]
    return path, json.loads(path.read_text()), [*words, "--store", folder / "runs"]


def test_what_is_stored_is_equal(made, tmp_path):
    folder, shared = made
    words = ["--store", folder / "runs", "--seeds", 3, "--json", "--junit", tmp_path / "new/j.xml"]
    code, out, told = repro(*shared, *words)
    assert code == 0, told
    assert "all 4 cells are equal to the last bit" in told
    document = json.loads(out)
    assert document["passed"]
    assert [row["state"] for row in document["rows"]] == ["equal"] * 4
    assert {row["kind"] for row in document["rows"]} == {"computed", "measured"}
    assert all(0 < row["value"] < 1 for row in document["rows"] if row["kind"] == "measured")
    root = ElementTree.parse(tmp_path / "new/j.xml").getroot()
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    cells, *frozen = root.findall("testsuite")
    assert len(cells.findall("testcase")) == 4
    assert {row["id"] for row in document["frozen"]} == {
        suite.get("name", "").partition(" at smoke")[0] for suite in frozen
    }
    assert [row["comparisons"] for row in document["frozen"]] == [len(suite.findall("testcase")) for suite in frozen]


def test_what_is_computed_again_is_equal(made, monkeypatch, tmp_path):
    _, shared = made
    planted_faults.run_here(monkeypatch)
    code, out, told = repro(*shared, "--store", tmp_path / "runs", "--seeds", 1)
    assert (code, out) == (0, ""), told


# every fourth with every change
FEW = [pytest.param(what, marks=[pytest.mark.slow] if i % 4 else []) for i, what in enumerate(FAULTS)]


@pytest.mark.parametrize("what", FEW)
def test_planted_faults_are_caught_bit_for_bit(what, made, end_to_end, monkeypatch, tmp_path):
    folder, _ = made
    shutil.copytree(folder / "runs" / "cache", tmp_path / "runs" / "cache")
    planted_faults.run_here(monkeypatch)
    FAULTS[what](monkeypatch)
    words = ["--store", tmp_path / "runs", "--junit", tmp_path / "c.xml", "--markdown", tmp_path / "c.md"]
    code, out, told = repro(*end_to_end, *words)
    assert code == 1, (out, told)
    assert "moved" in out
    assert "--update" in told
    assert "its baseline has no frozen weights" in told
    failures = ElementTree.parse(tmp_path / "c.xml").getroot().findall("testsuite/testcase/failure")
    assert failures
    assert all("->" in failure.text for failure in failures)
    assert "FAILED" in (tmp_path / "c.md").read_text()


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("image pooling over a quarter of the map", "outputs of head.aspp.branches (training mode)"),
        ("momentum dropped", "optimiser"),
        ("confusion matrix transposed", "confusion matrix"),
    ],
)
def test_on_another_kind_of_machine_frozen_weights_tell_the_place(what, place, edited, monkeypatch, tmp_path):
    path, content, words = edited
    path.write_text(json.dumps(content | {"kind": content["kind"] | {"cpu": "Another"}}))
    planted_faults.run_here(monkeypatch)
    FAULTS[what](monkeypatch)  # stored results are as they were: what is seen, frozen weights show
    code, out, told = repro(*words, "--json", "--markdown", tmp_path / "c.md", "--junit", tmp_path / "c.xml")
    assert code == 1, told
    answer = json.loads(out)
    assert {row["state"] for row in answer["rows"]} == {"equal"}
    assert place in {row["first"] for row in answer["frozen"]}
    assert "moved by more than rounding" in told
    assert place in (tmp_path / "c.md").read_text()
    failures = ElementTree.parse(tmp_path / "c.xml").getroot().findall("testsuite/testcase/failure")
    assert any("the first place that differs" in failure.text for failure in failures)


def test_files_of_frozen_weights_that_are_gone_or_others(edited):
    path, _, words = edited
    for suffix in (".safetensors", ".steps.json"):
        file = path.with_suffix(suffix)
        kept = file.read_bytes()
        file.write_bytes(kept + b" ")
        code, _, told = repro(*words)
        assert (code, f"{file}: it is not what the baseline was made with" in told) == (2, True), told
        file.unlink()
        code, _, told = repro(*words)
        assert (code, f"{file}: the baseline's" in told, "--update" in told) == (2, True, True), told
        file.write_bytes(kept)


def test_in_pytest(made, edited, monkeypatch, tmp_path):
    """An inner pytest, in this process: what it collects, what passes, what a failure says."""
    folder, shared = made
    path, content, _ = edited

    class Reports:
        def __init__(self):
            self.told = {}

        def pytest_runtest_logreport(self, report):
            if report.when == "call":
                self.told[report.nodeid.partition("::")[2] or report.nodeid] = report

    def play(baselines):
        reports = Reports()
        words = {"check": "deep1", "tables": shared[3], "baselines": baselines, "store": folder / "runs", "jobs": 1}
        options = [f"--repro-{name}={value}" for name, value in words.items()]
        (tmp_path / "empty").mkdir(exist_ok=True)
        always = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull, str(tmp_path / "empty")]
        # an installed package registers its plugin by itself
        installed = any(point.value == pytest_plugin.__name__ for point in metadata.entry_points(group="pytest11"))
        plugins = [reports] if installed else [pytest_plugin, reports]
        code = pytest.main([*options, *always], plugins=plugins)
        return code, reports.told

    code, told = play(folder / "baselines")
    assert code == 0
    assert {report.outcome for report in told.values()} == {"passed"}
    assert len(told) == len(content["cells"]) + len(json.loads(path.with_suffix(".steps.json").read_text())["probes"])
    planted_faults.run_here(monkeypatch)
    FAULTS["confusion matrix transposed"](monkeypatch)
    code, told = play(path.parents[1])
    assert code == 1
    failed = [report for report in told.values() if report.failed]
    assert failed
    assert all("confusion matrix: difference" in str(report.longrepr) for report in failed)
    assert play(tmp_path)[0] == pytest.ExitCode.USAGE_ERROR


def test_a_fault_in_a_computed_cell_is_caught(edited):
    path, content, words = edited
    cell = next(cell for cell in content["cells"] if cell["kind"] == "computed")
    cell["value"] += 1e-9
    path.write_text(json.dumps(content))
    code, out, told = repro(*words)
    assert code == 1, told
    assert cell["id"] in out
    assert "1 of 4 cells moved" in told


def test_another_kind_of_machine_is_held_to_tolerances(edited):
    path, content, words = edited
    content["kind"]["cpu"] = "Another"
    path.write_text(json.dumps(content))
    code, _, told = repro(*words, "--seeds", 3)
    assert code == 0, told
    assert "Compared statistically" in told
    assert "cpu: Another" in told
    for cell in content["cells"]:
        for result in cell["seeds"].values():
            result["score"] += 0.5
    path.write_text(json.dumps(content))
    code, out, told = repro(*words, "--seeds", 3)
    assert code == 1
    assert "score" in out
    assert "beyond what seeds and rounding explain" in told
    for cell in content["cells"]:
        cell["seeds"] = {seed: result for seed, result in cell["seeds"].items() if seed == "0"}
    path.write_text(json.dumps(content))
    code, _, told = repro(*words)
    assert code == 2
    assert "with one seed" in told


def test_another_protocol_is_told_from_another_result(edited, tmp_path):
    _, _, words = edited
    changed = tmp_path / "changed"
    changed.mkdir()
    write_paper(changed)
    (changed / "table1.toml").write_text(TABLE.replace("[6, 12]", "[6, 18]"))
    code, out, told = repro(*[changed if word == words[3] else word for word in words])
    assert (code, out) == (2, "")
    assert "model.atrous_rates" in told
    assert "another protocol" in told
    assert "--update" in told
    (changed / "table1.toml").write_text(TABLE.replace('"aspp"]\npub', '"other"]\npub'))
    code, _, told = repro(*[changed if word == words[3] else word for word in words])
    assert code == 2
    assert "not in the baseline (deep/table1/other" in told
    assert "no longer in the table: deep/table1/aspp" in told


def test_wrong_input(made, edited, tmp_path):
    folder, shared = made
    path, content, words = edited
    code, _, told = repro(*shared[:-4], "--baselines", tmp_path / "none", "--store", folder / "runs")
    assert code == 2
    assert "there is no baseline. Make one: python -m repro check deep/table1 --scale smoke --update" in told
    code, _, told = repro(*words, "--seeds", 4)
    assert (code, "the baseline has 3" in told) == (2, True)
    code, _, told = repro(*words, "--update", "--only", "last_block=5")
    assert (code, "--only" in told) == (2, True)
    for wrong, what in (("{", "Invalid JSON"), (json.dumps({**content, "colour": 1}), "colour")):
        path.write_text(wrong)
        code, _, told = repro(*words)
        assert code == 2
        assert what in told
        assert str(path) in told


def test_a_part_of_the_cells(made):
    folder, shared = made
    code, out, _ = repro(*shared, "--store", folder / "runs", "--only", "last_block=5", "--json")
    assert code == 0
    assert [row["id"] for row in json.loads(out)["rows"]] == [
        "deep/table1/cascade/miou",
        "deep/table1/cascade/multiply-adds",
    ]


def test_a_cell_that_fails_is_no_regression(made, monkeypatch, tmp_path):
    _, shared = made
    planted_faults.run_here(monkeypatch)
    monkeypatch.setattr(planted_faults.measuring, "label_counts", lambda *_: 1 / 0)
    code, out, told = repro(*shared, "--store", tmp_path / "runs", "--junit", tmp_path / "c.xml")
    assert code == 3, told
    assert "division by zero" in out
    root = ElementTree.parse(tmp_path / "c.xml").getroot()
    assert (root.get("failures"), root.get("errors")) == ("0", "4")  # two cells, and two evaluations of frozen weights


def test_update_says_what_changed(edited, monkeypatch):
    path, content, words = edited
    planted_faults.run_here(monkeypatch)
    before = path.read_bytes()
    code, _, told = repro(*words, "--update")
    assert code == 0, told
    assert "every cell as before" in told
    assert path.read_bytes() == before
    cell = next(cell for cell in content["cells"] if cell["kind"] == "measured")
    for result in cell["seeds"].values():
        result["score"] += 0.02
    path.write_text(json.dumps(content))
    code, out, told = repro(*words, "--update", "--json")
    assert code == 0
    assert "1 of 4 cells changed, scores by at most 2.000 points" in told
    assert json.loads(out)["rows"][0]["path"] == str(path)
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels can be chosen on x86-64 alone")
def test_workers_and_other_kernels(paper, tmp_path):
    """The command as a user runs it, in worker processes; then where sums are rounded in another way."""

    def run(*words, **variables):
        command = [sys.executable, "-m", "repro", "check", "deep1", "--tables", paper, "--device", "cpu", *words]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables}
        return subprocess.run(
            [*map(str, command)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    made = run("--update", "--store", "a")
    assert made.returncode == 0, made.stderr
    content = json.loads((tmp_path / "reports/baselines/smoke/deep-table1.json").read_text())
    measured = [cell for cell in content["cells"] if cell["kind"] == "measured"]
    assert any(value != 0 for cell in measured for value in cell["rounding"])
    assert not list((tmp_path / "a/incoming").iterdir())
    again = run("--store", "b", "--jobs", "1")
    assert again.returncode == 0, again.stderr
    assert "equal to the last bit" in again.stderr
    other = run(
        "--store",
        "c",
        "--seeds",
        "3",
        ATEN_CPU_CAPABILITY="default",
        ONEDNN_MAX_CPU_ISA="SSE41",
        DNNL_MAX_CPU_ISA="SSE41",
    )
    assert other.returncode == 0, other.stderr + other.stdout
    assert "Compared statistically" in other.stderr
    assert "kernels: None -> " in other.stderr
    assert "equal to the last bit" not in other.stderr
