"""Verification tells what is there beside what the papers used."""

import shutil

import numpy as np
import pytest
from data_trees import FACTS, write_camvid, write_cityscapes, write_labels, write_photo, write_sbd, write_voc
from PIL import Image
from test_data_imagenet import write_flat, write_kit

from repro.data import scene_settings, source, verify
from repro.errors import InputError
from repro.spec.protocol import Data

PUBLISHED = {
    "voc2012": {"train": 1464, "val": 1449, "trainaug": 10582},
    "cityscapes": {"train": 2975, "val": 500},
    "pascal_context": {"train": 4998, "val": 5105},
    "person_part": {"train": 1716, "val": 1817},
    "camvid": {"train": 367, "val": 101},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_expected_counts_are_the_papers(name):
    counts = FACTS[name].splits
    assert {split: counts[split] for split in PUBLISHED[name]} == PUBLISHED[name]


def rows_of(name, root, cache):
    return {row.what: row for row in verify.verify(name, FACTS[name], root, cache)}


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    write_camvid(tmp_path / "d", {"train": 5, "val": 3}, size=(12, 16))
    monkeypatch.setitem(FACTS, "camvid", FACTS["camvid"].model_copy(update={"splits": {"train": 5, "val": 3}}))
    return tmp_path / "d"


def test_a_right_data_set_has_no_row_against_it(camvid, tmp_path):
    rows = rows_of("camvid", camvid, tmp_path / "c")
    assert {row.ok for row in rows.values()} == {True, None}
    assert rows["train: images"].actual == rows["train: images"].expected == "5"
    assert rows["val: labels"].actual == "all and void"
    assert rows["val: width x height"].actual == "16 x 12 to 16 x 12"
    assert rows["test: images"].actual == "not here"
    assert rows["images both in train and in val"].actual == "0"
    for split in ("train", "val"):
        data = Data(name="camvid", classes=11, train_split=split, val_split=split)
        assert rows[f"{split}: fingerprint"].actual == source.fingerprint(data, camvid, tmp_path / "c")


def test_every_fault_is_a_row(camvid, tmp_path):
    for path in (camvid / "trainannot").iterdir():
        write_labels(path, np.zeros((12, 16)))
    write_labels(camvid / "trainannot/train01.png", np.full((12, 16), 30))
    write_labels(camvid / "valannot/val02.png", np.zeros((3, 3)))
    (camvid / "val/val00.png").unlink()
    (camvid / "val.txt").write_text((camvid / "val.txt").read_text().replace("val/val01", "train/train01"))
    rows = rows_of("camvid", camvid, tmp_path / "c")
    assert [what for what, row in rows.items() if row.ok is False] == [
        "train: damaged or unfitting files",
        "train: labels",
        "val: damaged or unfitting files",
        "images both in train and in val",
    ]
    assert rows["train: damaged or unfitting files"].actual.startswith("1, the first: ")
    assert "label 30" in rows["train: damaged or unfitting files"].actual
    assert rows["train: labels"].actual == "all but 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
    assert rows["val: damaged or unfitting files"].actual.startswith("2, the first: ")
    assert not any("fingerprint" in what for what in rows)


def test_images_listed_again_turned_images_and_masks(camvid, tmp_path):
    lines = (camvid / "train.txt").read_text().splitlines()
    (camvid / "train.txt").write_text("\n".join([*lines[:4], lines[1]]))
    for path in (camvid / "valannot").iterdir():
        write_labels(path, np.eye(12, 16) * 255)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(camvid / "train/train03.png").copy().save(camvid / "train/train03.png", exif=exif)
    rows = rows_of("camvid", camvid, tmp_path / "c")
    assert rows["train: images listed again"].ok is False
    again = f"1, the first: {camvid}/train.txt: line 5, after {camvid}/train.txt: line 2"
    assert rows["train: images listed again"].actual == again
    assert rows["val: images listed again"].actual == "0"
    turned = rows["train: images turned as their EXIF orientation says"]
    assert turned.actual == f"1, the first: {camvid}/train/train03.png"
    assert "val: images turned as their EXIF orientation says" not in rows
    assert rows["val: labels"].ok is False
    assert "If these are masks of 0 and 255, write them as class indices" in rows["val: labels"].actual


def test_a_copy_under_another_name_is_in_both_splits(camvid, tmp_path):
    shutil.copy(camvid / "val/val00.png", camvid / "train/train01.png")
    rows = rows_of("camvid", camvid, tmp_path / "c")
    assert rows["images both in train and in val"].actual == "1"
    write_camvid(tmp_path / "same", {"train": 1, "val": 1})
    for split in ("train", "val"):  # the same name for two images
        (tmp_path / f"same/{split}/{split}00.png").rename(tmp_path / f"same/{split}/00.png")
        (tmp_path / f"same/{split}.txt").write_text(f"{split}/00.png {split}annot/{split}00.png\n")
    write_photo(tmp_path / "same/val/00.png", np.zeros((6, 8, 3), dtype=np.uint8))
    assert rows_of("camvid", tmp_path / "same", tmp_path / "c")["images both in train and in val"].actual == "0"


def test_images_larger_than_the_published(camvid, tmp_path):
    write_camvid(camvid, {"train": 5}, size=(12, 481))
    rows = rows_of("camvid", camvid, tmp_path / "c")
    assert rows["train: width x height"].ok is False
    assert rows["train: width x height"].actual == "481 x 12 to 481 x 12"
    assert rows["train: width x height"].expected == "at most 480 x 360"


def test_counts_of_a_small_tree_do_not_pass_for_vocs(tmp_path):
    write_voc(tmp_path, ["2007_000032"], ["2007_000033"])
    write_sbd(tmp_path, ["2007_000033", "2008_000010"], ["2008_000002"])
    rows = rows_of("voc2012", tmp_path, tmp_path / "c")
    found = {split: rows[f"{split}: images"] for split in ("trainaug", "train", "val", "trainval")}
    assert {split: row.actual for split, row in found.items()} == {
        "trainaug": "3",
        "train": "1",
        "val": "1",
        "trainval": "2",
    }
    assert {row.ok for row in found.values()} == {False}
    assert found["trainaug"].expected == "10,582"
    assert rows["images both in trainaug and in val"].ok


def test_a_needed_split_that_is_not_there(tmp_path):
    write_voc(tmp_path, ["2007_000032"], ["2007_000033"])
    row = rows_of("voc2012", tmp_path, tmp_path / "c")["trainaug: images"]
    assert row.ok is False
    assert "SBD is not here" in row.actual


def test_parts_that_nobody_needs_may_be_missing(tmp_path):
    names = ["ulm_000001_000019"]
    write_cityscapes(tmp_path, "train", "gtFine", names)
    write_cityscapes(tmp_path, "val", "gtFine", names)
    rows = rows_of("cityscapes", tmp_path, tmp_path / "c")
    assert rows["train_extra: images"].ok is None
    # who has the fine annotations only misses nothing that is needed
    assert rows["train_coarse: images"].ok is None
    assert "train_coarse: damaged or unfitting files" not in rows
    assert rows["images both in train and in val"].actual == "1"


def test_progress_counts_each_file_once(camvid):
    seen = []
    verify.verify("camvid", FACTS["camvid"], camvid, camvid / "c", lambda *at: seen.append(at))
    assert seen == [(k, 8) for k in range(1, 9)]


def test_imagenet(tmp_path, monkeypatch):
    write_flat(tmp_path)
    write_kit(tmp_path)
    rows = rows_of("imagenet", tmp_path, tmp_path / "c")
    assert (rows["val: images"].expected, rows["val: images"].actual) == ("50,000", "5")
    assert rows["val: images per class"].actual == "1 to 2"
    assert rows["val: damaged files"].actual.startswith("5, the first: ")
    for path in (tmp_path / "val").iterdir():
        write_labels(path.with_suffix(".png"), np.zeros((2, 2)))
        path.with_suffix(".png").rename(path)
    monkeypatch.setitem(FACTS, "imagenet", FACTS["imagenet"].model_copy(update={"splits": {"val": 5}}))
    rows = rows_of("imagenet", tmp_path, tmp_path / "c")
    assert rows["val: images"].ok
    assert rows["val: damaged files"].ok
    assert len(rows["fingerprint"].actual) == 20


def test_scenes_and_no_folder():
    (row,) = verify.verify("scenes", FACTS["scenes"], None)
    assert row.actual == scene_settings.fingerprint(Data(name="scenes", classes=9))
    for name in ("voc2012", "imagenet"):
        with pytest.raises(InputError, match=f"--data: {name} is read from a directory and none was given"):
            verify.verify(name, FACTS[name], None)
