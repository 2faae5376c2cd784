"""Decoding of photographs and label maps: every form is read by the stated rule or refused."""

import os
import struct
import zlib

import numpy as np
import pytest
from data_trees import forbidden_folder, photo, write_labels, write_photo
from PIL import Image, ImageOps

from repro.data import decode
from repro.errors import InputError


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, colour, rows, before=b"", after=b""):
    """A PNG written by hand: colour type 0 is grey, 2 is RGB, 6 is RGB with alpha."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + after + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("palette", [True, False])
def test_label_maps_keep_their_indices(tmp_path, rng, palette):
    values = rng.integers(0, 256, (9, 7), dtype=np.uint8)
    write_labels(tmp_path / "a.png", values, palette)
    assert Image.open(tmp_path / "a.png").mode == ("P" if palette else "L")
    assert np.array_equal(decode.read_label_map(tmp_path / "a.png"), values)


def test_a_palette_with_few_colours_is_packed_below_a_byte_and_still_read(tmp_path, rng):
    values = rng.integers(0, 3, (9, 7), dtype=np.uint8)
    image = Image.fromarray(values).convert("P")
    image.putdata(values.ravel().tolist())
    image.save(tmp_path / "a.png", bits=2)
    assert np.array_equal(decode.read_label_map(tmp_path / "a.png"), values)


def test_one_bit_and_sixteen_bit_label_maps(tmp_path):
    Image.fromarray(np.eye(4, dtype=bool)).save(tmp_path / "bit.png")
    assert np.array_equal(decode.read_label_map(tmp_path / "bit.png"), np.eye(4, dtype=np.uint8))
    Image.fromarray(np.array([[1, 255]], dtype=np.uint16)).save(tmp_path / "fits.png")
    assert decode.read_label_map(tmp_path / "fits.png").tolist() == [[1, 255]]
    Image.fromarray(np.array([[1, 300]], dtype=np.uint16)).save(tmp_path / "beyond.png")
    with pytest.raises(InputError, match="label 300 at row 0, column 1; a label map's values are 0 to 255"):
        decode.read_label_map(tmp_path / "beyond.png")


def test_coloured_label_maps_are_refused(tmp_path, rng):
    write_photo(tmp_path / "a.png", photo(rng, 4, 4))
    with pytest.raises(InputError, match=r"a\.png: an image with 3 channels; a label map is a palette or grey PNG"):
        decode.read_label_map(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_photographs_of_any_mode_become_rgb(tmp_path, mode):
    Image.new("RGB", (5, 3), (200, 200, 200)).convert(mode).save(tmp_path / "a.tiff")
    pixels = decode.read_photo(tmp_path / "a.tiff")
    assert pixels.shape == (3, 5, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - 200).max() <= 5


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_file_is_refused_or_whole_but_never_filled_up(tmp_path, rng, suffix):
    path = tmp_path / f"a{suffix}"
    write_photo(path, photo(rng, 24, 24))
    whole, data = decode.read_photo(path), path.read_bytes()
    refused = 0
    for length in range(0, len(data) - 1, 13):
        path.write_bytes(data[:length])
        try:
            assert np.array_equal(decode.read_photo(path), whole)
        except InputError as error:
            refused += 1
            message = str(error)
            assert message.startswith((f"{path}: damaged or cut short (", f"{path}: not an image, or damaged"))
            assert message.count(str(path)) == 1
            assert "\n" not in message
    assert refused >= len(data) // 13 - 3


def test_truncated_label_map(tmp_path, rng):
    path = tmp_path / "a.png"
    write_labels(path, rng.integers(0, 12, (40, 40)))
    path.write_bytes(path.read_bytes()[:-120])
    with pytest.raises(InputError, match="damaged or cut short"):
        decode.read_label_map(path)


def test_missing_and_unidentified_files(tmp_path):
    with pytest.raises(InputError, match=r"b\.png: no such file"):
        decode.read_photo(tmp_path / "b.png")
    (tmp_path / "page.png").write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"page\.png: not an image, or damaged; JPEG, PNG.* are read"):
        decode.photo_size(tmp_path / "page.png")


def test_forbidden_file():
    with (
        forbidden_folder(0o000) as folder,
        pytest.raises(InputError, match=r"a\.png: cannot be read \(permission denied"),
    ):
        decode.read_photo(folder / "a.png")


SIXTEEN = np.array([[0, 255, 256, 32767, 32768, 65279, 65280, 65535]], dtype=np.uint16)


@pytest.mark.parametrize("form", ["grey.png", "rgb.png", "grey.tiff", "wide.tiff"])
def test_of_sixteen_bits_the_upper_eight_count(tmp_path, form):
    path = tmp_path / form
    if form == "grey.tiff":
        Image.fromarray(SIXTEEN).save(path)
    elif form == "wide.tiff":
        Image.fromarray(SIXTEEN.astype(np.int32)).save(path)
    else:
        channels = 1 if form == "grey.png" else 3
        row = np.repeat(SIXTEEN[0][:, None], channels, axis=1).astype(">u2").tobytes()
        path.write_bytes(png(8, 1, 16, 0 if channels == 1 else 2, [row]))
    expected = [0, 0, 1, 127, 128, 254, 255, 255]
    assert decode.read_photo(path)[0].tolist() == [[value] * 3 for value in expected]


def test_sixteen_bits_that_hold_eight_are_not_read_as_black(tmp_path):
    Image.fromarray(np.array([[3, 200]], dtype=np.uint16)).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=r"a\.tiff: 16 bits a pixel, but no value above 200: black\. Save it with 8"):
        decode.read_photo(tmp_path / "a.tiff")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0.0, 1.0]], dtype=np.float32), "floating point, in which no value is white"),
        (np.array([[-1, 70000]], dtype=np.int32), "grey values -1 to 70000; 16 bits have 0 to 65535"),
    ],
)
def test_photographs_without_a_known_white_are_refused(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=rf"a\.tiff: .*{message}"):
        decode.read_photo(tmp_path / "a.tiff")


def test_lab_is_refused(tmp_path):
    Image.new("LAB", (3, 2)).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=r"its pixels are LAB, no RGB\. Save it as 8-bit RGB"):
        decode.read_photo(tmp_path / "a.tiff")


def test_an_alpha_channel_may_only_say_opaque(tmp_path, rng):
    pixels = photo(rng, 3, 4)
    for alpha in (255, 254):
        layer = np.full((3, 4, 1), 255, dtype=np.uint8)
        layer[1, 2] = alpha
        Image.fromarray(np.concatenate([pixels, layer], axis=2)).save(tmp_path / f"{alpha}.png")
    assert np.array_equal(decode.read_photo(tmp_path / "255.png"), pixels)
    with pytest.raises(InputError, match=r"254\.png: has transparent pixels"):
        decode.read_photo(tmp_path / "254.png")
    indexed = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    indexed.putpalette([9, 9, 9, 8, 8, 8])
    indexed.save(tmp_path / "palette.png", transparency=1)
    with pytest.raises(InputError, match="has transparent pixels"):
        decode.read_photo(tmp_path / "palette.png")
    # of a label map the index counts, whatever its colour
    assert decode.read_label_map(tmp_path / "palette.png").tolist() == [[0, 1]]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tiff", ".webp"])
def test_several_pictures_in_one_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    pictures = [Image.new("RGB", (4, 3), (k * 99, 0, 0)) for k in range(2)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    with pytest.raises(InputError, match=r"2 pictures in one file\. Save the one that is meant"):
        decode.read_photo(path)
    if suffix in (".png", ".tiff"):
        with pytest.raises(InputError, match=r"2 pictures in one file\. Store one label map a file"):
            decode.read_label_map(path)


def test_of_a_phones_double_picture_the_first_counts(tmp_path):
    pictures = [Image.new("RGB", (16, 8), (200, 0, 0)), Image.new("RGB", (4, 2), (0, 200, 0))]
    pictures[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=pictures[1:])
    assert Image.open(tmp_path / "a.jpg").format == "MPO"
    pixels = decode.read_photo(tmp_path / "a.jpg")
    assert pixels.shape == (8, 16, 3)
    assert np.abs(pixels.astype(int) - [200, 0, 0]).max() <= 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tiff", ".webp"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_photographs_are_turned_upright(tmp_path, suffix, tag):
    stored = np.zeros((8, 16, 3), dtype=np.uint8)
    stored[:4, :4] = 250
    exif = Image.Exif()
    exif[0x0112] = tag
    path = tmp_path / f"a{suffix}"
    lossless = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(stored).save(path, exif=exif, **lossless)
    # where the bright corner goes: EXIF 2.32, tag 0x0112, says which corner the first row and column are
    bottom, right = tag in (3, 4, 7, 8), tag in (2, 3, 6, 7)
    expected = np.zeros((16, 8) if tag >= 5 else (8, 16), dtype=bool)
    expected[-4 if bottom else 0 :, -4 if right else 0 :][:4, :4] = True
    pixels = decode.read_photo(path)
    assert np.array_equal(pixels[..., 0] > 125, expected)
    assert decode.photo_size(path) == pixels.shape[:2]
    assert decode.orientation(path) == tag


def test_an_orientation_behind_the_pixels_of_a_png_counts_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    rows = [bytes([9] * 3 * 5)] * 2
    (tmp_path / "a.png").write_bytes(png(5, 2, 8, 2, rows, after=chunk(b"eXIf", exif.tobytes()[6:])))
    assert decode.read_photo(tmp_path / "a.png").shape == (5, 2, 3)
    assert decode.photo_size(tmp_path / "a.png") == (5, 2)


def test_label_maps_have_no_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "a.png", exif=exif)
    with pytest.raises(InputError, match=r"a\.png: has an EXIF orientation \(3\), which label maps cannot have"):
        decode.read_label_map(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "form", "options"),
    [
        ("a.jpg", "JPEG", {"quality": 100}),
        ("a.png", "JPEG", {}),
        ("a.webp", "WEBP", {"lossless": True}),
        ("a.jp2", "JPEG2000", {}),
        ("a.gif", "GIF", {}),
        ("a.tiff", "TIFF", {"compression": "jpeg"}),
        ("a.png", "MPO", {"save_all": True, "append_images": [Image.new("L", (8, 8))]}),
    ],
)
def test_lossy_label_maps_are_refused_whatever_their_name(tmp_path, name, form, options):
    path = tmp_path / name
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(path, format=form, **options)
    with pytest.raises(InputError, match=rf"{name}: \w+ content, which need not keep label values\. Store"):
        decode.read_label_map(path)


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.bmp", "a.pgm", "a.tga"])
def test_lossless_label_maps_of_other_forms(tmp_path, rng, name):
    values = rng.integers(0, 12, (6, 7), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / name)
    assert np.array_equal(decode.read_label_map(tmp_path / name), values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[1, 2], [2.9, 300]], dtype=np.float32), "label 2.9 at row 1, column 0; labels are whole numbers"),
        (np.array([[1, np.nan]], dtype=np.float32), "label nan at row 0, column 1; labels are whole numbers"),
        (np.array([[1, 300], [-1, 9]], dtype=np.int32), "label 300 at row 0, column 1; a label map's values are 0 to"),
        (np.array([[9, 255], [0, -1]], dtype=np.int32), "label -1 at row 1, column 1; a label map's values are 0 to"),
        (np.array([[9, np.inf]], dtype=np.float32), "label inf at row 0, column 1; a label map's values are 0 to 255"),
    ],
)
def test_the_wrong_label_is_blamed(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=message):
        decode.read_label_map(tmp_path / "a.tiff")


def test_whole_numbers_in_floating_point_are_labels(tmp_path):
    Image.fromarray(np.array([[0.0, 7.0, 255.0]], dtype=np.float32)).save(tmp_path / "a.tiff")
    labels = decode.read_label_map(tmp_path / "a.tiff")
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 7, 255]]


@pytest.mark.parametrize(("bits", "row"), [(2, b"\x1b"), (4, b"\x01\x23")])
def test_grey_of_few_bits_is_read_in_two_ways_by_programs_and_refused(tmp_path, bits, row):
    (tmp_path / "a.png").write_bytes(png(4, 1, bits, 0, [row]))
    with pytest.raises(
        InputError, match=r"a\.png: grey with 2 or 4 bits a pixel.*Save it with 8 bits, or with a palette"
    ):
        decode.read_label_map(tmp_path / "a.png")


@pytest.mark.parametrize("read", [decode.read_photo, decode.photo_size, decode.read_label_map])
def test_an_image_too_large_to_decode_is_refused_before_it_is(tmp_path, read):
    side = 60_000
    (tmp_path / "bomb.png").write_bytes(png(side, side, 8, 0, []))
    with pytest.raises(InputError, match=r"bomb\.png: more than 179 million pixels, the most that are read"):
        read(tmp_path / "bomb.png")


@pytest.mark.parametrize("read", [decode.read_photo, decode.photo_size, decode.read_label_map])
def test_what_is_no_file_is_refused_at_once(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name, kind in (("pipe.png", "a named pipe"), ("folder.png", "a folder")):
        with pytest.raises(InputError, match=rf"{name}: {kind}, where a file is expected"):
            read(tmp_path / name)
    with pytest.raises(InputError, match="/dev/zero: a device, where a file is expected"):
        read(decode.Path("/dev/zero"))


def test_postscript_starts_no_program(tmp_path):
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(InputError, match=r"a\.png: not an image, or damaged"):
        decode.read_photo(tmp_path / "a.png")


def refusal(read, path):
    """The message of an InputError, or None; any other error fails the test."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_image_of_any_form_is_one_clear_error(tmp_path, rng):
    pixels = photo(rng, 9, 13)
    for suffix in (".jpg", ".png", ".tiff", ".bmp", ".gif", ".ppm", ".webp", ".jp2", ".tga"):
        path = tmp_path / f"a{suffix}"
        Image.fromarray(pixels).save(path)
        data = path.read_bytes()
        for _ in range(25):
            broken = bytearray(data[: rng.integers(1, len(data) + 1)])
            for at in rng.integers(0, min(len(broken), 80), 3):
                broken[at] = rng.integers(0, 256)
            path.write_bytes(broken)
            for read in (decode.read_photo, decode.read_label_map, decode.photo_size):
                message = refusal(read, path)
                assert message is None or (message.startswith(f"{path}: ") and "\n" not in message)


def test_upright_is_what_pillow_calls_upright(tmp_path, rng):
    for tag in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = tag
        Image.fromarray(photo(rng, 5, 7)).save(tmp_path / "a.png", exif=exif)
        with Image.open(tmp_path / "a.png") as image:
            expected = np.array(ImageOps.exif_transpose(image))
        assert np.array_equal(decode.read_photo(tmp_path / "a.png"), expected)
