"""Loading by name, and the fingerprint."""

import hashlib
import json
import os
import re
import shutil
import time

import numpy as np
import pytest
from data_trees import label_map, run_python, write_camvid, write_labels, write_photo
from PIL import Image

from repro.data import scene_settings, scenes, source, threads
from repro.data.images import resize_labels, resize_photo
from repro.errors import InputError
from repro.spec.load import load_suite
from repro.spec.protocol import Data

CAMVID = Data(name="camvid", train_split="train", classes=11)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    root = tmp_path / "camvid"
    told = write_camvid(root, {"train": 5, "val": 3})
    monkeypatch.setattr("repro.files.SETTLED_SECONDS", -1.0)  # nothing was written just now
    return root, told


def with_values(**values):
    return CAMVID.model_copy(update=values)


def test_a_split_in_the_lists_order(tree, tmp_path):
    root, told = tree
    images = source.load(CAMVID, "train", root, tmp_path / "cache")
    assert images.names == tuple(f"train{i:02d}" for i in range(5))
    for name, pixels, labels in zip(images.names, images.pixels, images.labels, strict=True):
        assert np.array_equal(pixels, told[name][0])
        assert np.array_equal(labels, np.where(told[name][1] == 11, 255, told[name][1]))


def test_counts_are_capped_per_split(tree, tmp_path):
    root, _ = tree
    capped = with_values(train_images=2, val_images=1)
    assert source.load(capped, "train", root, tmp_path / "c").names == ("train00", "train01")
    assert source.load(capped, "val", root, tmp_path / "c").names == ("val00",)
    assert len(source.load(with_values(train_images=99), "train", root, tmp_path / "c").names) == 5


def test_side_resizes_then_pads(tree, tmp_path):
    root, told = tree
    rng = np.random.default_rng(0)
    tall = rng.integers(0, 256, (16, 4, 3), dtype=np.uint8), label_map(rng, 16, 4, [0, 3, 11])
    write_photo(root / "train/train01.png", tall[0])
    write_labels(root / "trainannot/train01.png", tall[1])
    images = source.load(with_values(side=4), "train", root, tmp_path / "c")
    assert images.sizes.tolist() == [[3, 4], [4, 1], [3, 4], [3, 4], [3, 4]]
    assert images.pixels.shape == (5, 4, 4, 3)
    assert (images.labels[1, :, 1:] == 255).all()
    assert (images.pixels[1, :, 1:] == 0).all()
    assert np.array_equal(images.pixels[1, :, :1], resize_photo(tall[0], (4, 1)))
    expected = resize_labels(told["train02"][1], (3, 4))
    assert np.array_equal(images.labels[2, :3], np.where(expected == 11, 255, expected))


def test_sizes_do_not_share_a_cache_entry(tree, tmp_path):
    root, _ = tree
    for side, shape in ((4, (3, 4)), (None, (6, 8)), (16, (12, 16))):
        assert source.load(with_values(side=side), "val", root, tmp_path / "c").pixels.shape[1:3] == shape


def test_more_images_than_are_decoded_at_once_keep_their_order(tmp_path, monkeypatch):
    told = write_camvid(tmp_path / "d", {"train": 11}, size=(2, 3))
    monkeypatch.setattr(threads, "cores", lambda: 3)
    monkeypatch.setattr(threads, "AHEAD", 1)
    images = source.load(CAMVID, "train", tmp_path / "d", tmp_path / "c")
    assert all(np.array_equal(p, told[n][0]) for n, p in zip(images.names, images.pixels, strict=True))


def test_image_and_labels_of_different_sizes(tree, tmp_path):
    root, _ = tree
    write_labels(root / "trainannot/train03.png", np.zeros((8, 6)))
    with pytest.raises(InputError) as caught:
        source.load(CAMVID, "train", root, tmp_path / "c")
    message = str(caught.value)
    assert re.search(r"train03\.png: 6 x 8 pixels, but its image \S+train03\.png has 8 x 6 \(\S+: line 4\)", message)


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        (1, r"has 8 x 6 \(\S+: line 4\)\. One of the two is transposed"),
        (6, r"has 6 x 8 .*They are transposed: the image is turned upright as its EXIF orientation 6 says"),
    ],
)
def test_transposed_images_and_labels(tree, tmp_path, tag, message):
    root, _ = tree
    path = root / "train/train03.png"
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.open(path).copy().save(path, exif=exif)
    if tag == 1:
        write_labels(root / "trainannot/train03.png", np.zeros((8, 6)))
    with pytest.raises(InputError, match=message):
        source.load(CAMVID, "train", root, tmp_path / "c")


