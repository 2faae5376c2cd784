"""What is too large, too deep, or no spec at all is refused with its place, before it costs time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from spec_files import PAPER, TABLE, Write

from repro.errors import InputError
from repro.spec import bounds
from repro.spec.bounds import check_count
from repro.spec.files import toml_files
from repro.spec.load import load_suite
from repro.spec.reading import read_value
from repro.spec.select import pairs, select

CLAIM = """
[[claims]]
id = "m.c1"
text = "x"
kind = "greater"
left = { last_block = 5 }
right = { last_block = 4 }
[published]"""
RULE = """
[[deviations]]
scale = "tiny"
key = "model.width"
value = 8
reason = "r"
[published]"""
LARGEST_GAIN = CLAIM.replace('"greater"', '"largest-gain-at"\nalong = "multi_grid"').replace(
    "[published]", "at = [1, 2, 1]\n[published]"
)


def refused(write: Write, table: str, **files: str) -> str:
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        write(table, **files).find("mine/grid")
    assert time.process_time() - began < 5
    told = str(caught.value)
    assert told.startswith("specs/")
    assert len(told) < 800
    return told


@pytest.mark.parametrize(
    ("written", "old", "new", "told"),
    [
        (CLAIM, "last_block = 5", "last_block = { any = 5 }", "left.last_block: any = 5 is no list of values"),
        (CLAIM, "last_block = 4", 'last_block = { any = "45" }', 'right.last_block: any = "45" is no list of values'),
        (CLAIM, "last_block = 4", "last_block = { any = [] }", "any = [] is no list of values"),
        (CLAIM, "last_block = 4", "last_block = { some = [4] }", "{some = [4]} is no condition. Write a value, {any"),
        (CLAIM, "last_block = 4", "last_block = { not = { any = 4 } }", "any = 4 is no list of values"),
        (CLAIM, "last_block = 4", "last_block = { any = [4], not = 5 }", "is no condition"),
        (CLAIM, 'kind = "greater"', 'kind = "greater"\nmargin = inf', "claims[0].margin: Infinity is no number that"),
        (CLAIM, 'kind = "greater"', 'kind = "greater"\nmargin = 1e7', "claims[0].margin: 10000000.0 is too large"),
        (CLAIM, 'kind = "greater"', 'kind = "greater"\nmetric = "mio"', "Did you mean 'miou'"),
        (CLAIM, 'kind = "greater"', 'kind = "ratio"\nlow = -1', "a ratio is never below 0"),
        (LARGEST_GAIN, "at = [1, 2, 1]", "at = { any = 3 }", "any = 3 is no list of values"),
        (RULE, "value = 8", "value = 8\nwhen = { model.last_block = { any = 5 } }", "when.model.last_block: any = 5"),
        (RULE, "value = 8", 'value = 8\nwhen = { model.head = { any = "aspp" } }', 'any = "aspp" is no list of values'),
        (RULE, "value = 8", "value = 8\nwhen = { evaluate.crf = { w1 = 3 } }", "{w1 = 3} is no condition"),
        (RULE, "value = 8", "factor = inf", "deviations[0].factor: Infinity is no number that can be computed with"),
        (RULE, "value = 8", "factor = 1e99", "deviations[0].factor: 1e+99 is too large; it must be at most 1"),
        (RULE, "value = 8", "factor = 1e308", "1E+308 is beyond all reason. Write a number closer to 1."),
        (RULE, "value = 8", "map = { " + "9" * 300 + " = 4 }", "map: an integer of about 300 digits"),
    ],
    ids=lambda text: text[:40].strip(),
)  # fmt: skip
def test_selectors_conditions_and_factors(write: Write, written: str, old: str, new: str, told: str) -> None:
    assert old in written
    message = refused(write, TABLE.replace("[published]", written.replace(old, new)))
    assert message.startswith("specs/grid.toml: ")
    assert told in message


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("63.25", "1" + "0" * 300, "published.miou[1][1]: an integer of about 300 digits; at most 18 are read"),
        ("63.25", "1" + "0" * 5000, "Exceeds the limit"),
        ("63.25", "0x" + "f" * 9000, "an integer of about 10837 digits; at most 18 are read"),
        ("63.25", "nan", "published.miou[1][1]: NaN is no number that can be computed with"),
        ("63.25", "1e400", "published.miou[1][1]: 1E+400 is beyond all reason"),
        ("63.25", "1979-05-27", "published.miou[1][1]: 1979-05-27 is a date or a time, which no setting takes"),
        ("63.25", "[" * 500 + "1" + "]" * 500, "nested deeper than 20 lists or tables"),
        ("63.25", "[" * 30 + "1" + "]" * 30, "nested deeper than 20 lists or tables"),
        ("output_stride = 16", ".".join("a" * 2000) + " = 1", "a key has more than 20 parts"),
        ("output_stride = 16", '"a".' * 2000 + "a = 1", "a key has more than 20 parts"),
        ('title = "A grid"', f'title = "{"x" * 10_000}"', "title: "),
        ('title = "A grid"', f'{"t" * 10_000} = "A grid"', "unknown key"),
        ("output_stride = 16", f'start = "{"y" * 10_000}"', "is not one of imagenet"),
        ('"block5"', f'"{"z" * 10_000}"', "has 10000 letters; there may be 200 at most"),
        ('labels = ["block4", "block5", "block6"]', 'labels = ["é", "ü", "ß"]', '"é" and "ü" would both be "x" in'),
    ],
    ids=lambda text: text[:40].strip(),
)
def test_numbers_depth_and_length(write: Write, old: str, new: str, told: str) -> None:
    assert old in TABLE
    message = refused(write, TABLE.replace(old, new))
    assert told in message


def test_a_table_has_so_many_cells_at_most(write: Write) -> None:
    def table(rows: int) -> str:
        values = ", ".join(str(1 + i) for i in range(rows))
        return TABLE.replace("[[1, 1, 1], [1, 2, 1]]", f"[{values}]").replace("multi_grid", "width")

    told = refused(write, table(401))
    assert "specs/grid.toml: 401 x 3 is 1,203 cells; a table has at most 1,000. Split it into several." in told
    told = refused(write, table(1001))
    assert "axes[0].values: " in told
    assert "has 1001 values; there may be 1000 at most" in told
    rows = "\n".join(f'[[rows]]\nlabel = "{i}"\npublished = [1, 2]' for i in range(501))
    told = refused(write, TABLE.split("[[axes]]")[0] + "[[columns]]\n" * 2 + rows)
    assert "501 x 2 is 1,002 cells" in told


def test_a_million_cells_are_refused_before_they_are_read(write: Write) -> None:
    line = "[" + ", ".join(["50.0"] * 1000) + "],\n"
    assert len(line) * 1000 > bounds.SPEC_BYTES
    table = TABLE[: TABLE.index("[published]")] + "[published]\nmiou = [\n" + line * 1000 + "]\n"
    told = refused(write, table)
    assert "bytes; a spec has at most 500,000, and a table at most 1,000 cells. Split it" in told


def test_a_folder_of_specs_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SPEC_FILES", 3)
    for i in range(4):
        (tmp_path / f"t{i}.toml").write_text("")
    with pytest.raises(InputError, match=r"more than 3 specs or 50,000 files; --tables takes a folder of table specs"):
        toml_files(tmp_path)
    monkeypatch.setattr(bounds, "SPEC_FILES", 4)
    monkeypatch.setattr(bounds, "FOLDER_BYTES", 10)
    (tmp_path / "t0.toml").write_text("#" * 11)
    with pytest.raises(InputError, match=r"11 bytes of .toml files; --tables reads 10 at most"):
        toml_files(tmp_path)
    monkeypatch.setattr(bounds, "FOLDER_ENTRIES", 3)
    with pytest.raises(InputError, match=r"3 files; --tables takes"):
        toml_files(tmp_path)


def test_what_is_no_ordinary_file_is_not_waited_for(write: Write, tmp_path: Path) -> None:
    write()
    os.mkfifo(tmp_path / "specs" / "pipe.toml")
    with pytest.raises(InputError, match=r"specs/pipe.toml: is no ordinary file. Remove it"):
        load_suite([tmp_path / "specs"])
    (tmp_path / "specs" / "pipe.toml").unlink()
    (tmp_path / "specs" / "link.toml").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"specs/link.toml: cannot be read: .*No such file.*Mend or remove it"):
        load_suite([tmp_path / "specs"])
    (tmp_path / "specs" / "link.toml").unlink()
    (tmp_path / "specs" / "folder.toml").mkdir()
    assert load_suite([tmp_path / "specs"]).find("grid").id == "mine/grid"


def test_a_byte_order_mark_is_none_of_the_text(write: Write) -> None:
    assert write("\ufeff" + TABLE).find("grid").title == "A grid"


@pytest.mark.parametrize(
    "name",
    ["../up", "/etc/x", "a//b", "a/", "a/../b", ".hidden", "-x", "a b", "a\\b", "C:x", "<b>", "a\x00", "a\n", "é"],
)
def test_ids_are_safe_in_paths(write: Write, name: str) -> None:
    spelt = name.replace("\\", "\\\\").replace("\x00", "\\u0000").replace("\n", "\\n")
    for old in ('id = "mine/grid"', 'aliases = ["grid"]'):
        key = old.split(" ")[0]
        new = f'id = "{spelt}"' if key == "id" else f'aliases = ["{spelt}"]'
        assert f"specs/grid.toml: {key}" in (told := refused(write, TABLE.replace(old, new)))
        assert "is no id. Write letters, digits, points, hyphens and underscores" in told
    told = refused(write, TABLE, paper=PAPER.replace('id = "mine"', f'id = "{spelt}"'))
    assert told.startswith("specs/paper.toml: id: ")
    assert "is no id" in refused(write, TABLE, scales=f'["{spelt}"]\ndescription = "d"')
    assert "is no id" in refused(write, TABLE, scales="", datasets=f'["{spelt}"]\ntitle = "d"')


@pytest.mark.parametrize("name", ["all", "index", "Index", "audit"])
def test_names_that_mean_something_else(write: Write, name: str) -> None:
    for old, new in (('id = "mine/grid"', f'id = "{name}"'), ('aliases = ["grid"]', f'aliases = ["{name}"]')):
        assert f'"{name}" means something else already. Choose another.' in refused(write, TABLE.replace(old, new))


@pytest.mark.parametrize("other", ["mine-grid", "Mine/Grid", "MINE-grid"])
def test_two_tables_never_share_a_file_of_reports(write: Write, other: str) -> None:
    second = TABLE.replace("mine/grid", other).replace('aliases = ["grid"]', "")
    told = refused(write, TABLE, second=second)
    assert told == f'specs/second.toml: id: the reports of "{other}" and "mine/grid" would be one file. Choose another.'


def test_no_alias_hides_a_table(write: Write) -> None:
    second = TABLE.replace('"mine/grid"', '"grid"').replace('aliases = ["grid"]', "")
    assert refused(write, TABLE, second=second) == (
        'specs/second.toml: id: "grid" is an alias of mine/grid. Choose another.'
    )


def test_each_claim_has_its_own_id(write: Write) -> None:
    twice = TABLE.replace("[published]", CLAIM.replace("[published]", "") + CLAIM)
    assert refused(write, twice) == 'specs/grid.toml: claims: "m.c1" stands twice. Give each its own id.'


def test_classes_of_a_data_set_are_told_apart(write: Write) -> None:
    told = refused(write, TABLE, datasets='[m]\ntitle = "t"\nclasses = ["a", "b", "a"]')
    assert told == 'specs/datasets.toml: m: classes: "a" stands twice. Give each class its own name.'
    told = refused(write, TABLE, datasets='[m]\ntitle = "t"\nclasses = 2\ncolours = [[0, 0, 256], [0, 0, 0]]')
    assert told == "specs/datasets.toml: m: colours[0][2]: 256 is too large; it must be at most 255."


@pytest.mark.parametrize("text", ["1\nother = 2", "[1,\n2]", "1 # a\nb"])
def test_a_value_is_one_line(text: str) -> None:
    assert read_value(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("9" * 300, "an integer of about 300 digits; at most 18 are read"),
        ("9" * 5000, "Exceeds the limit"),
        ("[" * 100_000, "nested deeper than 20"),
        ("[" * 21 + "]" * 21, "nested deeper than 20"),
        ("1979-05-27", "is a date or a time"),
    ],
    ids=lambda text: text[:40],
)
def test_a_value_beyond_all_bounds_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_value(text)


def test_counts() -> None:
    check_count("--jobs", None, 1, 5)
    check_count("--jobs", 5, 1, 5)
    with pytest.raises(InputError, match=r"--jobs 0: at least 1 is needed"):
        check_count("--jobs", 0, 1, 5)
    with pytest.raises(InputError, match=r"--jobs 6: at most 5 can be asked for"):
        check_count("--jobs", 6, 1, 5)


def test_pairs_of_a_thousand_cells_take_no_time(write: Write) -> None:
    table = TABLE.replace("[[1, 1, 1], [1, 2, 1]]", str(list(range(1, 334)))).replace("model.multi_grid", "model.width")
    table = table[: table.index("[published]")] + "[published]\nmiou = " + str([[1, 2, 3]] * 333)
    cells = write(table).find("mine/grid").cells()
    began = time.process_time()
    for _ in range(20):
        found = pairs(cells, {"last_block": 5}, {"last_block": {"any": [4]}})
    assert time.process_time() - began < 3
    assert [(a.settings["model.width"], b.settings["model.width"]) for a, b in found] == [
        (width, width) for width in range(1, 334)
    ]
    assert len(select(cells, {"width": {"any": list(range(5, 10))}})) == 15
