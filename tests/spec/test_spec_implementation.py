"""Where the function lies that "module:function" names, and which settings reach the network that it builds."""

import pytest

from repro.errors import InputError
from repro.spec.implementation import locate
from repro.spec.load import load_suite
from repro.spec.resolve import resolve

SUITE = load_suite()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with `nets.py` and a package `lib`, which is the current one."""
    (tmp_path / "lib/deep").mkdir(parents=True)
    for folder in ("lib", "lib/deep"):
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "lib/deep/plus.py").write_text("class Plus:\n    def __init__(self, num_classes, output_stride): ...\n")
    (tmp_path / "own_nets.py").write_text(
        "import no_such_module_at_all\n"
        "def build(classes, output_stride): ...\n"
        "def grids(classes, output_stride, *, multi_grid=(1, 1, 1), width=64): ...\n"
        "def needs(classes, output_stride, depth): ...\n"
        "def fixed(classes): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_functions_and_classes_are_read_without_an_import(here):
    own = locate("own_nets:grids")
    assert (own.package, own.home, own.classes) == (here / "own_nets", here, "classes")
    assert [name for name in ("multi_grid", "width", "head", "classes") if own.takes(name)] == ["multi_grid", "width"]
    own = locate("lib.deep.plus:Plus")
    assert (own.package, own.classes) == (here / "lib", "num_classes")
    assert own.parameters.needed == ("num_classes", "output_stride")


def test_an_edit_is_seen(here):
    (here / "own_nets.py").write_text("def other(output_stride): ...\n")
    assert locate("own_nets:other").classes is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere:build", "there is no module nowhere in the current folder or on Python's path"),
        ("own_nets:bild", "defines no function bild. Did you mean 'build'"),
        ("own_nets:fixed", r"fixed\(classes\) has no parameter output_stride"),
        ("lib.shallow:Plus", "has no module lib.shallow"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_not_there_is_told(name, words):
    with pytest.raises(InputError, match=words):
        locate(name)


def test_a_file_that_is_no_python_is_told(here):
    (here / "broken.py").write_text("def build(:\n")
    with pytest.raises(InputError, match=r"broken.py cannot be read as Python"):
        locate("broken:build")


def _resolve(table, row=0, *overrides, scale="paper"):
    spec = SUITE.find(table)
    return resolve(SUITE, spec, spec.cells()[row].settings, scale, overrides=overrides)


@pytest.mark.usefixtures("here")
def test_what_the_table_sets_for_all_cells_gives_way():
    """v3 Table 6 is of one ASPP model: its head, rates and multi-grid are the suite's network's."""
    found = _resolve("v3/table6", 0, "model.implementation=own_nets:build")
    assert (found.protocol.model.head, found.protocol.model.atrous_rates) == ("cascade", ())
    assert [d.key for d in found.deviations] == ["model.implementation"]
    grids = _resolve("v3/table6", 0, "model.implementation=own_nets:grids").protocol.model
    assert (grids.head, grids.multi_grid) == ("cascade", (1, 2, 4))


@pytest.mark.usefixtures("here")
def test_a_scale_changes_what_reaches_the_network():
    narrow = _resolve("v3/table6", 0, "model.implementation=own_nets:grids", scale="smoke")
    assert narrow.protocol.model.width < 64
    assert narrow.protocol.model.head_channels == 256
    assert "model.width" in {d.key for d in narrow.deviations}
    assert not {"model.head_channels", "model.units", "model.head"} & {d.key for d in narrow.deviations}
    assert narrow.protocol.train == _resolve("v3/table6", 0, scale="smoke").protocol.train


@pytest.mark.parametrize(
    ("row", "overrides", "words"),
    [
        (4, (), r"table3.toml: set.model.multi_grid: own_nets:build has no .* ignore \(1, 2, 1\)"),
        (1, (), "set.model.last_block: own_nets:build has no parameter last_block and would ignore 5"),
        (0, ("model.head=aspp",), "--set model.head: own_nets:build has no parameter head"),
        (0, ("train.head_lr_multiplier=10",), "--set train.head_lr_multiplier: 10.0 cannot act on own_nets:build"),
        (0, ("train.backbone_batch_norm_decay=0.9",), "which part of it is the backbone is not known"),
        (0, ("evaluate.pooling_px=65",), "--set evaluate.pooling_px: 65 cannot act"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("here")
def test_what_would_be_ignored_is_refused(row, overrides, words):
    with pytest.raises(InputError, match=words):
        _resolve("v3/table3", row, "model.implementation=own_nets:build", *overrides)


@pytest.mark.usefixtures("here")
def test_a_cell_of_its_own_setting_is_given_it():
    settings = _resolve("v3/table3", 4, "model.implementation=own_nets:grids").protocol.model
    assert settings.multi_grid == (1, 2, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere:build", "--set model.implementation: nowhere:build: there is no module"),
        ("own_nets:needs", "its parameter depth is no setting of model. Give it a default"),
        ("own_nets.build", "--set model.implementation"),
    ],
)
@pytest.mark.usefixtures("here")
def test_where_the_name_was_written_is_told(name, words):
    with pytest.raises(InputError, match=words):
        _resolve("v3/table3", 0, f"model.implementation={name}")