def test_a_turned_image_is_trained_on_upright(tree, tmp_path):
    root, told = tree
    exif = Image.Exif()
    exif[0x0112] = 6
    path = root / "train/train03.png"
    Image.open(path).copy().save(path, exif=exif)
    write_labels(root / "trainannot/train03.png", np.rot90(told["train03"][1], -1))
    images = source.load(CAMVID, "train", root, tmp_path / "c")
    assert images.sizes[3].tolist() == [8, 6]
    assert np.array_equal(images.pixels[3, :8, :6], np.rot90(told["train03"][0], -1))


def test_masks_of_black_and_white_are_refused(tree, tmp_path):
    root, _ = tree
    for k, path in enumerate(sorted((root / "trainannot").iterdir())):
        values = np.zeros((6, 8))
        values[k % 3 :, 2:] = 255 if k else 0
        write_labels(path, values)
    message = r"trainannot: no label but 0 and 255, and 255 is void.*write them as class indices, 0 and 1"
    with pytest.raises(InputError, match=message):
        source.load(CAMVID, "train", root, tmp_path / "c")
    assert [p.name for p in (tmp_path / "c/images").iterdir() if p.is_dir()] == []
    write_labels(path, values.clip(0, 1))  # one image with a class more
    assert set(np.unique(source.load(CAMVID, "train", root, tmp_path / "c").labels)) == {0, 1, 255}


def test_lists_that_name_an_image_again(tree):
    root, _ = tree
    assert source.repetitions(CAMVID, "train", root) == ""
    lines = (root / "train.txt").read_text().splitlines()
    (root / "train.txt").write_text("\n".join([*lines, lines[1], lines[1], lines[4]]))
    told = source.repetitions(CAMVID, "train", root)
    assert told.startswith(
        f"{root}/train.txt: line 6: train01.png stands in this list already ({root}/train.txt: line 2)"
    )
    assert "3 lines of train name an image again" in told
    assert source.repetitions(with_values(train_images=5), "train", root) == ""


def test_a_label_outside_the_classes(tree, tmp_path):
    root, _ = tree
    write_labels(root / "valannot/val02.png", np.full((6, 8), 40))
    with pytest.raises(InputError, match=r"valannot/val02\.png: label 40 at row 0, column 0; the 11 classes"):
        source.load(CAMVID, "val", root, tmp_path / "c")


@pytest.mark.parametrize("folder", ["train", "trainannot"])
def test_a_truncated_png(tree, tmp_path, folder):
    root, _ = tree
    path = root / folder / "train02.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=rf"{folder}/train02\.png: damaged or cut short"):
        source.load(CAMVID, "train", root, tmp_path / "c")


@pytest.mark.parametrize("call", ["load", "fingerprint"])
def test_a_listed_file_that_is_missing(tree, tmp_path, call):
    root, _ = tree
    (root / "trainannot/train03.png").unlink()
    message = r"train\.txt: line 4: \S+trainannot/train03\.png: no such file"
    calls = {
        "load": lambda: source.load(CAMVID, "train", root, tmp_path / "c"),
        "fingerprint": lambda: source.fingerprint(CAMVID, root, tmp_path / "c"),
    }
    with pytest.raises(InputError, match=message):
        calls[call]()


def test_names_classes_and_splits_are_checked(tmp_path):
    with pytest.raises(InputError, match=r"'camvit' is not a data set; .*scenes, camvid.* Did you mean 'camvid'\?"):
        source.load(with_values(name="camvit"), "train", tmp_path, tmp_path)
    with pytest.raises(InputError, match="--data: camvid is read from a directory and none was given"):
        source.fingerprint(CAMVID, None)


def test_fingerprint_is_of_content_not_of_place(tree, tmp_path):
    root, _ = tree
    first = source.fingerprint(CAMVID, root, tmp_path / "c")
    assert re.fullmatch("[0-9a-f]{20}", first)
    shutil.copytree(root, tmp_path / "elsewhere")
    assert source.fingerprint(CAMVID, tmp_path / "elsewhere", tmp_path / "c2") == first


def test_fingerprint_changes_with_what_is_read_and_only_with_it(tree, tmp_path):
    root, _ = tree
    cache = tmp_path / "c"
    seen = {source.fingerprint(CAMVID, root, cache), source.fingerprint(with_values(train_images=4), root, cache)}
    assert len(seen) == 2
    (root / "README").write_text("unread")
    assert source.fingerprint(CAMVID, root, cache) in seen
    for name in ("train/train04.png", "valannot/val00.png"):
        path = root / name
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(bytes(data))
        changed = source.fingerprint(CAMVID, root, cache)
        assert changed not in seen
        seen.add(changed)
    lines = (root / "train.txt").read_text().splitlines()
    (root / "train.txt").write_text("\n".join(lines[::-1]))
    assert source.fingerprint(CAMVID, root, cache) not in seen


