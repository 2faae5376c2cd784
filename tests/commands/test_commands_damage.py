"""A damaged byte, or something else in a file's place: `run`, `report`, `compare`, `check` see it, tell it, redo it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

import planted_faults
import pytest
from small_paper import repro, write_paper

from repro.files import remove
from repro.store.store import Store


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    planted_faults.run_here(monkeypatch)


class Home:
    """A folder with the paper, a store, reports and a baseline; the commands on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = ["--tables", folder / "deep", "--scale", "smoke", "--store", folder / "runs"]

    def run(self, *words):
        return repro("run", "deep1", *self.shared, "--out", self.folder / "out", "--device", "cpu", *words)

    def report(self, *words):
        return repro("report", "deep1", *self.shared, "--out", self.folder / "out", *words)

    def check(self, *words):
        given = ["--baselines", self.folder / "baselines", "--device", "cpu"]
        return repro("check", "deep1", *self.shared, *given, *words)

    def store(self):
        return Store(self.folder / "runs", warn=lambda _text: None)

    def records(self):
        """Key -> (score, checksums of the files) of all that is stored, every byte checked."""
        found = {}
        store = self.store()
        for kind in ("training", "evaluation"):
            for record in store.records(kind):
                whole = store.get(kind, record["key"])
                assert whole is not None
                found[record["key"]] = (whole["result"].get("miou"), whole["files"])
        return found

    def one(self, kind, task=None):
        """The folder of a record of the first seed."""
        store = self.store()
        keys = [r["key"] for r in store.records(kind) if r["seed"] == 0 and task in (None, r.get("task"))]
        return store.folder(kind, sorted(keys)[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("made"))
    (home.folder / "deep").mkdir()
    write_paper(home.folder / "deep")
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        assert home.run()[0] == 0
        code, _, told = home.check("--update", "--seeds", 2)
        assert code == 0, told
    return home


@pytest.fixture
def home(made, tmp_path):
    """A copy of it that a test may harm."""
    shutil.copytree(made.folder, tmp_path / "home")
    return Home(tmp_path / "home")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def replaced(make):
    def harm(path: Path) -> None:
        remove(path)
        make(path)

    return harm


HARMS = {
    "a flipped bit": flip,
    "zeroed": zero,
    "a folder": replaced(Path.mkdir),
    "a link to nowhere": replaced(lambda path: path.symlink_to("none")),
    "a pipe": replaced(os.mkfifo),
}
PLACES = [
    ("evaluation", "pictures.npz", "a flipped bit"),
    ("training", "record.json", "a flipped bit"),
    *(
        pytest.param(kind, name, harm, marks=pytest.mark.slow)
        for kind, files in {
            "evaluation": ("confusion.npz", "pictures.npz", "record.json", "."),
            "training": ("record.json", "weights.safetensors", "."),
        }.items()
        for name in files
        for harm in HARMS
        # weights are not read where their evaluations are stored
        if not (name == "." and harm in ("a flipped bit", "zeroed"))
        and not (name == "weights.safetensors" and harm in ("a flipped bit", "zeroed"))
    ),
]


@pytest.mark.parametrize(("kind", "name", "harm"), PLACES)
def test_a_damaged_record_is_set_aside_told_and_redone(home, made, kind, name, harm):
    HARMS[harm](home.one(kind, "segment" if kind == "training" else None) / name)
    code, _, told = home.report()
    assert code == 0, told
    assert "Moved to" in told
    assert (home.folder / "out/deep-table1-smoke.html").exists()
    code, _, told = home.run()
    assert code == 0, told
    assert home.records() == made.records()
    assert home.run()[2].count("up to date") == 1
    code, _, told = home.check("--seeds", 2)
    assert (code, "equal to the last bit" in told) == (0, True), told


@pytest.mark.parametrize("command", ["run", "check", "compare", "report"])
def test_whichever_command_meets_the_damage_sees_it(home, made, command):
    flip(home.one("evaluation") / "confusion.npz")
    if command == "compare":
        words = ["compare", made.folder / "runs", home.folder / "runs", "--tables", made.folder / "deep"]
        code, out, told = repro(*words, "--scale", "smoke", "--markdown", home.folder / "c.md")
        assert "2 of 2 cells equal to the last bit" in out
        assert "Only in A: 1 further seeds" in out
    else:
        code, _, told = getattr(home, command)()
    assert code == 0, told
    assert "confusion.npz does not match its sha256" in told
    if command in ("run", "check"):
        assert home.records() == made.records()


def test_a_first_training_whose_weights_are_damaged_is_redone_at_once(home, made):
    """Whatever starts from it has to be done, too."""
    flip(home.one("training", "presence") / "weights.safetensors")
    shutil.rmtree(home.folder / "runs/evaluations")
    for path in (home.folder / "runs/trainings").iterdir():
        if '"task": "segment"' in (path / "record.json").read_text():
            shutil.rmtree(path)
    code, _, told = home.run("--seeds", 2)
    assert code == 0, told
    assert "weights.safetensors does not match its sha256" in told
    assert home.records() == made.records()


@pytest.mark.parametrize("damaged", ["weights of a training", "images"])
def test_no_evaluation_is_made_of_damaged_bytes(home, made, damaged):
    """They would have the right key."""
    shutil.rmtree(home.folder / "runs/evaluations")
    if damaged == "images":
        for path in (home.folder / "runs/cache/images").glob("*/pixels.npy"):
            data = path.read_bytes()
            path.write_bytes(data[:128] + bytes(len(data) - 128))
    else:
        flip(home.one("training", "segment") / "weights.safetensors")
    code, _, told = home.run("--seeds", 2)
    assert code == 0, told
    assert "damaged" in told
    assert home.records() == made.records()


def test_a_training_set_aside_is_planned_and_run_alike(home, made):
    """Its evaluations are stored; only its loss curve would be missed, and by `check` its weights."""
    place = home.one("training", "segment")
    flip(place / "record.json")
    code, out, told = repro("plan", "deep1", *home.shared, "--seeds", 2)
    assert code == 0
    assert "To do: 1 trainings and 0 evaluations" in out
    assert "its record was damaged" in out
    code, _, told = home.run("--seeds", 2)
    assert code == 0, told
    assert home.records() == made.records()
    code, out, _ = repro("plan", "deep1", *home.shared, "--seeds", 2)
    assert "Everything is stored" in out


def test_a_training_that_was_deleted_is_not_needed_but_by_check(home, made):
    shutil.rmtree(home.one("training", "segment"))
    code, out, _ = repro("plan", "deep1", *home.shared, "--seeds", 2)
    assert "Everything is stored" in out
    assert home.run("--seeds", 2)[0] == 0
    assert len(home.records()) == len(made.records()) - 1
    code, _, told = home.check("--seeds", 2)
    assert (code, "equal to the last bit" in told) == (0, True), told
    assert home.records() == made.records()


def test_one_bad_page_does_not_stop_the_others(home, monkeypatch):
    """Here a folder in its place, and a fault of the page itself."""
    other = (home.folder / "deep/table1.toml").read_text().replace("deep/table1", "deep/table2")
    (home.folder / "deep/table2.toml").write_text(other.replace('"deep1"', '"deep2"').replace('"1"', '"2"'))
    shutil.rmtree(home.folder / "out")
    (home.folder / "out/deep-table1-smoke.md").mkdir(parents=True)
    words = ["deep/table1", "deep/table2", *home.shared, "--out", home.folder / "out"]
    code, _, told = repro("report", *words)
    assert code == 2
    assert "deep-table1-smoke.md" in told
    assert (home.folder / "out/deep-table2-smoke.html").exists()
    assert (home.folder / "out/index.html").exists()
    assert not [path.name for path in (home.folder / "out").iterdir() if path.name.startswith(".")][1:]
    (home.folder / "out/deep-table1-smoke.md").rmdir()
    (home.folder / "out/deep-table2-smoke.html").unlink()
    from repro.report import assemble

    real = assemble.assemble

    def broken(suite, plan, table, *rest, **more):
        if table.id == "deep/table1":
            raise ZeroDivisionError("a fault")
        return real(suite, plan, table, *rest, **more)

    monkeypatch.setattr(assemble, "assemble", broken)
    code, _, told = repro("report", *words)
    assert (code, "ZeroDivisionError: a fault" in told) == (70, True)
    assert (home.folder / "out/deep-table2-smoke.html").exists()


@pytest.mark.parametrize("harm", ["[]", "a folder", "a pipe", "a link to nowhere", "a flipped bit"])
def test_notes_of_reports_that_are_damaged_are_ignored(home, harm):
    notes = home.folder / "out/.written.json"
    assert notes.exists()
    HARMS.get(harm, lambda path: path.write_text("[]"))(notes)
    for _ in range(2):
        code, _, told = home.run()
        assert code == 0, told


@pytest.mark.parametrize("note", [b"", b"1e400", b"nan", b"-3", b"\xff", b"two", None])
def test_a_bad_note_of_seconds_is_ignored(tmp_path, note):
    from repro.run import execute

    (tmp_path / "step-00000001").mkdir()
    if note is None:
        (tmp_path / "seconds.txt").mkdir()
    else:
        (tmp_path / "seconds.txt").write_bytes(note)
    assert execute._seconds_before(tmp_path) == 0.0
    execute._note_seconds(tmp_path, 1.5)
    assert execute._seconds_before(tmp_path) == (0.0 if note is None else 1.5)


def test_a_check_without_a_result_leaves_no_older_one(home):
    """Else a service would read that all is well."""
    files = ["--junit", home.folder / "j.xml", "--markdown", home.folder / "c.md"]
    assert home.check(*files)[0] == 0
    assert "all 4 cells" in (home.folder / "c.md").read_text()
    assert home.check(*files, "--seeds", 7)[0] == 2
    root = ElementTree.parse(home.folder / "j.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("1", "0", "1")
    assert "the baseline has 2" in root.find("testsuite/testcase/error").text
    page = (home.folder / "c.md").read_text()
    assert "not finished" in page
    assert "the baseline has 2" in page
    assert home.check(*files)[0] == 0
    words = ["compare", home.folder / "runs", home.folder / "none", "--markdown", home.folder / "c.md"]
    assert repro(*words)[0] == 2
    assert "Not compared: B:" in (home.folder / "c.md").read_text()


def test_a_check_that_crashes_or_is_killed_leaves_no_older_result(home, monkeypatch):
    from repro.commands import check

    files = ["--junit", home.folder / "j.xml", "--markdown", home.folder / "c.md"]
    assert home.check(*files)[0] == 0
    monkeypatch.setattr(check, "_check", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        home.check(*files)
    assert "division by zero" in (home.folder / "c.md").read_text()
    monkeypatch.undo()
    planted_faults.run_here(monkeypatch)
    assert home.check(*files)[0] == 0
    seen = []
    monkeypatch.setattr(check, "_main", lambda *_: seen.append((home.folder / "j.xml").exists()) or 0)
    home.check(*files)
    assert seen == [False]
