"""Loading: what the built-in suite holds, and what each kind of slip is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from spec_files import PAPER, TABLE, Write

from repro.errors import InputError
from repro.spec.load import Suite, load_suite


def test_built_in_tables_are_found_by_id_and_alias(suite: Suite) -> None:
    assert suite.find("table3") is suite.find("v3/table3")
    assert suite.find("table3").paper.arxiv == "1706.05587"
    assert [t.id for t in suite.select(["table4", "v3/table1", "table4"])] == ["v3/table4", "v3/table1"]
    assert [t.id for t in suite.select(["all"])] == [i for i, t in suite.tables.items() if not t.needs]
    assert [i for i, t in suite.tables.items() if t.needs] == [
        "implementations/deeplabv3",
        "implementations/deeplabv3plus",
    ]


def test_every_file_says_where_it_stands(suite: Suite) -> None:
    for spec in suite.tables.values():
        folder, _, rest = spec.place.partition("/")
        assert folder in ("tables", "figures")
        assert spec.id == rest.removesuffix(".toml")


def test_tables_come_in_the_papers_order(suite: Suite) -> None:
    v3 = [i for i, t in suite.tables.items() if i.startswith("v3/table")]
    assert v3 == sorted(v3, key=lambda i: int(i.removeprefix("v3/table")))


def test_datasets_agree_with_the_papers_counts(suite: Suite) -> None:
    counts = {name: data.count for name, data in suite.datasets.items()}
    assert counts == {
        "scenes": 9,
        "camvid": 11,
        "voc2012": 21,
        "cityscapes": 19,
        "pascal_context": 60,
        "person_part": 7,
        "coco": 21,
        "imagenet": None,
    }
    for name, data in suite.datasets.items():
        assert not data.colours or len(data.colours) == data.count, name
        assert len(set(data.colours)) == len(data.colours), name
    counts = {"train": 1464, "trainaug": 10582, "trainval": 2913, "val": 1449, "test": 1456}
    assert suite.datasets["voc2012"].splits == counts


def test_hard_classes_of_v3_are_classes_of_voc(suite: Suite) -> None:
    spec = suite.find("v3/table7")
    duplicated = spec.protocol["data"]["duplicated"]
    assert len(duplicated) == 5
    assert set(duplicated) <= set(suite.datasets["voc2012"].classes)  # type: ignore[arg-type]


def test_a_quoted_tables_protocol_is_checked_too(write: Write) -> None:
    table = TABLE.replace("output_stride = 16", "output_stride = 12").replace(
        'title = "A grid"', 'title = "G"\nkind = "quoted"'
    )
    with pytest.raises(InputError, match=r"protocol.train.output_stride: 12 is not one of"):
        write(table).find("grid")


def test_voc_colours_are_those_of_the_development_kit(suite: Suite) -> None:
    colours = suite.datasets["voc2012"].colours
    assert (colours[1], colours[15], colours[20]) == ((128, 0, 0), (192, 128, 128), (0, 64, 128))


def test_own_folder_is_loaded_beside_the_built_in(write: Write) -> None:
    suite = write()
    assert suite.find("grid").id == "mine/grid"
    assert suite.find("table3").id == "v3/table3"
    assert suite.find("grid").place == "specs/grid.toml"


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from repro.spec.load import load_suite; load_suite().select(['all']);"
        "print(sorted({'torch', 'numpy', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "output_stride = 16",
            "output_stride = 12",
            "specs/grid.toml: protocol.train.output_stride: "
            "12 is not one of 4, 8, 16, 32, 64, 128, 256. Did you mean 16?",
        ),
        (
            "output_stride = 16",
            "ouput_stride = 16",
            "specs/grid.toml: protocol.train.ouput_stride: there is no such setting. Did you mean train.output_stride",
        ),
        (
            "output_stride = 16",
            "multi_grid = [1, 2, 1]",
            "specs/grid.toml: protocol.train.multi_grid: there is no such setting. Did you mean model.multi_grid?",
        ),
        (
            "output_stride = 16",
            'crop = "513"',
            'specs/grid.toml: protocol.train.crop: "513" is not an integer. Write one',
        ),
        (
            "output_stride = 16",
            "crop = 0",
            "specs/grid.toml: protocol.train.crop: 0 is too small; it must be at least 1.",
        ),
        (
            "output_stride = 16",
            "flip = 1",
            "specs/grid.toml: protocol.train.flip: 1 is not true or false. Write one of them.",
        ),
        (
            "output_stride = 16",
            'optimizer = "sdg"',
            "specs/grid.toml: protocol.train.optimizer: \"sdg\" is not one of sgd, adamw. Did you mean 'sgd'?",
        ),
        (
            "[protocol.train]\noutput_stride = 16",
            "protocol = { train = 3 }",
            "specs/grid.toml: protocol.train: 3 is not a table of settings. "
            "Write {name = value}, or a section of its own.",
        ),
        (
            "[1, 2, 1]]",
            "[1, 2]]",
            "specs/grid.toml: axes[0].values[1].model.multi_grid: [1, 2] has too few values; number 3 is missing.",
        ),
        (
            "[4, 5, 6]",
            "[4, 5, 8]",
            "specs/grid.toml: axes[1].values[2].model.last_block: 8 is too large; it must be at most 7.",
        ),
        (
            'key = "model.last_block"',
            'key = "model.lastblock"',
            "specs/grid.toml: axes[1].key: model.lastblock: there is no such setting. Did you mean model.last_block?",
        ),
        ("[4, 5, 6]", "[4, 5]", "specs/grid.toml: axes[1]: labels: 3 labels for 2 values. Give one each."),
        (
            "63.25, 64.0]",
            "63.25]",
            "specs/grid.toml: published.miou: 2 rows of 3 and 2 values; the axes make 2 rows of 3 values each. "
            "Add or remove values.",
        ),
        (
            "63.25, 64.0]",
            "63.25, 640]",
            "specs/grid.toml: published.miou: 640 is no share of 100 %. Write the printed number, in per cent.",
        ),
        (
            "miou =",
            "iou =",
            "specs/grid.toml: published: iou given; the numbers of a table with axes are published.miou.",
        ),
        (
            '"unknown"',
            '"?"',
            'specs/grid.toml: published.miou: "?" is not a number. Write the printed number, or "unknown".',
        ),
        ('title = "A grid"', 'titel = "A grid"', "specs/grid.toml: titel: unknown key. Did you mean 'title'"),
        (
            'title = "A grid"',
            'title = "A grid"\nalias = "x"',
            "specs/grid.toml: alias: unknown key. Did you mean 'aliases'",
        ),
        (
            'paper = "mine"',
            'paper = "mime"',
            'specs/grid.toml: source.paper: there is no paper "mime". '
            "Did you mean 'mine'? A paper.toml declares one.",
        ),
        (
            '"block5", "block6"]',
            '"block5", "block5"]',
            'specs/grid.toml: columns: "block5" stands twice. Give each its own label.',
        ),
        (
            'id = "mine/grid"',
            'id = "v3/table3"',
            'specs/grid.toml: id: "v3/table3" is already tables/v3/table3.toml\'s. Choose another.',
        ),
        (
            'aliases = ["grid"]',
            'aliases = ["table3"]',
            'specs/grid.toml: aliases: "table3" is already v3/table3\'s. Choose another.',
        ),
        (
            'aliases = ["grid"]',
            'aliases = ["grid"',
            "specs/grid.toml: not valid TOML: Unclosed array (at line 4, column 1). Mend the file there.",
        ),
        (
            "[published]",
            '[[claims]]\nid = "m.c1"\ntext = "x"\nkind = "greather"\n[published]',
            'specs/grid.toml: claims[0].kind: "greather" is not one of greater,',
        ),
        (
            "[published]",
            '[[claims]]\nid = "m.c1"\ntext = "x"\nkind = "best"\nleft = {}\namong = {}\nmargn = 1\n[published]',
            "specs/grid.toml: claims[0].margn: unknown key. Did you mean 'margin'?",
        ),
        (
            "[published]",
            '[[deviations]]\nscale = "tiny"\nkey = "model.width"\nvalue = 1\nvalu = 2\nreason = "r"\n[published]',
            "specs/grid.toml: deviations[0].valu: unknown key. Did you mean 'value'?",
        ),
        (
            "[published]",
            '[[deviations]]\nscale = "tyni"\nkey = "model.width"\nvalue = 1\nreason = "r"\n[published]',
            "there is no such scale; there are paper, small, tiny, smoke. Did you mean 'tiny'?",
        ),
        (
            "[published]",
            '[[deviations]]\nscale = "tiny"\nkey = "model.widht"\nvalue = 1\nreason = "r"\n[published]',
            "specs/grid.toml: deviations[0].key: model.widht: there is no such setting. Did you mean model.width",
        ),
        (
            "[published]",
            '[[deviations]]\nscale = "tiny"\nkey = "model.width"\nvalue = 1\nfactor = 2\nreason = "r"\n[published]',
            "specs/grid.toml: deviations[0]: a deviation needs exactly one of `value`, `factor`, `map`.",
        ),
    ],
)
def test_each_slip_is_told_with_file_key_and_remedy(write: Write, old: str, new: str, told: str) -> None:
    assert old in TABLE
    with pytest.raises(InputError) as caught:
        write(TABLE.replace(old, new)).find("mine/grid")
    message = str(caught.value)
    assert told in message
    assert "\n" not in message


def test_misspelt_table_gets_suggestions(suite: Suite) -> None:
    with pytest.raises(InputError, match=r'table "tabel3": there is no such table. Did you mean .*table3'):
        suite.find("tabel3")


def test_misspelt_dataset_and_scale_get_suggestions(suite: Suite) -> None:
    with pytest.raises(InputError, match="Did you mean 'camvid'"):
        suite.dataset("camvit")
    with pytest.raises(InputError, match="Did you mean 'smoke'"):
        suite.scale("smok")


def test_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; --tables takes a folder of table specs"):
        load_suite([tmp_path / "nowhere"])


def test_unreadable_file_is_told(write: Write, tmp_path: Path) -> None:
    write()
    (tmp_path / "specs" / "grid.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(InputError, match=r"specs/grid.toml: cannot be read: .*utf-8"):
        load_suite([tmp_path / "specs"])


def test_paper_and_scale_slips_are_told(write: Write) -> None:
    with pytest.raises(
        InputError,
        match=r"specs/paper.toml: protocol.train.iteration: there is no such setting. Did you mean train.iterations",
    ):
        write(paper=PAPER.replace("iterations", "iteration"))
    with pytest.raises(InputError, match=r'specs/scales.toml: scale "tiny" is declared twice'):
        write(paper=PAPER, scales='[tiny]\ndescription = "x"')
    with pytest.raises(InputError, match=r"specs/scales.toml: mine: description: this key is missing"):
        write(scales="[mine]\nseeds = 2")
    with pytest.raises(InputError, match=r"specs/scales.toml: mine: .* is not a table. Write \[mine\]"):
        write(scales="mine = 2")
    with pytest.raises(InputError, match=r"extends itself through mine -> yours -> mine"):
        write(scales='[mine]\ndescription = ""\nextends = "yours"\n[yours]\ndescription = ""\nextends = "mine"')
