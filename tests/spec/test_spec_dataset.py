"""Declarations of data sets: what they mean, and which slips are refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.errors import InputError
from repro.spec.colours import voc_colours
from repro.spec.load import load_suite
from repro.spec.resolve import resolve

TOWN = """
title = "Streets"
classes = ["road", "house", "sky"]
colours = [[128, 64, 128], [70, 70, 70], [70, 130, 180]]
splits = { train = 8, val = 4 }

[files]
images = "photos/{split}/{name}.jpg"
labels = "labels/{split}/{name}.png"

[labels]
format = "grey"
offset = 1
void = 0
"""


def declared(folder: Path, text: str = TOWN, name: str = "town.toml"):
    (folder / name).write_text(text)
    suite = load_suite()
    return suite.dataset(suite.dataset_name(str(folder / name)))


def test_a_file_is_known_by_its_name_and_read_once(tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    path.write_text(TOWN)
    suite = load_suite()
    assert suite.dataset_name(str(path)) == "town"
    path.unlink()
    assert suite.dataset_name(str(path)) == "town"
    town = suite.dataset("town")
    assert (town.count, town.names, town.labels.voids) == (3, ("road", "house", "sky"), (0,))
    assert town.labels.numbers(3) == (1, 2, 3)


def test_a_cell_is_moved_to_it(tmp_path: Path) -> None:
    (tmp_path / "town.toml").write_text(TOWN)
    suite = load_suite()
    table = suite.find("v3/table3")
    told = resolve(suite, table, table.cells()[0].settings, "paper", str(tmp_path / "town.toml")).protocol.data
    assert (told.name, told.classes, told.train_split, told.val_split) == ("town", 3, "train", "val")


def test_classes_that_a_data_set_does_not_have() -> None:
    suite = load_suite()
    table = suite.find("v3/table3")
    with pytest.raises(InputError, match=r"data\.classes: 21; camvid has 11 classes\. Leave it out\."):
        resolve(suite, table, table.cells()[0].settings, "paper", "camvid", ["data.classes=21"])


def test_colours_and_classes_that_stand_elsewhere(tmp_path: Path) -> None:
    text = TOWN.replace("[[128, 64, 128], [70, 70, 70], [70, 130, 180]]", '"voc"')
    assert declared(tmp_path, text).colours == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    facts = load_suite().datasets
    assert facts["coco"].classes == facts["voc2012"].classes
    # the colour map's first and last rows, as VOC's development kit prints them
    assert voc_colours(256)[:3] == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    assert voc_colours(256)[255] == (224, 224, 192)
    (tmp_path / "datasets.toml").write_text('[a]\ntitle = "A"\nclasses = "town"\n[b]\ntitle = "B"\nclasses = ["x"]\n')
    with pytest.raises(InputError, match=r'datasets\.toml: a\.classes: "town" is no data set with classes here'):
        load_suite([tmp_path])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Streets"', "", "title: this key is missing"),
        ("classes =", "class =", "class: unknown key. Did you mean 'classes'"),
        ('format = "grey"', 'format = "gray"', "labels.format: "),
        ('format = "grey"', 'fromat = "grey"', "labels.fromat: unknown key. Did you mean 'format'?"),
        ("images =", "image =", "files.image: unknown key. Did you mean 'images'?"),
        ('images = "photos/{split}/{name}.jpg"\n', "", "files: images: this key is missing. Name both"),
        ('classes = ["road", "house", "sky"]\ncolours', "colours", "classes: this key is missing|colours: 3 for no"),
        ("{ train = 8, val = 4 }", "{ train = 8 }", 'val_split: "val" is not in splits (train). Add it there.'),
        ("photos/{split}/{name}.jpg", "photos/{name}.jpg", "all splits would be the same images"),
        ("photos/{split}/{name}.jpg", "photos/{split}/a.jpg", "must hold {name} once"),
        ("photos/{split}/{name}.jpg", "photos/{city}/{name}.jpg", "{city} in"),
        ("photos/{split}/{name}.jpg", "../{split}/{name}.jpg", "must be a path below --data"),
        ("photos/{split}/{name}.jpg", "/photos/{split}/{name}.jpg", "must be a path below --data"),
        ("photos/{split}/{name}.jpg", "C:/photos/{split}/{name}.jpg", "must be a path below --data"),
        ("photos/{split}/{name}.jpg", "photos\\\\{split}\\\\{name}.jpg", "must be a path below --data"),
        ("void = 0", "void = 2", "labels: 2 means both class 1 and void"),
        ("void = 0", "void = [0, [1, 2, 3]]", "labels.void[1]: [1, 2, 3] is not an integer"),
        ("void = 0", "void = 2.5", "labels.void: 2.5 is not a list"),
        ("void = 0", "void_colours = [[1, 2, 3]]", 'labels.void_colours: means nothing with format "grey"'),
        ("void = 0", "void = 70000", "labels.void[0]: 70000 is too large"),
        ("offset = 1", "offset = -1", "labels.offset: -1 is too small"),
        ("{ train = 8, val = 4 }", '["train", "val"]', 'splits: ["train", "val"] is not a table'),
        ("offset = 1", "offset = 1\nvalues = [1, 2, 3]", "offset and values exclude each other"),
        ("offset = 1", "values = [1, 2]", "labels.values: 2 for 3 classes"),
        ("offset = 1", "values = [1, 2, 1]", "labels: 1 means both class 0 and class 2"),
        ('"grey"\noffset = 1\nvoid = 0', '"rgb"\nvoid = 0', 'labels.void: means nothing with format "rgb"'),
        ('"grey"\noffset = 1\nvoid = 0', '"rgb"\noffset = 1', 'labels.offset: means nothing with format "rgb"'),
        ('"grey"\noffset = 1\nvoid = 0', '"rgb"\nvoid_colours = [[70, 70, 70]]', "means both class 1 and void"),
        ('[files]\nimages = "photos/{split}/{name}.jpg"\nlabels = "labels/{split}/{name}.png"\n', "", "means nothing"),
        ("[labels]", "[labels", "not valid TOML"),
    ],
)
def test_slips(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TOWN
    with pytest.raises(InputError) as caught:
        declared(tmp_path, TOWN.replace(old, new))
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/town.toml: ")
    assert "\n" not in told
    assert any(part in told for part in message.split("|")), told


def test_names_and_places_of_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'voc2012\.toml: data set "voc2012" is declared twice'):
        declared(tmp_path, name="voc2012.toml")
    with pytest.raises(InputError, match=r"--dataset \S+none\.toml: no such file"):
        load_suite().dataset_name(str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match="is no id"):
        declared(tmp_path, name="our town.toml")
    with pytest.raises(InputError, match='data set "twon": there is no such data set'):
        load_suite().dataset_name("twon")


def test_only_what_decides_labels_is_part_of_the_reading(tmp_path: Path) -> None:
    base = declared(tmp_path).reading()
    for old, new in (
        ("Streets", "Roads"),
        ("train = 8", "train = 9"),
        ('"sky"', '"air"'),
        ("[70, 70, 70]", "[1, 1, 1]"),
    ):
        assert declared(tmp_path, TOWN.replace(old, new)).reading() == base
    for old, new in (
        ("offset = 1", "offset = 2"),
        ("void = 0", "void = [0, 9]"),
        ('"grey"', '"indexed"'),
        (', "sky"]', "]"),
    ):
        text = TOWN.replace(old, new)
        text = text.replace(", [70, 130, 180]]", "]") if "sky" in old else text
        assert declared(tmp_path, text).reading() != base
    assert declared(tmp_path, TOWN.replace("void = 0", "void = [0]")).reading() == base
    assert load_suite().dataset("camvid").reading() == ""
