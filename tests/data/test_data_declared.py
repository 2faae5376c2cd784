"""Data sets as users declare them: folders, lists, pairs; indexed, grey, coloured and numbered labels."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from data_trees import label_map, photo, write_labels, write_photo
from PIL import Image

from repro.data import source, verify
from repro.errors import InputError
from repro.spec.dataset import Dataset
from repro.spec.protocol import Data

TOWN = Data(name="town", classes=3, train_split="train", val_split="val")
FILES = {"images": "photos/{split}/{name}.png", "labels": "labels/{split}/{name}.png"}


def town(files: dict[str, str] | None = None, labels: dict[str, object] | None = None, **more: object) -> Dataset:
    facts = {"title": "Town", "classes": ("road", "house", "sky"), "splits": {"train": 3, "val": 2}}
    return Dataset.model_validate({**facts, "files": files or FILES, "labels": labels or {}, **more})


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Photographs and labels 0, 1, 2, 255 in folders of splits."""
    rng, content = np.random.default_rng(4), {}
    for split, count in (("train", 3), ("val", 2)):
        for k in range(count):
            name = f"{split} {k}"  # a name with a space
            content[name] = photo(rng, 5, 7), label_map(rng, 5, 7, [0, 1, 2, 255])
            write_photo(tmp_path / f"photos/{split}/{name}.png", content[name][0])
            write_labels(tmp_path / f"labels/{split}/{name}.png", content[name][1], palette=True)
    return tmp_path, content


def load(facts: Dataset, root: Path, split: str = "train"):
    return source.load(TOWN, split, root, root / "cache", facts)


def test_folders(tree) -> None:
    root, content = tree
    images = load(town(), root)
    assert images.names == ("train 0", "train 1", "train 2")
    for name, pixels, labels in zip(images.names, images.pixels, images.labels, strict=True):
        assert np.array_equal(pixels, content[name][0])
        assert np.array_equal(labels, content[name][1])
    assert load(town(), root, "val").names == ("val 0", "val 1")


def test_lists_of_names_and_of_pairs(tree) -> None:
    root, _ = tree
    (root / "lists").mkdir()
    (root / "lists/train.txt").write_bytes(b"\xef\xbb\xbftrain 2\r\ntrain 0.png\r\n\r\n")
    assert load(town({**FILES, "list": "lists/{split}.txt"}), root).names == ("train 2", "train 0")
    lines = [f"photos/train/train {k}.png\tlabels/train/train {k}.png\n" for k in (1, 0)]
    (root / "lists/train.txt").write_text("".join(lines))
    assert load(town({"list": "lists/{split}.txt"}), root).names == ("train 1", "train 0")


def test_one_folder_and_lists_of_splits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(4):
        write_photo(tmp_path / f"all/{k}_photo.png", photo(rng, 3, 3))
        write_labels(tmp_path / f"all/{k}_mask.png", label_map(rng, 3, 3, [0, 1]), palette=True)
    for split, names in (("train", "0\n2\n"), ("val", "3\n")):
        (tmp_path / f"{split}.txt").write_text(names)
    files = {"images": "all/{name}_photo.png", "labels": "all/{name}_mask.png", "list": "{split}.txt"}
    assert load(town(files), tmp_path).names == ("0", "2")
    assert load(town(files), tmp_path, "val").names == ("3",)


@pytest.mark.parametrize(
    ("labels", "stored", "read"),
    [
        ({"format": "grey", "offset": 1, "void": 0}, [0, 1, 2, 3], [255, 0, 1, 2]),
        ({"format": "grey", "values": (7, 0, 255), "void": (9, 8)}, [7, 0, 255, 8, 9], [0, 1, 2, 255, 255]),
        ({"format": "grey", "values": (700, 0, 26000)}, [26000, 700, 255], [2, 0, 255]),
        ({"format": "grey", "void": ()}, [0, 2, 1], [0, 2, 1]),
    ],
)
def test_numbers(tree, labels, stored, read) -> None:
    root, _ = tree
    values = np.resize(np.array(stored), (5, 7))
    for path in (root / "labels/train").iterdir():
        Image.fromarray(values.astype(np.uint16 if values.max() > 255 else np.uint8)).save(path)
    found = load(town(labels=labels), root).labels[0]
    assert np.array_equal(found, np.resize(np.array(read), (5, 7)))


def test_colours(tree) -> None:
    root, content = tree
    colours = {0: (10, 20, 30), 1: (10, 20, 31), 2: (0, 0, 0), 255: (255, 255, 255)}
    for path in (root / "labels/train").iterdir():
        labels = content[path.stem][1]
        Image.fromarray(np.array([[colours[int(v)] for v in row] for row in labels], np.uint8)).save(path)
    facts = town(labels={"format": "rgb", "void_colours": (colours[255],)}, colours=tuple(colours[k] for k in range(3)))
    images = load(facts, root)
    assert all(np.array_equal(found, content[n][1]) for n, found in zip(images.names, images.labels, strict=True))
    facts = town(labels={"format": "rgb"}, colours=tuple(colours[k] for k in range(3)))
    with pytest.raises(InputError, match=r"colour \(255, 255, 255\) at row \d, column \d is no class's colour"):
        load(facts, root)


