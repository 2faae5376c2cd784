"""Decoding, damage, resizing."""

from pathlib import Path

import numpy as np
import pytest
from data_trees import forbidden_folder, photo, write_labels, write_photo
from PIL import Image

from repro.data import images
from repro.errors import InputError


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("palette", [True, False])
def test_label_maps_keep_their_indices(tmp_path, rng, palette):
    values = rng.integers(0, 256, (9, 7), dtype=np.uint8)
    write_labels(tmp_path / "a.png", values, palette)
    assert Image.open(tmp_path / "a.png").mode == ("P" if palette else "L")
    assert np.array_equal(images.read_label_map(tmp_path / "a.png"), values)


def test_a_palette_with_few_colours_is_packed_below_a_byte_and_still_read(tmp_path, rng):
    values = rng.integers(0, 3, (9, 7), dtype=np.uint8)
    image = Image.fromarray(values).convert("P")
    image.putdata(values.ravel().tolist())
    image.save(tmp_path / "a.png", bits=2)
    assert np.array_equal(images.read_label_map(tmp_path / "a.png"), values)


def test_one_bit_and_sixteen_bit_label_maps(tmp_path):
    Image.fromarray(np.eye(4, dtype=bool)).save(tmp_path / "bit.png")
    assert np.array_equal(images.read_label_map(tmp_path / "bit.png"), np.eye(4, dtype=np.uint8))
    Image.fromarray(np.array([[1, 255]], dtype=np.uint16)).save(tmp_path / "fits.png")
    assert images.read_label_map(tmp_path / "fits.png").tolist() == [[1, 255]]
    Image.fromarray(np.array([[1, 300]], dtype=np.uint16)).save(tmp_path / "beyond.png")
    with pytest.raises(InputError, match="label 300; a label map's values are 0 to 255"):
        images.read_label_map(tmp_path / "beyond.png")


def test_coloured_label_maps_are_refused(tmp_path, rng):
    write_photo(tmp_path / "a.png", photo(rng, 4, 4))
    with pytest.raises(InputError, match=r"a\.png: an image with 3 channels; a label map is a palette or grey PNG"):
        images.read_label_map(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_photographs_of_any_mode_become_rgb(tmp_path, mode):
    Image.new("RGB", (5, 3), (200, 200, 200)).convert(mode).save(tmp_path / "a.tiff")
    pixels = images.read_photo(tmp_path / "a.tiff")
    assert pixels.shape == (3, 5, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - 200).max() <= 5


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_file_is_refused_or_whole_but_never_filled_up(tmp_path, rng, suffix):
    path = tmp_path / f"a{suffix}"
    write_photo(path, photo(rng, 24, 24))
    whole, data = images.read_photo(path), path.read_bytes()
    refused = 0
    for length in range(0, len(data) - 1, 13):
        path.write_bytes(data[:length])
        try:
            assert np.array_equal(images.read_photo(path), whole)
        except InputError as error:
            refused += 1
            message = str(error)
            assert message.startswith(f"{path}: damaged or cut short (")
            assert message.count(str(path)) == 1
            assert "\n" not in message
    assert refused >= len(data) // 13 - 3


def test_truncated_label_map(tmp_path, rng):
    path = tmp_path / "a.png"
    write_labels(path, rng.integers(0, 12, (40, 40)))
    path.write_bytes(path.read_bytes()[:-120])
    with pytest.raises(InputError, match="damaged or cut short"):
        images.read_label_map(path)


def test_missing_and_unidentified_files(tmp_path):
    with pytest.raises(InputError, match=r"b\.png: no such file"):
        images.read_photo(tmp_path / "b.png")
    (tmp_path / "page.png").write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"page\.png: damaged or cut short \(cannot identify image file\)"):
        images.photo_size(tmp_path / "page.png")


def test_forbidden_file():
    with (
        forbidden_folder(0o000) as folder,
        pytest.raises(InputError, match=r"a\.png: cannot be read \(permission denied"),
    ):
        images.read_photo(folder / "a.png")


@pytest.mark.parametrize(("size", "side"), [((360, 480), 129), ((480, 360), 129), ((1, 999), 10), ((30, 20), 300)])
def test_the_longer_side_gets_the_pixels_asked_for(size, side):
    got = images.resized(size, side)
    factor = side / max(size)
    assert max(got) == side
    assert all(abs(g - max(1, s * factor)) <= 0.5 for g, s in zip(got, size, strict=True))
    assert images.resized(size, None) == size


def test_shrinking_averages_photographs_and_never_mixes_labels(rng):
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = images.resize_photo(np.repeat(board[..., None], 3, axis=2), (8, 8))
    assert np.abs(small.astype(int) - 127).max() <= 3
    labels = rng.choice(np.array([0, 7, 255], dtype=np.uint8), (64, 64))
    assert set(np.unique(images.resize_labels(labels, (8, 8)))) <= {0, 7, 255}


def test_label_resizing_takes_the_pixel_under_the_centre(rng):
    labels = rng.integers(0, 200, (12, 20), dtype=np.uint8)
    for size in [(5, 9), (24, 40), (7, 33)]:
        rows = np.floor((np.arange(size[0]) + 0.5) * 12 / size[0]).astype(int)
        columns = np.floor((np.arange(size[1]) + 0.5) * 20 / size[1]).astype(int)
        assert np.array_equal(images.resize_labels(labels, size), labels[np.ix_(rows, columns)])


def test_photographs_and_labels_stay_aligned():
    labels = np.zeros((60, 90), dtype=np.uint8)
    labels[20:40, 30:60] = 1
    pixels = np.repeat((labels * 255)[..., None], 3, axis=2)
    small, marks = images.resize_photo(pixels, (20, 30)), images.resize_labels(labels, (20, 30))
    assert np.array_equal(small[..., 0] > 127, marks == 1)


def test_label_check_names_value_place_and_classes():
    labels = np.array([[0, 255], [20, 21]], dtype=np.uint8)
    images.check_labels(labels, 22, Path("x.png"))
    with pytest.raises(InputError, match=r"^x\.png: label 21 at row 1, column 1; the 21 classes are 0 to 20\."):
        images.check_labels(labels, 21, Path("x.png"))
