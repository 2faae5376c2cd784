"""VOC 2012 and trainaug, with torchvision's readers as the other opinion."""

import numpy as np
import pytest
from data_trees import FACTS, photo, write_ids, write_labels, write_mat, write_photo, write_sbd, write_voc
from torchvision.datasets import SBDataset, VOCSegmentation

from repro.data import mat, source
from repro.data.voc2012 import VOC2012
from repro.errors import InputError
from repro.spec.dataset import VOC_VAL
from repro.spec.protocol import Data

TRAIN = ["2007_000032", "2009_000001"]
VAL = ["2007_000033", "2008_000002"]
SBD_TRAIN = ["2008_000010", "2007_000033", "2009_000001"]
SBD_VAL = ["2008_000002", "2011_003200", "2007_000032"]


@pytest.fixture
def tree(tmp_path):
    return tmp_path, write_voc(tmp_path, TRAIN, VAL), write_sbd(tmp_path, SBD_TRAIN, SBD_VAL)


@pytest.mark.parametrize("split", ["train", "val", "trainval"])
def test_splits_equal_torchvisions(tree, split):
    root, _, _ = tree
    other = VOCSegmentation(str(root), year="2012", image_set=split)
    samples = VOC2012.samples(VOC2012.home(root), split)
    assert [str(s.image) for s in samples] == other.images
    for sample, (_, target) in zip(samples, other, strict=True):
        assert np.array_equal(VOC2012.read_labels(sample), np.asarray(target))


