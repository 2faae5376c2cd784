"""`repro compare` on two real stores: the same, another result, other seeds, an older version's records."""

import json
import shutil
from pathlib import Path

import planted_faults
import pytest
from small_paper import repro, write_paper

from repro.store.record import decode, encode


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return write_paper(tmp_path_factory.mktemp("deep"))


@pytest.fixture(scope="module")
def stores(paper, tmp_path_factory):
    """Store a has two seeds, b three, of which one evaluation of the cascade was measured otherwise."""
    folder = tmp_path_factory.mktemp("stores")
    words = ["run", "deep1", "--tables", paper, "--scale", "smoke", "--device", "cpu", "--out", folder / "out"]
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        assert repro(*words, "--store", folder / "a", "--seeds", 2)[0] == 0
        shutil.copytree(folder / "a", folder / "b")
        for path in (folder / "b/evaluations").glob("*"):
            record = decode((path / "record.json").read_bytes())
            if record["seed"] == 0 and "cascade" in json.dumps(head(folder, record)):
                shutil.rmtree(path)
        planted_faults.FAULTS["void counted as background in the score"](patch)
        assert repro(*words, "--store", folder / "b", "--seeds", 2)[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        assert repro(*words, "--store", folder / "b", "--seeds", 3)[0] == 0
    return folder


def head(folder: Path, record) -> str:
    training = decode((folder / "b/trainings" / record["training"] / "record.json").read_bytes())
    return training["config"]["model"]["head"]


def compared(paper, a, b, *words):
    code, out, told = repro("compare", a, b, "--tables", paper, "--json", "--scale", "smoke", *words)
    assert code == 0, told
    return json.loads(out)


def test_a_store_equals_itself(paper, stores):
    found = compared(paper, stores / "a", stores / "a")
    assert found["headline"].startswith("2 of 2 cells equal to the last bit; B trains 1.00 times as fast")
    assert {(row["difference"], row["covers"], row["equal_seeds"]) for row in found["rows"]} == {(0.0, "exact", 2)}


def test_what_differs_is_shown_with_its_interval(paper, stores, tmp_path):
    found = compared(paper, stores / "a", stores / "b", "deep1", "--markdown", tmp_path / "c.md")
    rows = {row["id"]: row for row in found["rows"]}
    same, other = rows["deep/table1/aspp/miou"], rows["deep/table1/cascade/miou"]
    assert (same["equal_seeds"], same["seeds"], same["seeds_b"]) == (2, [0, 1], [0, 1, 2])
    assert other["equal_seeds"] == 1
    assert other["difference"] == pytest.approx(other["b"] - other["a"])
    assert other["difference"] != 0
    assert other["low"] < other["difference"] < other["high"]
    assert other["covers"] == "images and seeds"
    assert found["headline"].startswith("1 of 2 cells equal to the last bit; largest difference")
    told = (tmp_path / "c.md").read_text()
    assert found["headline"].partition(";")[0] in told
    assert "Only in B: 2 further seeds" in told


def test_a_seed_that_starts_from_another_first_training_is_another_measurement(paper, stores, tmp_path):
    shutil.copytree(stores / "a", tmp_path / "c")
    for folder in (tmp_path / "c" / kind for kind in ("trainings", "evaluations", "index")):
        for path in folder.glob("*"):
            if folder.name == "index" or decode((path / "record.json").read_bytes())["seed"] == 1:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        words = ["run", "deep1", "--tables", paper, "--scale", "smoke", "--device", "cpu", "--out", tmp_path / "out"]
        words += ["--store", tmp_path / "c", "--seeds", 2, "--set", "seeds.first_training=shared"]
        assert repro(*words)[0] == 0
    found = compared(paper, stores / "a", tmp_path / "c", "--markdown", tmp_path / "c.md")
    assert [row["seeds"] for row in found["rows"]] == [[0], [0]]
    assert found["headline"].startswith("2 of 2 cells equal to the last bit")
    assert "Only in A: 2 further seeds" in (tmp_path / "c.md").read_text()


def test_people_read_a_table(paper, stores):
    code, out, _ = repro("compare", stores / "a", stores / "b", "--tables", paper)
    assert code == 0
    assert out.startswith("1 of 2 cells equal")
    assert "deep/table1/cascade/miou" in out


def test_records_of_an_older_version_are_matched(paper, stores, tmp_path):
    """Another digest of the code, so another key, and settings that did not exist yet."""
    old = tmp_path / "old"
    shutil.copytree(stores / "a", old)
    shutil.rmtree(old / "index", ignore_errors=True)
    for kind in ("trainings", "evaluations"):
        for folder in list((old / kind).iterdir()):
            record = decode((folder / "record.json").read_bytes())
            record["code"] = {"digest": "0" * 20, "modules": {}}
            record["key"] = renamed(folder.name)
            for name in ("training", "parent"):
                record[name] = renamed(record[name]) if isinstance(record.get(name), str) else record.get(name)
            record["config"].get("model", {}).pop("multi_scale", None)
            record["config"].get("evaluate", {}).pop("flip", None)
            (folder / "record.json").write_bytes(encode(record))
            folder.rename(folder.with_name(record["key"]))
    found = compared(paper, old, stores / "a")
    assert found["headline"].startswith("2 of 2 cells equal to the last bit")
    code = next(row for row in found["environments"] if row["what"] == "code")
    assert code["a"] == "0" * 12
    assert code["a"] != code["b"]


def renamed(key: str) -> str:
    return key[::-1]


def test_wrong_input(paper, stores, tmp_path):
    for words, told in (
        ([tmp_path / "none", stores / "a"], "no store is there"),
        ([stores / "a", tmp_path], "no store is there"),
        ([stores / "a", stores / "a", "tabel3"], "Did you mean"),
        ([stores / "a", stores / "a", "--scale", "tny"], "tiny"),
    ):
        code, _, err = repro("compare", *words, "--tables", paper)
        assert code == 2
        assert told in err


def test_nothing_in_common(paper, stores, tmp_path):
    empty = tmp_path / "empty"
    (empty / "evaluations").mkdir(parents=True)
    code, out, _ = repro("compare", stores / "a", empty, "--tables", paper, "--json", "--scale", "smoke")
    assert code == 2  # nothing was compared
    found = json.loads(out)
    assert found["headline"] == "No cell is in both stores (2 only in A)."
    assert [row["seeds"] for row in found["rows"]] == [[], []]


def test_stores_of_runs_with_the_same_settings_changed_by_hand(paper, tmp_path):
    """Which cell, and what was changed, is told from the records alone."""
    words = ["run", "deep1", "--tables", paper, "--scale", "smoke", "--device", "cpu", "--out", tmp_path / "out"]
    changes = {
        "lr": ["--set", "train.lr=0.0004", "--set", "data.val_images=4"],
        "first": ["--set", "pretrain.iterations=2", "--only", "row=aspp"],
        "start": ["--set", "train.start=random", "--only", "row=cascade"],
    }
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        for more in changes.values():
            code, _, told = repro(*words, "--store", tmp_path / "a", *more)
            assert code == 0, told
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    found = compared(paper, tmp_path / "a", tmp_path / "b")
    assert found["headline"].startswith("4 of 4 cells equal to the last bit")
    assert sorted((row["id"], row["set"]) for row in found["rows"]) == [
        ("deep/table1/aspp/miou", ["pretrain.iterations=2"]),
        ("deep/table1/aspp/miou", ["train.lr=0.0004", "data.val_images=4"]),
        ("deep/table1/cascade/miou", ["train.lr=0.0004", "data.val_images=4"]),
        ("deep/table1/cascade/miou", ["train.start=random"]),
    ]
    both = ["compare", tmp_path / "a", tmp_path / "b", "--tables", paper, "--scale", "smoke"]
    code, out, _ = repro(*both, "deep1")
    assert code == 0
    assert "deep/table1/cascade/miou with train.start=random" in out
    code, out, _ = repro(*both, "v3/table3")
    assert (code, out.splitlines()[:3]) == (
        2,
        [
            "No cell is in both stores.",
            "A has 4 measurements of other tables, or with settings that only it has",
            "B has 4 measurements of other tables, or with settings that only it has",
        ],
    )