def test_the_second_fingerprint_reads_no_file(tree, tmp_path, monkeypatch):
    root, _ = tree
    first = source.fingerprint(CAMVID, root, tmp_path / "c")

    def refuse(*_):
        raise AssertionError("hashed again")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    assert source.fingerprint(CAMVID, root, tmp_path / "c") == first


def test_a_file_changed_within_the_clocks_tick_is_noticed(tree, tmp_path, monkeypatch):
    monkeypatch.setattr("repro.files.SETTLED_SECONDS", 2.0)
    root, _ = tree
    path = root / "train/train00.png"
    data, now = path.read_bytes(), time.time_ns()
    os.utime(path, ns=(now, now))
    first = source.fingerprint(CAMVID, root, tmp_path / "c")
    path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    os.utime(path, ns=(now, now))
    assert source.fingerprint(CAMVID, root, tmp_path / "c") != first


@pytest.mark.parametrize("replaced", [False, True])
def test_labels_rewritten_with_the_same_size_and_time_are_read_again(tree, tmp_path, replaced):
    root, _ = tree
    path = root / "trainannot/train00.png"
    Image.open(path).copy().save(path, format="BMP")  # a byte a pixel, the last one at the upper right
    before, data = path.stat(), bytearray(path.read_bytes())
    first = source.load(CAMVID, "train", root, tmp_path / "c").labels[0].copy()
    data[-1] = (data[-1] + 1) % 11
    new = root / "new.png" if replaced else path
    new.write_bytes(data)
    os.replace(new, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    second = source.load(CAMVID, "train", root, tmp_path / "c").labels[0]
    assert (first != second).sum() == 1


@pytest.mark.parametrize("damage", ["", "[1]", '{"a": 1}', '{"reader": "sha256", "files": {"a": [1]}}'])
def test_a_damaged_memo_is_made_again(tree, tmp_path, damage):
    root, _ = tree
    first = source.fingerprint(CAMVID, root, tmp_path / "c")
    (memo,) = (tmp_path / "c/fingerprints").iterdir()
    memo.write_text(damage)
    assert source.fingerprint(CAMVID, root, tmp_path / "c") == first
    assert len(json.loads(memo.read_text())["files"]) == 16


def test_without_a_cache_the_users_is_taken_and_may_be_missing(tree, tmp_path, monkeypatch):
    root, _ = tree
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    first = source.fingerprint(CAMVID, root)
    assert len(list((tmp_path / "xdg/repro/fingerprints").iterdir())) == 1
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert source.fingerprint(CAMVID, root) == first


def test_scenes_are_drawn_once(tmp_path, monkeypatch):
    data = Data(name="scenes", classes=9, train_images=2, val_images=2, side=33)
    images = source.load(data, "val", None, tmp_path)
    expected = scenes.load(data, "val")
    assert np.array_equal(images.pixels, expected.pixels)
    assert np.array_equal(images.labels, expected.labels)
    assert images.names == expected.names
    assert source.fingerprint(data, None) == scene_settings.fingerprint(data)
    monkeypatch.setattr(scenes, "load", lambda *_: pytest.fail("drawn again"))
    assert np.array_equal(source.load(data, "val", None, tmp_path).labels, expected.labels)


def test_changed_labels_are_not_served_from_the_cache(tree, tmp_path):
    root, _ = tree
    source.load(CAMVID, "train", root, tmp_path / "c")
    write_labels(root / "trainannot/train00.png", np.full((6, 8), 4))
    assert (source.load(CAMVID, "train", root, tmp_path / "c").labels[0] == 4).all()


def test_no_torch_and_no_scipy():
    code = "import sys, repro.data.source; print({'torch', 'torchvision', 'scipy', 'pandas'} & set(sys.modules))"
    assert run_python(code).stdout.strip() == "set()"


def test_the_scenes_number_of_images_is_the_declared_one():
    facts = load_suite().datasets["scenes"]
    assert facts.splits == scene_settings.COUNTS
    assert facts.count == len(scene_settings.COLOURS)


@pytest.mark.parametrize("name", source.FORMATS)
def test_every_split_that_can_be_read_is_declared(name):
    facts = load_suite().datasets[name]
    readable = set(source.FORMATS[name].splits)
    assert {facts.train_split, facts.val_split} & readable
    assert set(facts.splits) >= readable - {"val"}