@pytest.mark.parametrize("given", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_trainaug_is_train_and_sbd_without_val(tree, given):
    root, voc, sbd = tree
    samples = VOC2012.samples(VOC2012.home(root / given), "trainaug")
    names = [s.name for s in samples]
    assert names == sorted((set(TRAIN) | set(SBD_TRAIN) | set(SBD_VAL)) - set(VAL))
    for sample in samples:
        expected = voc[sample.name] if sample.name in TRAIN else sbd[sample.name]
        assert np.array_equal(VOC2012.read_labels(sample), expected)
        assert sample.image.is_file()


def test_sbd_labels_equal_torchvisions(tree):
    root, _, _ = tree
    home = root / "benchmark_RELEASE/dataset"
    for name in SBD_TRAIN:  # torchvision expects the photographs there too
        write_photo(home / f"img/{name}.jpg", photo(np.random.default_rng(0), 7, 9))
    other = SBDataset(str(home), image_set="train", mode="segmentation")
    for name, (_, target) in zip(SBD_TRAIN, other, strict=True):
        sample = source.Sample(name, home, home / f"cls/{name}.mat", "")
        assert np.array_equal(VOC2012.read_labels(sample), np.asarray(target))


def test_void_border_of_vocs_own_images_survives(tree, tmp_path):
    root, voc, _ = tree
    images = source.load(Data(name="voc2012"), "trainaug", root, tmp_path / "cache")
    by_name = dict(zip(images.names, images.labels, strict=True))
    assert set(images.names) & set(VAL) == set()
    assert np.array_equal(by_name["2007_000032"] == 255, voc["2007_000032"] == 255)
    assert (by_name["2008_000010"] != 255).all()


def test_pngs_of_the_augmented_labels_are_taken_where_they_are(tree):
    root, voc, _ = tree
    home = root / "VOCdevkit/VOC2012"
    for name in {*SBD_TRAIN, *SBD_VAL, *TRAIN}:
        write_labels(home / f"SegmentationClassAug/{name}.png", np.full((7, 9), 3))
    for sample in VOC2012.samples(home, "trainaug"):
        labels = VOC2012.read_labels(sample)
        assert np.array_equal(labels, voc[sample.name] if sample.name in TRAIN else np.full((7, 9), 3))


def test_a_mat_file_that_unpacks_without_end(tree, monkeypatch):
    monkeypatch.setattr(mat, "MOST_BYTES", 1 << 20)
    root, _, _ = tree
    path = root / "benchmark_RELEASE/dataset/cls/2008_000010.mat"
    write_mat(path, {"GTcls": {"Segmentation": np.zeros((1024, 1024), dtype=np.uint8)}})
    assert path.stat().st_size < 1 << 14
    (sample,) = (s for s in VOC2012.samples(VOC2012.home(root), "trainaug") if s.name == "2008_000010")
    with pytest.raises(InputError, match=r"2008_000010\.mat: more than 1 MB unpacked, which no label map takes"):
        VOC2012.read_labels(sample)


def test_ids_keep_their_points(tmp_path):
    write_voc(tmp_path, ["street.0001", "street.0002"], VAL)
    assert [s.name for s in VOC2012.samples(VOC2012.home(tmp_path), "train")] == ["street.0001", "street.0002"]
    assert all(s.image.is_file() for s in VOC2012.samples(VOC2012.home(tmp_path), "train"))


def test_files_under_another_spelling_are_named(tmp_path):
    write_voc(tmp_path, TRAIN, VAL)
    home = VOC2012.home(tmp_path)
    data = Data(name="voc2012", train_split="train")
    (home / "JPEGImages/2009_000001.jpg").rename(home / "JPEGImages/2009_000001.JPG")
    message = r"train\.txt: line 2: \S+/2009_000001\.jpg: no such file\. There is \S+/JPEGImages/2009_000001\.JPG"
    with pytest.raises(InputError, match=message):
        source.fingerprint(data, tmp_path, tmp_path / "c")
    (home / "JPEGImages/2009_000001.JPG").rename(home / "JPEGImages/2009_000001.jpg")
    (home / "JPEGImages").rename(home / "JpegImages")
    with pytest.raises(InputError, match=r"no such file\. There is \S+/JpegImages/2007_000032\.jpg: names count"):
        source.fingerprint(data, tmp_path, tmp_path / "c")
    (home / "ImageSets").rename(home / "imagesets")
    with pytest.raises(InputError, match=r"there is no ImageSets/Segmentation in it\. There is \S+/imagesets/Seg"):
        source.fingerprint(data, tmp_path / "VOCdevkit/VOC2012", tmp_path / "c")


@pytest.mark.parametrize("form", ["{0}", "/JPEGImages/{0}.jpg /SegmentationClassAug/{0}.png"])
def test_a_ready_list_replaces_sbds(tmp_path, form):
    write_voc(tmp_path, TRAIN, VAL)
    home = tmp_path / "VOCdevkit/VOC2012"
    write_ids(home / "ImageSets/Segmentation/trainaug.txt", [form.format(n) for n in (*TRAIN, "2011_000001")])
    write_labels(home / "SegmentationClassAug/2011_000001.png", np.zeros((7, 9)))
    assert [s.name for s in VOC2012.samples(home, "trainaug")] == sorted([*TRAIN, "2011_000001"])
    assert VOC2012.samples(home, "trainaug")[-1].labels == home / "SegmentationClassAug/2011_000001.png"


def test_a_ready_list_with_an_image_of_val_is_refused(tmp_path):
    write_voc(tmp_path, TRAIN, VAL)
    home = tmp_path / "VOCdevkit/VOC2012"
    write_ids(home / "ImageSets/Segmentation/trainaug.txt", [*TRAIN, VAL[1]])
    with pytest.raises(InputError, match=r"trainaug\.txt: line 3: 2008_000002 is an image of VOC's val"):
        VOC2012.samples(home, "trainaug")


def test_trainaug_without_sbd_says_how_to_get_it(tmp_path):
    write_voc(tmp_path, TRAIN, VAL)
    home = tmp_path / "VOCdevkit/VOC2012"
    with pytest.raises(InputError, match=r"trainaug\.txt: no such list file, and SBD is not here.*prepare voc2012"):
        VOC2012.samples(home, "trainaug")
    write_ids(home / "ImageSets/Segmentation/trainaug.txt", [*TRAIN, "2011_000001"])
    with pytest.raises(InputError, match=r"line 3: no labels for 2011_000001"):
        VOC2012.samples(home, "trainaug")


def damaged(path, kind):
    data = path.read_bytes()
    if kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "flipped":
        path.write_bytes(data[:140] + bytes(255 - b for b in data[140:180]) + data[180:])
    elif kind == "variable":
        write_mat(path, {"other": np.zeros((7, 9), dtype=np.uint8)})
    elif kind == "field":
        write_mat(path, {"GTcls": {"Segments": np.zeros((7, 9), dtype=np.uint8)}})
    elif kind == "text":
        write_mat(path, {"GTcls": {"Segmentation": "aeroplane"}})
    elif kind == "void":
        write_mat(path, {"GTcls": {"Segmentation": np.full((7, 9), 255, dtype=np.uint8)}})
    elif kind == "value":
        write_mat(path, {"GTcls": {"Segmentation": np.full((7, 9), 21, dtype=np.uint8)}})
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "damaged or cut short"),
        ("empty", "damaged or cut short"),
        ("flipped", "damaged or cut short"),
        ("variable", "there is no 'GTcls' in it"),
        ("field", r"there is no GTcls\.Segmentation in it"),
        ("text", r"GTcls\.Segmentation is not a label map"),
        ("void", "label 255; this data set has 0 to 254"),
        ("value", "label 21 at row 0, column 0; the 21 classes are 0 to 20"),
        ("gone", "no such file"),
    ],
)
def test_damaged_mat_files(tree, kind, message):
    root, _, _ = tree
    path = root / "benchmark_RELEASE/dataset/cls/2008_000010.mat"
    damaged(path, kind)
    (sample,) = (s for s in VOC2012.samples(VOC2012.home(root), "trainaug") if s.name == "2008_000010")
    with pytest.raises(InputError, match=message) as caught:
        VOC2012.labels(sample, 21)
    assert str(caught.value).startswith(f"{path}: ")


def test_classes_are_vocs_in_order():
    classes = FACTS["voc2012"].classes
    assert len(classes) == 21
    assert list(classes[1:]) == sorted(classes[1:])


def test_the_published_arithmetic_of_trainaug():
    # SBD's 8,498 + 2,857 and VOC's 1,464 + 1,449 images: what is stated for trainaug must fit into their union.
    counts = FACTS["voc2012"].splits
    assert counts["trainaug"] <= 8498 + 2857 + counts["train"]
    assert counts["trainval"] == counts["train"] + counts["val"]
    assert counts["val"] == VOC_VAL
