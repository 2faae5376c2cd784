"""`repro predict` with a network trained at scale smoke: any size of picture, palette, overlay, wrong input."""

import json

import numpy as np
import planted_faults
import pytest
from PIL import Image
from small_paper import repro, write_paper

from repro.data import scenes
from repro.report.content import ClassTable
from repro.report.label_overlay import overlay, shares
from repro.run.predict import seen_size
from repro.spec.load import load_suite
from repro.spec.resolve import resolve

SCENES = load_suite().datasets["scenes"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained paper, and the words that predictions from it share."""
    folder = tmp_path_factory.mktemp("predict")
    paper = write_paper(tmp_path_factory.mktemp("deep"))
    shared = ["--tables", paper, "--scale", "smoke", "--device", "cpu", "--store", folder / "runs"]
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        code, _, told = repro("run", "deep1", *shared, "--jobs", 1, "--out", folder / "reports")
    assert code == 0, told
    return folder, shared


def _picture(path, height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def test_the_labels_of_a_validation_image_are_those_of_the_evaluation(trained, tmp_path):
    folder, shared = trained
    for cell, place in (("deep/table1/aspp", "aspp"), ("deep1/cascade", "cascade")):
        code, out, told = repro("report", "deep1", *shared[:4], "--store", folder / "runs", "--json", "--out", tmp_path)
        assert code == 0, told
        kept = [np.load(path) for path in (folder / "runs/evaluations").glob("*/pictures.npz")]
        assert len(kept) == 2
        picture = tmp_path / f"{place}.png"
        Image.fromarray(kept[0]["image"][0]).save(picture)
        code, out, told = repro("predict", picture, "--from", cell, *shared, "--out", tmp_path / "out", "--json")
        assert code == 0, told
        with Image.open(tmp_path / f"out/{place}-labels.png") as image:
            assert image.mode == "P"
            assert image.getpalette()[: 3 * 9] == [part for colour in SCENES.colours for part in colour]
            labels = np.array(image)
        # of the two evaluations one is this cell's
        assert any(np.array_equal(labels, one["prediction"][0]) for one in kept)
        (row,) = json.loads(out)["rows"]
        assert sum(row["classes"].values()) == pytest.approx(1)
        assert set(row["classes"]) == {SCENES.classes[k] for k in np.unique(labels)}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 300), (120, 90), (33, 33)])
def test_any_size_of_picture(trained, tmp_path, height, width):
    _, shared = trained
    picture = _picture(tmp_path / "any.png", height, width)
    code, _, told = repro("predict", picture, "--from", "deep1/aspp", *shared, "--out", tmp_path / "o")
    assert code == 0, told
    with Image.open(tmp_path / "o/any-labels.png") as labels, Image.open(tmp_path / "o/any-overlay.png") as shown:
        assert labels.size == (width, height)
        assert shown.width >= width
        assert shown.height > height


def test_two_pictures_of_one_name_and_a_turned_one(trained, tmp_path):
    _, shared = trained
    for sub in ("a", "b"):
        (tmp_path / sub).mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (40, 20)).save(tmp_path / "a/x.jpg", exif=exif)
    second = _picture(tmp_path / "b/x.png", 20, 40)
    words = [tmp_path / "a/x.jpg", second, "--from", "deep1/aspp", *shared, "--out", tmp_path / "o"]
    code, _, told = repro("predict", *words)
    assert code == 0, told
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "x-2-labels.png", "x-2-overlay.png", "x-labels.png", "x-overlay.png",
    ]  # fmt: skip
    with Image.open(tmp_path / "o/x-labels.png") as turned, Image.open(tmp_path / "o/x-2-labels.png") as plain:
        assert (turned.size, plain.size) == ((20, 40), (40, 20))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x.png", "--from", "deep1/asp"], "there is no such cell. Did you mean"),
        (["x.png", "--from", "deep1"], "that is 2 cells: deep/table1/aspp"),
        (["x.png", "--from", "deep/table1/aspp/multiply-adds"], "a computed cell has no trained network"),
        (["x.png", "--from", "deep1/aspp", "--seed", "3"], "seed 3, in the store"),
        (["x.png", "--from", "deep1/aspp", "--seed", "-1"], "at least 0 is needed"),
        (["none.png", "--from", "deep1/aspp"], "none.png: no such file. Give pictures"),
        (["x.PNG", "--from", "deep1/aspp"], "x.PNG: no such file. There is"),
        (["text.png", "--from", "deep1/aspp"], "text.png: not an image, or damaged"),
        (["cut.png", "--from", "deep1/aspp"], "cut.png: damaged or cut short"),
        ([".", "--from", "deep1/aspp"], "a folder"),
        (["x.png", "--from", "deep1/aspp", "--out", "text.png"], "Choose a folder"),
        (["o-labels.png", "o.png", "--from", "deep1/aspp", "--out", "."], "is one of the pictures"),
    ],
)
def test_wrong_input_is_told_in_one_line(trained, tmp_path, monkeypatch, words, told):
    _, shared = trained
    monkeypatch.chdir(tmp_path)
    for name in ("x.png", "o.png", "o-labels.png"):
        _picture(tmp_path / name, 20, 30)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "x.png").read_bytes()[:300])
    code, _, message = repro("predict", *words, *shared)
    assert code == 2
    assert told in message
    assert "\n" not in message.strip()


def test_what_is_not_trained_says_how_to_train_it(trained, tmp_path):
    _, shared = trained
    picture = _picture(tmp_path / "x.png", 20, 30)
    code, _, message = repro("predict", picture, "--from", "deep1/aspp", *shared[:-1], tmp_path / "empty")
    assert code == 2
    assert "Run: repro run deep/table1" in message
    assert "--scale smoke --seeds 1" in message


def test_a_network_of_other_code_is_taken_and_said(trained, tmp_path, monkeypatch):
    _, shared = trained
    picture = _picture(tmp_path / "x.png", 20, 30)
    monkeypatch.setattr("repro.data.scene_settings.COLOURS", ((1.0, 1.0, 1.0),) * 9)  # other data, another key
    code, _, message = repro("predict", picture, "--from", "deep1/aspp", *shared, "--out", tmp_path)
    assert code == 0
    assert "taking training" in message
    assert "data changed" in message


def test_pictures_shrink_to_the_canvas_and_are_never_enlarged_without_a_side():
    assert seen_size((375, 500), None, (513, 513)) == (375, 500)
    assert seen_size((3000, 4000), None, (513, 513)) == (384, 513)
    assert seen_size((1, 5000), None, (513, 513)) == (1, 513)
    assert seen_size((50, 100), 129, (129, 129)) == (65, 129)
    assert seen_size((1024, 2048), None, (1025, 2049)) == (1024, 2048)


def test_an_overlay_keeps_the_background_and_tints_the_rest():
    classes = ClassTable(("background", "cat"), ((0, 0, 0), (200, 0, 0)))
    pixels = np.full((10, 200, 3), 100, dtype=np.uint8)
    labels = np.zeros((10, 200), dtype=np.uint8)
    labels[:, 150:] = 1
    shown = np.array(overlay(pixels, labels, classes))
    assert (shown[:10, :150] == 100).all()
    assert (shown[:10, 150:200] == [155, 45, 45]).all()
    assert shares(labels, classes) == {"background": 0.75, "cat": 0.25}
    assert list(shares(labels, ClassTable())) == ["class 0", "class 1"]


def test_what_predict_writes_of_a_split_scores_as_the_evaluation_did(trained, tmp_path):
    folder, shared = trained
    maps = tmp_path / "maps"
    words = ["predict", "--split", "val", "--from", "deep/table1/aspp", *shared, "--out", maps]
    code, out, told = repro(*words)
    assert code == 0, told
    drawn = scenes_of(shared[1])
    (tmp_path / "truth").mkdir()
    for name, labels in zip(drawn.names, drawn.labels, strict=True):
        if (maps / f"{name}.png").exists():  # the paper evaluates on some of them
            Image.fromarray(labels).save(tmp_path / f"truth/{name}.png")
    assert f"{len(list((tmp_path / 'truth').iterdir()))} files in" in out
    code, out, told = repro("score", maps, tmp_path / "truth", "--classes", 9, "--out", tmp_path / "score", "--json")
    assert code == 0, told
    scored = json.loads(out)["miou"]
    records = [json.loads(path.read_text()) for path in (folder / "runs/evaluations").glob("*/record.json")]
    assert any(record["result"]["metrics"]["miou"] == pytest.approx(scored, abs=1e-9) for record in records)
    # again: nothing is made anew; another network does not mix in
    before = {path: path.stat().st_mtime_ns for path in maps.iterdir()}
    code, _, told = repro(*words)
    assert code == 0
    assert "there already" in told
    assert {path: path.stat().st_mtime_ns for path in maps.iterdir()} == before
    code, _, told = repro("predict", "--split", "val", "--from", "deep1/cascade", *shared, "--out", maps)
    assert code == 2
    assert "another network" in told


def scenes_of(tables):
    suite = load_suite([tables])
    table = suite.find("deep/table1")
    return scenes.load(resolve(suite, table, table.cells()[0].settings, "smoke").protocol.data, "val")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "--split"),
        (["x.png", "--split", "val"], "not both"),
        (["--split", "test"], "val"),
        (["--split", "val", "--layout", "vok"], "Did you mean 'voc'"),
    ],
)
def test_wrong_words_for_a_split(trained, tmp_path, words, match):
    _, shared = trained
    code, _, told = repro("predict", *words, "--from", "deep1/aspp", *shared, "--out", tmp_path / "out")
    assert code == 2
    assert match in told
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_other_files_is_left_alone(trained, tmp_path):
    _, shared = trained
    (tmp_path / "mine.png").write_bytes(b"mine")
    code, _, told = repro("predict", "--split", "val", "--from", "deep1/aspp", *shared, "--out", tmp_path)
    assert code == 2
    assert "empty folder" in told
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]
