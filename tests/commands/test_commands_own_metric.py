"""A metric of one's own: the worked example of docs/extending.md, run, reported, judged, checked and changed."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import planted_faults
import pytest
from small_paper import IDENTITY, RULES, repro

import repro as library

PAGE = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("\n## A metric\n") :]
MODULE = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)[1]
TABLE = re.search(r"```toml\n(.*?)```", SECTION, re.DOTALL)[1]
SHARED = ["--tables", "paper", "--scale", "smoke", "--seeds", 1]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A folder with the example's module and table, and its report's rows."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mymetrics.py").write_text(MODULE)
    (folder / "paper").mkdir()
    (folder / "paper/paper.toml").write_text(f"{IDENTITY}\n[protocol.train]\niterations = 4000\n{RULES}")
    (folder / "paper/table2.toml").write_text(TABLE)
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        code, out, told = repro("run", "deep2", *SHARED, "--out", "out", "--device", "cpu", "--jobs", 1, "--json")
        assert code == 0, told
        yield folder, json.loads(out)["rows"], patch
    sys.modules.pop("mymetrics", None)


def dice(matrix):
    """By its definition: 2 |A and B| / (|A| + |B|), the mean over the classes that occur."""
    sizes = [matrix[k].sum() + matrix[:, k].sum() for k in range(len(matrix))]
    return float(np.mean([2 * matrix[k, k] / size for k, size in enumerate(sizes) if size]))


def effect(page):
    """The claim's effect in points, as the report's table of claims has it."""
    return float(re.search(r"\(deep\.t2\.c1\) \|[^|]*\| ([^|]*) points \|", page)[1].replace("−", "-"))


def test_its_values_are_those_of_the_stored_matrices(example):
    folder, rows, _ = example
    records = [json.loads(path.read_text()) for path in folder.glob("runs/evaluations/*/record.json")]
    assert len(records) == 2  # two depths: three metrics of one evaluation are one record
    values = library.results(folder / "runs", "deep2", scale="smoke", seeds=1, tables_dir=folder / "paper")
    stored = {}
    for record in records:
        with np.load(folder / f"runs/evaluations/{record['key']}/confusion.npz") as arrays:
            matrix = arrays["matrices"].sum(axis=0)
        metrics = record["result"]["metrics"]
        stored[round(metrics["miou"], 12)] = (metrics["pixel_accuracy"], dice(matrix))
        assert metrics["pixel_accuracy"] == np.trace(matrix) / matrix.sum()
        assert metrics.keys() == {"miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"}
    for (_, _), group in values.groupby(["row", "seed"]):
        by_metric = dict(zip(group["metric"], group["value"], strict=True))
        accuracy, own = stored[round(by_metric["miou"], 12)]
        assert by_metric["pixel_accuracy"] == accuracy
        assert by_metric["mymetrics:dice"] == pytest.approx(own, abs=1e-12)
    assert len([row for row in rows if row.get("metric") == "mymetrics:dice"]) == 2


def test_the_report_has_its_name_its_intervals_and_its_claim(example):
    folder, _, _ = example
    page = (folder / "out/deep-table2-smoke.md").read_text(encoding="utf-8")
    assert r"mIOU \[%\]; Pixel accuracy \[%\]; Mean Dice \[%\]" in page
    assert "Mean Dice: one confusion matrix over the whole validation set" in page
    assert "higher is better" in page
    claims = json.loads((folder / "out/deep-table2.json").read_text())["claims"] if 0 else page
    assert "A deeper network has the better Dice coefficient." in claims
    values = library.results(folder / "runs", "deep2", scale="smoke", seeds=1, tables_dir=folder / "paper")
    own = values[values["metric"] == "mymetrics:dice"].set_index("row")["value"]
    assert effect(page) == pytest.approx(100 * (own["block5"] - own["block4"]), abs=0.006)


@pytest.mark.slow  # three seeds, and the baseline's rounding
def test_check_holds_every_metric_against_its_baseline(example):
    _, _, _ = example
    words = ["check", "deep2", *SHARED, "--baselines", "base", "--device", "cpu", "--jobs", 1, "--store", "runs"]
    code, _, told = repro(*words, "--update")
    assert code == 0, told
    code, out, told = repro(*words, "--json")
    assert code == 0, told
    assert "all 6 cells are equal to the last bit" in told
    path = Path("base/smoke/deep-table2.json")
    baseline = json.loads(path.read_text())
    assert {cell["metric"] for cell in baseline["cells"]} == {"miou", "pixel_accuracy", "mymetrics:dice"}
    for cell in baseline["cells"]:
        if cell["metric"] == "mymetrics:dice":
            cell["seeds"]["0"]["score"] += 0.25
    path.write_text(json.dumps(baseline))
    code, out, told = repro(*words)
    assert code == 1, told
    assert "2 of 6 cells moved" in told
    assert "dice" in out


def test_its_code_is_part_of_reports_and_not_of_records(example):
    folder, _, _ = example
    words = ["report", "deep2", *SHARED, "--out", "out"]
    before = (folder / "out/deep-table2-smoke.md").read_text(encoding="utf-8")
    half = MODULE.replace("2 * right", "1 * right").replace("Mean Dice", "Half of Dice").replace("higher", "lower")
    (folder / "mymetrics.py").write_text(half)
    sys.modules.pop("mymetrics")
    library_cache_clear()
    code, out, told = repro("plan", "deep2", *SHARED, "--json")
    assert code == 0, told
    assert {row["state"] for row in json.loads(out)["rows"] if row["kind"] == "evaluation"} == {"stored"}
    code, _, told = repro(*words)
    assert code == 0, told
    page = (folder / "out/deep-table2-smoke.md").read_text(encoding="utf-8")
    assert r"Half of Dice \[%\]" in page
    assert effect(page) == pytest.approx(-effect(before) / 2, abs=0.011)  # lower is better now


def library_cache_clear():
    """As in a process of its own, which a command is."""
    from repro.metrics import function_of

    function_of.cache_clear()
