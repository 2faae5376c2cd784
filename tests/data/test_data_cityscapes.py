"""Cityscapes, with torchvision's reader and class table as the other opinion."""

import numpy as np
import pytest
from data_trees import FACTS, label_map, write_cityscapes, write_labels
from torchvision.datasets import Cityscapes

from repro.data import source
from repro.data.cityscapes import CITYSCAPES, TRAIN_IDS
from repro.errors import InputError
from repro.spec.protocol import Data

NAMES = ["ulm_000001_000019", "aachen_000002_000019", "aachen_000000_000019"]


def test_classes_are_torchvisions_in_train_id_order():
    told = {c.train_id: c.name for c in Cityscapes.classes if c.train_id not in (255, -1)}
    assert tuple(told[k] for k in range(19)) == FACTS["cityscapes"].classes
    assert tuple(next(c.id for c in Cityscapes.classes if c.train_id == k) for k in range(19)) == TRAIN_IDS


@pytest.mark.parametrize(
    ("split", "folder", "kind"),
    [
        ("train", "train", "gtFine"),
        ("val", "val", "gtFine"),
        ("train_coarse", "train", "gtCoarse"),
        ("train_extra", "train_extra", "gtCoarse"),
    ],
)
def test_files_and_train_ids_equal_torchvisions(tmp_path, split, folder, kind):
    told = write_cityscapes(tmp_path, folder, kind, NAMES)
    other = Cityscapes(str(tmp_path), folder, "fine" if kind == "gtFine" else "coarse", "semantic")
    table = np.full(256, 255)
    for c in Cityscapes.classes:
        if c.id >= 0:
            table[c.id] = c.train_id
    samples = CITYSCAPES.samples(CITYSCAPES.home(tmp_path), split)
    assert [s.name for s in samples] == sorted(NAMES)
    assert sorted(str(s.image) for s in samples) == sorted(other.images)
    for sample in samples:
        target = other[other.images.index(str(sample.image))][1]
        assert np.array_equal(CITYSCAPES.read_labels(sample), table[np.asarray(target)])
        assert np.array_equal(np.asarray(target), told[sample.name])


def test_loaded_by_name(tmp_path):
    write_cityscapes(tmp_path / "d/cityscapes", "val", "gtFine", NAMES)
    data = Data(name="cityscapes", classes=19, train_split="train", side=4)
    images = source.load(data, "val", tmp_path / "d", tmp_path / "c")
    assert images.pixels.shape == (3, 2, 4, 3)


def test_an_image_without_labels_is_named(tmp_path):
    write_cityscapes(tmp_path, "val", "gtFine", NAMES)
    (tmp_path / f"gtFine/val/ulm/{NAMES[0]}_gtFine_labelIds.png").unlink()
    with pytest.raises(InputError, match=r"ulm_000001_000019_leftImg8bit\.png: \S+_gtFine_labelIds\.png: no such file"):
        source.load(Data(name="cityscapes", classes=19), "val", tmp_path, tmp_path / "c")


def test_train_ids_alone_are_named(tmp_path):
    write_cityscapes(tmp_path, "val", "gtFine", NAMES)
    path = tmp_path / f"gtFine/val/ulm/{NAMES[0]}_gtFine_labelIds.png"
    path.rename(path.with_name(f"{NAMES[0]}_gtFine_labelTrainIds.png"))
    message = r"labelIds\.png: no such file, though \S+_gtFine_labelTrainIds\.png is there\. The published labelIds are"
    with pytest.raises(InputError, match=message):
        CITYSCAPES.samples(tmp_path, "val")


def test_ids_beyond_the_last(tmp_path):
    write_cityscapes(tmp_path, "val", "gtFine", NAMES[:1])
    path = tmp_path / f"gtFine/val/ulm/{NAMES[0]}_gtFine_labelIds.png"
    labels = label_map(np.random.default_rng(0), 4, 9, [7])
    labels[2, 5] = 34
    write_labels(path, labels)
    (sample,) = CITYSCAPES.samples(tmp_path, "val")
    with pytest.raises(InputError, match="id 34 at row 2, column 5; Cityscapes has ids 0 to 33"):
        CITYSCAPES.read_labels(sample)


def test_an_empty_split(tmp_path):
    (tmp_path / "leftImg8bit/train").mkdir(parents=True)
    with pytest.raises(InputError, match=r"gtFine/train: no such directory\. Log in at"):
        CITYSCAPES.samples(CITYSCAPES.home(tmp_path), "train")
    (tmp_path / "gtFine/train").mkdir(parents=True)
    with pytest.raises(InputError, match=r"leftImg8bit/train: no \*/\*_leftImg8bit\.png in it\. Log in at"):
        CITYSCAPES.samples(CITYSCAPES.home(tmp_path), "train")
