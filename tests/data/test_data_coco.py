"""COCO's annotations as VOC label maps: masks by brute force, the 1,000 pixels, damaged files."""

import json

import numpy as np
import pytest
from data_trees import FACTS, photo, write_photo
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.data import source
from repro.data.coco import COCO, MIN_PIXELS, VOC_NAMES, convert, label_map, voc_classes
from repro.data.coco_masks import annotation, polygon, run_lengths
from repro.errors import InputError
from repro.spec.protocol import Data

CLASSES = FACTS["voc2012"].classes
# id of each VOC class in COCO's files, as listed by torchvision's reference scripts for segmentation
COCO_IDS = [0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72]
COCO_NAME = {voc: coco for coco, voc in VOC_NAMES.items()}
CATEGORIES = [{"id": i, "name": COCO_NAME.get(n, n)} for i, n in zip(COCO_IDS[1:], CLASSES[1:], strict=True)]
CATEGORIES.append({"id": 13, "name": "stop sign"})


def inside(corners, row, column):
    """Even-odd rule at the pixel's centre, one edge after the other."""
    points = list(zip(corners[0::2], corners[1::2], strict=True))
    x, y, odd = column + 0.5, row + 0.5, False
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if (x0 > x) != (x1 > x) and y >= y0 + (x - x0) * (y1 - y0) / (x1 - x0):
            odd = not odd
    return odd


# Coordinates have two decimals in COCO's files; halves put edges through pixel centres.
coordinates = st.one_of(st.integers(-300, 1500).map(lambda k: k / 100), st.integers(-4, 30).map(lambda k: k / 2))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=7), st.integers(1, 12), st.integers(1, 12))
def test_polygons_by_brute_force(points, height, width):
    corners = [float(value) for point in points for value in point]
    mask = polygon(corners, height, width)
    assert mask.shape == (height, width)
    if any(abs((c * 2) % 1) > 0 for c in corners):
        # a centre on an edge may fall to either side by a rounding error: compare where none is near
        near = _centres_near_an_edge(corners, height, width)
    else:
        near = np.zeros((height, width), dtype=bool)
    expected = np.array([[inside(corners, r, c) for c in range(width)] for r in range(height)])
    assert np.array_equal(mask | near, expected | near)


def _centres_near_an_edge(corners, height, width):
    start = np.array(corners).reshape(-1, 2)
    end = np.roll(start, -1, axis=0)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    near = np.zeros((height, width), dtype=bool)
    for (x0, y0), (x1, y1) in zip(start, end, strict=True):
        length = np.hypot(x1 - x0, y1 - y0)
        near |= np.abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) <= 1e-9 * max(length, 1e-9)
    return near


def test_a_rectangle_covers_its_pixels():
    mask = polygon([2, 1, 5, 1, 5, 4, 2, 4], 6, 8)
    expected = np.zeros((6, 8), dtype=bool)
    expected[1:4, 2:5] = True
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize("corners", [[], [1, 2], [1, 2, 3, 4]])
def test_a_point_or_a_line_encloses_nothing(corners):
    assert not polygon(corners, 4, 4).any()


@pytest.mark.parametrize("corners", [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5, float("nan")], [[1, 2, 3]]])
def test_what_is_no_polygon(corners):
    with pytest.raises(ValueError, match="list of finite x, y pairs"):
        polygon(corners, 4, 4)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.data())
