"""ImageNet's validation list in both layouts."""

import numpy as np
import pytest
from data_trees import write_mat
from torchvision.datasets import ImageFolder

from repro.data.imagenet import validation
from repro.errors import InputError

WNIDS = ["n03", "n01", "n02"]  # the kit's numbers 1, 2, 3: not in alphabetical order
TRUTH = [2, 3, 1, 1, 2]


def write_kit(root, truth=TRUTH):
    kinds = [("ILSVRC2012_ID", float), ("WNID", object), ("num_children", float)]
    synsets = np.array([(k, w, 0) for k, w in enumerate(WNIDS, 1)] + [(4, "n00", 3)], dtype=kinds)
    kit = root / "ILSVRC2012_devkit_t12/data"
    write_mat(kit / "meta.mat", {"synsets": synsets[:, None]})
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{k}\n" for k in truth))


def name_of(k):
    return f"ILSVRC2012_val_{k + 1:08d}.JPEG"


def write_flat(root):
    (root / "val").mkdir()
    for k in range(len(TRUTH)):
        (root / "val" / name_of(k)).write_text("")


def test_archives_as_published(tmp_path):
    write_flat(tmp_path)
    write_kit(tmp_path)
    expected = [sorted(WNIDS).index(WNIDS[k - 1]) for k in TRUTH]
    assert [(v.image.name, v.index) for v in validation(tmp_path)] == [(name_of(k), i) for k, i in enumerate(expected)]


def test_a_folder_per_class_equals_torchvisions_reading(tmp_path):
    for k, number in enumerate(TRUTH):
        folder = tmp_path / "val" / WNIDS[number - 1]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name_of(k)).write_text("")
    other = {path: index for path, index in ImageFolder(str(tmp_path / "val")).samples}
    found = validation(tmp_path)
    assert {str(v.image): v.index for v in found} == other
    assert [v.image.name for v in found] == sorted(name_of(k) for k in range(len(TRUTH)))


def test_what_can_be_missing_or_damaged(tmp_path):
    with pytest.raises(InputError, match=r"val: no such directory \(--data for imagenet\)"):
        validation(tmp_path)
    (tmp_path / "val").mkdir()
    with pytest.raises(InputError, match="val: no images in it"):
        validation(tmp_path)
    (tmp_path / "val").rmdir()
    write_flat(tmp_path)
    with pytest.raises(InputError, match="no ILSVRC2012_devkit_t12 in it"):
        validation(tmp_path)
    write_kit(tmp_path, TRUTH[:-1])
    with pytest.raises(InputError, match="5 images for the development kit's 4"):
        validation(tmp_path)
    write_kit(tmp_path, [*TRUTH[:-1], 4])
    with pytest.raises(InputError, match=r"ground_truth\.txt: line 5: '4' is not one of the kit's 3 classes"):
        validation(tmp_path)
    write_mat(tmp_path / "ILSVRC2012_devkit_t12/data/meta.mat", {"synsets": np.zeros(3)})
    with pytest.raises(InputError, match=r"meta\.mat: damaged or cut short"):
        validation(tmp_path)
    (tmp_path / "ILSVRC2012_devkit_t12/data/meta.mat").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"meta\.mat: damaged or cut short"):
        validation(tmp_path)
