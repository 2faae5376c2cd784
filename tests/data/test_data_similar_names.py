"""Which file was meant by a name that is not there."""

import pytest

from repro.data.similar_names import similar_name


@pytest.fixture
def home(tmp_path):
    for name in ("Train/0001.JPG", "Train/street 7.jpg", "Train/caf\u00e9.png", "labels/0001.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "meant", "remedy"),
    [
        ("Train/0001.jpg", "Train/0001.JPG", "names count letter by letter"),
        ("train/0001.jpg", "Train/0001.JPG", "names count letter by letter"),
        ("train/0001.png", "Train/0001.JPG", "names count letter by letter"),
        ("labels/0001.bmp", "labels/0001.png", "names count letter by letter"),
        ("Train/cafe\u0301.png", "Train/caf\u00e9.png", "names count letter by letter"),
        ("Train\\0001.JPG", "Train/0001.JPG", "write folders with /"),
        ("C:\\data\\town\\train\\0001.jpg", "Train/0001.JPG", "write folders with /"),
        ("C:/data/town/Train/0001.JPG", "Train/0001.JPG", "names count"),
        ("D:\\town/labels\\0001.png", "labels/0001.png", "write folders with /"),
        ("Train/street.jpg", "Train/street 7.jpg", "a list cannot name files with spaces; rename it"),
    ],
)
def test_the_file_that_was_meant(home, name, meant, remedy):
    message = similar_name(home / name)
    assert message.startswith(f" There is {home / meant}: ")
    assert remedy in message


@pytest.mark.parametrize("name", ["Train/0002.jpg", "other/0001.jpg", "Train/0001.JPG/x.png", "C:/data/0003.jpg", ""])
def test_nothing_is_made_up(home, name):
    assert similar_name(home / name) == ""


def test_what_is_there_was_not_misspelt(home):
    assert similar_name(home / "labels/0001.png") == ""