def test_run_lengths_by_brute_force(height, width, data):
    flat = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    counts, value = [0], False
    for bit in flat:
        if bit != value:
            counts.append(0)
            value = bit
        counts[-1] += 1
    mask = run_lengths(counts, height, width)
    for k, bit in enumerate(flat):  # columns first
        assert mask[k % height, k // height] == bit
    assert np.array_equal(annotation({"size": [height, width], "counts": counts}, height, width), mask)


@pytest.mark.parametrize("counts", [[3], [5, -1], [2, 3], [1.5, 2.5], "n0B", [[4]]])
def test_run_lengths_that_do_not_fit(counts):
    with pytest.raises(ValueError, match="add up to 2 x 2"):
        run_lengths(counts, 2, 2)


def test_union_of_polygons():
    squares = [[0, 0, 2, 0, 2, 2, 0, 2], [1, 1, 3, 1, 3, 3, 1, 3]]
    assert annotation(squares, 4, 4).sum() == 7
    with pytest.raises(ValueError, match="for an image of 4 x 4"):
        annotation({"size": [2, 2], "counts": [4]}, 4, 4)


def test_categories_equal_torchvisions_list():
    classes = voc_classes(CATEGORIES, CLASSES)
    assert {COCO_IDS[k]: k for k in range(1, 21)} == classes
    with pytest.raises(ValueError, match="do not include all"):
        voc_classes(CATEGORIES[:5], CLASSES)


def box(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def test_smaller_annotations_lie_on_top_and_other_classes_are_background():
    table, bottle = COCO_IDS[CLASSES.index("dining table")], COCO_IDS[CLASSES.index("bottle")]
    annotations = [
        {"category_id": bottle, "segmentation": box(1, 1, 3, 3)},
        {"category_id": table, "segmentation": box(0, 0, 6, 4)},
        {"category_id": 13, "segmentation": box(0, 0, 2, 2)},
    ]
    labels = label_map(annotations, voc_classes(CATEGORIES, CLASSES), 6, 8)
    assert (labels == CLASSES.index("bottle")).sum() == 4
    assert (labels == CLASSES.index("dining table")).sum() == 6 * 4 - 4
    assert (labels == 0).sum() == 48 - 24


def write_coco(root, boxes):
    """boxes: name -> list of (category id, segmentation), on images of 40 x 60."""
    images = [{"id": k, "file_name": f"{n}.jpg", "height": 40, "width": 60} for k, n in enumerate(boxes, 7)]
    annotations = [
        {"id": k, "image_id": image["id"], "category_id": category, "segmentation": segmentation, "iscrowd": 0}
        for image, content in zip(images, boxes.values(), strict=True)
        for k, (category, segmentation) in enumerate(content)
    ]
    told = {"images": images[::-1], "annotations": annotations, "categories": CATEGORIES}
    for name in boxes:
        write_photo(root / f"train2017/{name}.jpg", photo(np.random.default_rng(0), 40, 60))
    (root / "annotations").mkdir(parents=True)
    (root / "annotations/instances_train2017.json").write_text(json.dumps(told))
    return told


CONTENT = {
    "000000000009": [(1, box(0, 0, 40, 25))],  # 1,000 pixels exactly: not more than 1,000
    "000000000025": [(1, box(0, 0, 40, 25)), (44, box(50, 30, 51, 31))],
    "000000000030": [(13, box(0, 0, 60, 40))],
    "000000000034": [(72, {"size": [40, 60], "counts": [0, 2400]})],
    "000000000036": [],
}


def test_images_with_more_than_a_thousand_pixels_are_kept(tmp_path):
    write_coco(tmp_path, CONTENT)
    assert MIN_PIXELS == 1000
    seen = []
    assert convert(tmp_path, "train", CLASSES, lambda *at: seen.append(at)) == 2
    assert seen == [(k, 5) for k in range(1, 6)]
    data = Data(name="coco", classes=21, train_split="train")
    images = source.load(data, "train", tmp_path, tmp_path / "c")
    assert images.names == ("000000000025", "000000000034")
    assert np.bincount(images.labels[0].ravel())[[0, 5, 15]].tolist() == [2400 - 1001, 1, 1000]
    assert (images.labels[1] == 20).all()


def test_annotations_that_were_not_converted(tmp_path):
    write_coco(tmp_path, CONTENT)
    with pytest.raises(InputError, match=r"voc_labels/train\.txt: COCO's annotations were not converted yet"):
        COCO.samples(COCO.home(tmp_path), "train")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"size": [40, 60], "counts": "PPYo0"}, "000000000025.jpg: .*its run lengths are compressed into text"),
        ([[1, 2, 3]], "000000000025.jpg: .*a polygon is a list of finite x, y pairs"),
        ({"counts": [1]}, "000000000025.jpg: KeyError: 'size'"),
        (7, "000000000025.jpg: TypeError"),
    ],
)
def test_an_annotation_that_cannot_be_drawn_is_named(tmp_path, what, message):
    told = write_coco(tmp_path, CONTENT)
    next(a for a in told["annotations"] if a["image_id"] == 8)["segmentation"] = what
    (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match=message):
        convert(tmp_path, "train", CLASSES)


@pytest.mark.parametrize("size", [(10**9, 10**9), (0, 60), (-4, 60), ("40", 60)])
def test_sizes_that_no_image_has(tmp_path, size):
    told = write_coco(tmp_path, CONTENT)
    told["images"][0]["height"], told["images"][0]["width"] = size
    (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"000000000036\.jpg: ValueError: \S+ x 60|1000000000 x 1000000000 pixels"):
        convert(tmp_path, "train", CLASSES)


@pytest.mark.parametrize("damage", ["cut", "categories", "polygon", "gone", "nested"])
def test_damaged_annotations(tmp_path, damage):
    told = write_coco(tmp_path, CONTENT)
    path = tmp_path / "annotations/instances_train2017.json"
    if damage == "categories":
        told["categories"] = []
    elif damage == "polygon":
        told["annotations"][0]["segmentation"] = [[1, 2, 3]]
    text = json.dumps(told)
    path.write_text(text[:-50] if damage == "cut" else "[" * 100_000 if damage == "nested" else text)
    if damage == "gone":
        path.unlink()
    message = "no such file" if damage == "gone" else "not COCO's annotations, or damaged"
    with pytest.raises(InputError, match=rf"instances_train2017\.json: {message}"):
        convert(tmp_path, "train", CLASSES)
    assert not (tmp_path / "voc_labels/train.txt").exists()
