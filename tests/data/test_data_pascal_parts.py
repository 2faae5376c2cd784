"""PASCAL-Context and PASCAL-Person-Part: both on VOC 2010's images."""

import numpy as np
import pytest
from data_trees import FACTS, label_map, photo, write_ids, write_labels, write_mat, write_photo

from repro.data import source
from repro.data.pascal_context import IDS, PASCAL_CONTEXT
from repro.data.person_part import PERSON_PART
from repro.errors import InputError
from repro.spec.protocol import Data

NAMED = {2: "aeroplane", 9: "bag", 284: "person", 360: "sky", 458: "wood"}
"""From labels.txt."""
NAMES = ["2008_000002", "2008_000007", "2010_000001"]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def voc2010(root, rng, lists):
    home = root / "VOCdevkit/VOC2010"
    write_ids(home / f"{lists}/train.txt", NAMES[:2])
    write_ids(home / f"{lists}/val.txt", NAMES[2:])
    for name in NAMES:
        write_photo(home / f"JPEGImages/{name}.jpg", photo(rng, 5, 6))
    return home


@pytest.mark.parametrize("folder", ["trainval", "pascal-context/trainval", "VOCdevkit/VOC2010/trainval"])
def test_context_mat_files_reduce_to_sixty_classes(tmp_path, rng, folder):
    voc2010(tmp_path, rng, "ImageSets/Main")
    told = {}
    for name in NAMES:
        told[name] = rng.choice([0, 1, 2, 9, 284, 360, 458, 459], (5, 6)).astype(np.uint16)
        write_mat(tmp_path / f"{folder}/{name}.mat", {"LabelMap": told[name]})
    samples = PASCAL_CONTEXT.samples(PASCAL_CONTEXT.home(tmp_path), "train")
    assert [s.name for s in samples] == NAMES[:2]
    for sample in samples:
        labels = PASCAL_CONTEXT.read_labels(sample)
        for (row, column), value in np.ndenumerate(told[sample.name]):
            expected = NAMED.get(int(value), "background")
            assert FACTS["pascal_context"].classes[labels[row, column]] == expected


def test_context_images_load(tmp_path, rng):
    home = voc2010(tmp_path, rng, "ImageSets/SegmentationContext")
    write_ids(home / "ImageSets/Main/train.txt", ["another list"])
    for name in NAMES:
        write_labels(home / f"SegmentationClassContext/{name}.png", label_map(rng, 5, 6, [0, 1, 59]))
    data = Data(name="pascal_context", classes=60, train_split="train")
    assert source.load(data, "train", tmp_path, tmp_path / "c").names == tuple(NAMES[:2])
    assert set(np.unique(source.load(data, "val", tmp_path, tmp_path / "c").labels)) == {0, 1, 59}


def test_context_numbers_and_names_stand_in_alphabetical_order():
    background, *names = FACTS["pascal_context"].classes
    assert background == "background"
    assert len(names) == len(IDS) == 59
    assert list(IDS) == sorted(IDS)
    assert names == sorted(names)
    assert NAMED.items() <= dict(zip(IDS, names, strict=True)).items()


def test_context_without_labels_or_with_wrong_ones(tmp_path, rng):
    home = voc2010(tmp_path, rng, "ImageSets/Main")
    with pytest.raises(InputError, match="the labels are not here: no SegmentationClassContext, no trainval"):
        PASCAL_CONTEXT.samples(home, "train")
    write_mat(tmp_path / f"trainval/{NAMES[0]}.mat", {"LabelMap": np.full((5, 6), 460)})
    sample = PASCAL_CONTEXT.samples(home, "train")[0]
    with pytest.raises(InputError, match="label 460; this data set has 0 to 459"):
        PASCAL_CONTEXT.read_labels(sample)
    write_mat(tmp_path / f"trainval/{NAMES[0]}.mat", {"LabelMap": np.full((5, 6), -1)})
    with pytest.raises(InputError, match="label -1; this data set has 0 to 459"):
        PASCAL_CONTEXT.read_labels(sample)


def person_part(root, rng, coloured):
    home = root / "pascal_person_part"
    write_ids(home / "pascal_person_part_trainval_list/train_id.txt", NAMES[:2])
    write_ids(home / "pascal_person_part_trainval_list/val_id.txt", NAMES[2:])
    told = {}
    for name in NAMES:
        told[name] = label_map(rng, 5, 6, list(range(7)))
        path = home / f"pascal_person_part_gt/{name}.png"
        if coloured:
            # VOC's colour map: bits of the index spread over the three channels, from the top
            bits = [[(told[name] >> channel & 1) * 128 for channel in range(3)]]
            write_photo(path, np.stack(bits[0], axis=-1).astype(np.uint8))
        else:
            write_labels(path, told[name], palette=True)
    return told


@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize("given", ["", "pascal_person_part"])
def test_person_part_from_indices_and_from_colours(tmp_path, rng, coloured, given):
    voc2010(tmp_path, rng, "ImageSets/Main")
    told = person_part(tmp_path, rng, coloured)
    samples = PERSON_PART.samples(PERSON_PART.home(tmp_path / given), "train")
    assert [s.name for s in samples] == NAMES[:2]
    for sample in samples:
        assert sample.image.is_file()
        assert np.array_equal(PERSON_PART.read_labels(sample), told[sample.name])


def test_person_part_in_other_colours_or_without_photographs(tmp_path, rng):
    person_part(tmp_path, rng, False)
    with pytest.raises(InputError, match="JPEGImages is not here"):
        PERSON_PART.samples(PERSON_PART.home(tmp_path), "train")
    voc2010(tmp_path, rng, "ImageSets/Main")
    write_photo(tmp_path / f"pascal_person_part/pascal_person_part_gt/{NAMES[0]}.png", np.full((5, 6, 3), 128, "uint8"))
    with pytest.raises(InputError, match=r"label 254 at row 0, column 0; the 7 classes"):
        PERSON_PART.labels(PERSON_PART.samples(PERSON_PART.home(tmp_path), "train")[0], 7)
    write_labels(tmp_path / f"pascal_person_part/pascal_person_part_gt/{NAMES[0]}.png", np.full((5, 6), 7))
    with pytest.raises(InputError, match=r"label 7 at row 0, column 0; the 7 classes"):
        PERSON_PART.labels(PERSON_PART.samples(PERSON_PART.home(tmp_path), "train")[0], 7)
