"""Files of a split as test servers want them."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from PIL import Image

from repro.commands.predict_split import Origin, write_split
from repro.data.photos import Photo
from repro.errors import InputError
from repro.report.content import ClassTable
from repro.scoring.labels import MAPS

CLASSES = ClassTable((), ())


def photo(name):
    return Photo(name, lambda: np.zeros((2, 3, 3), np.uint8))


def written(tmp_path, layout, names, labels):
    origin = Origin("cell", "key", "data", "test", layout)
    return write_split([photo(name) for name in names], origin, CLASSES, lambda _: labels, tmp_path)


def test_voc_takes_an_archive_of_palette_images(tmp_path):
    labels = np.array([[0, 1, 20], [15, 2, 0]], np.uint8)
    written(tmp_path, "voc", ["2008_000006", "2008_000011"], labels)
    with tarfile.open(tmp_path / "results.tar.gz") as tar:
        assert tar.getnames() == [
            f"results/VOC2012/Segmentation/comp6_test_cls/{name}.png" for name in ("2008_000006", "2008_000011")
        ]
        file = tar.extractfile(tar.getnames()[0])
        assert file is not None
        with Image.open(file) as image:
            assert image.mode == "P"
            assert np.array_equal(np.array(image), labels)
        assert {(member.uid, member.uname, member.mtime) for member in tar.getmembers()} == {(0, "", 0)}


def test_cityscapes_takes_label_ids_that_score_reads_back(tmp_path):
    labels = np.arange(19, dtype=np.uint8).reshape(1, 19)
    written(tmp_path, "cityscapes", ["frankfurt_000000_000294_leftImg8bit"], labels)
    with Image.open(tmp_path / "frankfurt_000000_000294.png") as image:
        ids = np.array(image)
    # https://github.com/mcordts/cityscapesScripts: road 7, sidewalk 8, building 11, bicycle 33
    assert ids[0, :3].tolist() == [7, 8, 11]
    assert ids[0, 18] == 33
    assert [MAPS["cityscapes"][int(number)] for number in ids[0]] == list(range(19))


def test_two_images_of_one_file(tmp_path):
    with pytest.raises(InputError, match="two images"):
        written(tmp_path, "voc", ["a/x", "b/x"], np.zeros((2, 2), np.uint8))
    assert list(tmp_path.iterdir()) == []