def test_arrays_as_labels(tree) -> None:
    root, content = tree
    for path in (root / "labels/train").iterdir():
        np.save(path.with_suffix(".npy"), content[path.stem][1].astype(np.int64))
    files = {**FILES, "labels": "labels/{split}/{name}.npy"}
    assert np.array_equal(load(town(files, {"format": "grey"}), root).labels[1], content["train 1"][1])


def test_masks_of_black_and_white_can_be_declared(tree) -> None:
    root, _ = tree
    masks = np.resize(np.array([0, 255, 255]), (5, 7))
    for path in (root / "labels/train").iterdir():
        write_labels(path, masks)
    with pytest.raises(InputError, match=r"no label but 0 and 255.*or say so in a file that declares the data set"):
        load(town(labels={"format": "grey"}), root)
    facts = town(labels={"format": "grey", "values": (0, 255), "void": ()}, classes=("background", "thing"))
    found = source.load(TOWN.model_copy(update={"classes": 2}), "train", root, root / "cache", facts).labels[0]
    assert np.array_equal(found, masks // 255)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda r: write_labels(r / "labels/train/train 1.png", np.full((5, 7), 3), True), "label 3 at row 0"),
        (lambda r: write_labels(r / "labels/train/train 1.png", np.zeros((5, 7))), r"grey values \(grey\), where ind"),
        (lambda r: (r / "labels/train/train 1.png").unlink(), r"labels/train/train 1\.png: no such file"),
        (lambda r: (r / "labels/train").rename(r / "labels/Train"), r"There is \S+/labels/Train/train 0\.png"),
        (lambda r: [p.unlink() for p in (r / "photos/train").iterdir()], r"there is no photos/train/\*\.png in it"),
        (lambda r: (r / "photos").rename(r / "pictures") and (r / "labels").rename(r / "maps"), r"not town \(--data\)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tree, break_it, message) -> None:
    root, _ = tree
    break_it(root)
    with pytest.raises(InputError, match=message):
        load(town(), root)


def test_a_number_that_is_not_declared_says_where_to_declare_it(tree) -> None:
    root, _ = tree
    with pytest.raises(InputError, match=r"neither one of the 3 classes nor void\. Say what it means .*labels\.void"):
        load(town(labels={"void": 9}), root)


def test_without_files_a_declaration_cannot_be_read() -> None:
    facts = Dataset(title="Town", classes=("a", "b"), splits={"train": 1, "val": 1})
    with pytest.raises(InputError, match=r"data set 'town': its declaration does not say where its files are\. Add"):
        source.format_of("town", facts)


def test_the_fingerprint_holds_what_decides_labels(tree) -> None:
    root, _ = tree
    base = source.fingerprint(TOWN, root, root / "cache", town())
    assert source.fingerprint(TOWN, root, root / "cache", town(title="Village")) == base
    other = source.fingerprint(TOWN, root, root / "cache", town(labels={"values": (2, 1, 0)}))
    assert other != base
    # nor is what was decoded under one declaration served under another
    first, second = load(town(), root).labels, load(town(labels={"values": (2, 1, 0)}), root).labels
    assert np.array_equal(first == 0, second == 2)


def test_a_declaration_reaches_other_processes(tree) -> None:
    root, _ = tree
    facts = pickle.loads(pickle.dumps(town()))
    assert source.fingerprint(TOWN, root, root / "cache", facts) == source.fingerprint(TOWN, root, None, town())
    form = pickle.loads(pickle.dumps(source.format_of("town", town())))
    assert [s.name for s in form.samples(root, "val")] == ["val 0", "val 1"]
    assert form.module == "repro.data.declared"


def test_verify(tree) -> None:
    root, _ = tree
    rows = {row.what: row for row in verify.verify("town", town(), root, root / "cache")}
    assert {row.ok for row in rows.values()} == {True, None}
    assert (rows["train: images"].expected, rows["train: images"].actual) == ("3", "3")
    data = TOWN.model_copy(update={"val_split": "train"})
    assert rows["train: fingerprint"].actual == source.fingerprint(data, root, root / "cache", town())
    wrong = town(splits={"train": 4, "val": 2}, classes=("road", "house", "sky", "tree"))
    rows = {row.what: row for row in verify.verify("town", wrong, root, root / "cache")}
    assert [what for what, row in rows.items() if row.ok is False] == ["train: images", "train: labels", "val: labels"]
