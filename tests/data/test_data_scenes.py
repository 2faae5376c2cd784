"""The embedded data set: the same bytes everywhere, VOC's form, and what the claims need."""

import hashlib

import numpy as np
import pytest

from repro.data import scene_settings, scenes
from repro.errors import InputError
from repro.spec.protocol import Data

LOOK = scene_settings.SceneSettings()
DATA = Data(name="scenes", classes=9, train_images=60, val_images=20)


@pytest.fixture(scope="module")
def drawn():
    return scenes.load(DATA, "train")


def test_the_bytes_are_those_of_every_machine():
    told = hashlib.sha256()
    for split in ("train", "val"):
        for index in range(8):
            for array in scenes.draw(LOOK, split, index):
                told.update(array.tobytes())
    assert told.hexdigest()[:16] == "dd12a2b690aceebd"


def test_an_image_depends_on_its_index_alone(drawn):
    pixels, labels = scenes.draw(LOOK, "train", 17)
    assert np.array_equal(pixels, drawn.pixels[17])
    assert np.array_equal(labels, drawn.labels[17])
    assert not np.array_equal(pixels, scenes.draw(LOOK, "val", 17)[0])


def test_labels_have_vocs_form(drawn):
    assert set(np.unique(drawn.labels)) == {*range(9), 255}
    background = np.mean(drawn.labels == 0)
    assert 0.6 < background < 0.85


def test_void_lies_exactly_where_a_label_differs_from_its_left_or_upper_neighbour(drawn):
    whole = np.array([[0, 0, 3, 3], [0, 0, 3, 3], [5, 5, 5, 3]], dtype=np.uint8)
    expected = [[0, 0, 255, 3], [0, 0, 255, 3], [255, 255, 255, 255]]
    assert scenes._void_band(whole).tolist() == expected
    for labels in drawn.labels[:10]:
        clear = labels != 255
        across = clear[:, 1:] & clear[:, :-1]
        assert (labels[:, 1:][across] == labels[:, :-1][across]).all()


def test_the_scene_decides_between_classes_that_look_alike(drawn):
    """superellipse A and flower A never share an image with superellipse B or flower B."""
    for labels in drawn.labels:
        present = set(np.unique(labels))
        assert not (present & {3, 5} and present & {4, 6})
    looks = {c: drawn.pixels[drawn.labels == c].mean(axis=0) for c in (3, 4, 5, 6)}
    # told apart by nothing but the scene: the mean colours of a pair are nearer than any two classes'
    assert np.abs(looks[3] - looks[4]).max() < 15
    assert np.abs(looks[5] - looks[6]).max() < 15


def test_stripes_run_across_or_down_by_scene(drawn):
    for pixels, labels in zip(drawn.pixels, drawn.labels, strict=True):
        present = set(np.unique(labels))
        if not present & {3, 4, 5, 6}:
            continue
        band = pixels[:19].astype(float).mean(axis=2)
        clear = labels[:19] == 0
        if clear.mean() < 0.9:
            continue
        down, across = np.abs(np.diff(band, axis=0)).mean(), np.abs(np.diff(band, axis=1)).mean()
        assert (across > down) == bool(present & {3, 5})


def test_objects_span_a_wide_range_of_sizes(drawn):
    areas = [np.sum(labels == c) for labels in drawn.labels for c in range(1, 9) if (labels == c).any()]
    assert np.percentile(areas, 90) / np.percentile(areas, 10) > 5


def test_another_side_scales_the_scene():
    small = scenes.load(DATA.model_copy(update={"side": 65, "train_images": 3}), "train")
    assert small.pixels.shape == (3, 65, 65, 3)
    assert small.labels.shape == (3, 65, 65)


def test_fingerprint_tells_what_decides_the_bytes():
    base = scene_settings.fingerprint(DATA)
    assert base == scene_settings.fingerprint(DATA)
    assert base != scene_settings.fingerprint(DATA.model_copy(update={"side": 65}))
    assert base != scene_settings.fingerprint(DATA.model_copy(update={"train_images": 61}))


def test_wrong_split_and_wrong_classes():
    with pytest.raises(InputError, match="tset"):
        scenes.load(DATA, "tset")
    with pytest.raises(InputError, match=r"data\.classes: 21"):
        scenes.load(DATA.model_copy(update={"classes": 21}), "train")
