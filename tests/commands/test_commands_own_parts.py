"""A backbone and a head of one's own: the examples of docs/extending.md, what is refused, stale records."""

import json
import re
import sys
from pathlib import Path

import planted_faults
import pytest
from small_paper import IDENTITY, RULES, repro

from repro.errors import InputError
from repro.nets.count import count
from repro.plan.own_cost import SIDES
from repro.spec.protocol import Model

PAGE = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
MODULES = {
    name: re.search(rf"This is `{name}\.py`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)[1]
    for name in ("mybackbones", "myheads")
}
TABLE = """
id = "deep/table1"
aliases = ["deep1"]
title = "Mine and theirs"
source = { paper = "deep", table = "1" }
headings = ["Network"]
[protocol]
train = { output_stride = 16 }
evaluate = { output_stride = 8 }

[[rows]]
printed = ["theirs"]
published = "unknown"
[[rows]]
printed = ["both mine"]
published = "unknown"
set.model = { backbone = "mybackbones:small", head = "myheads:gated", multi_grid = [1, 2, 4] }
[[rows]]
printed = ["decoded"]
published = "unknown"
set.model = { backbone = "mybackbones:small", head = "aspp", atrous_rates = [6], decoder = ["conv2"] }
"""


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The examples' modules and a table with rows for them; the words that its commands share."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/paper.toml").write_text(f"{IDENTITY}\n[protocol.train]\niterations = 4000\n{RULES}")
    (tmp_path / "paper/table1.toml").write_text(TABLE)
    planted_faults.run_here(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield ["deep1", "--tables", "paper", "--scale", "smoke"]
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize(
    ("name", "settings"),
    [("mybackbones:small", ["model.width=2"]), ("myheads:gated", ["model.width=2", "model.units=[1,1,1,1]"])],
)
def test_the_worked_examples_conform(name, settings):
    code, out, message = repro("check-network", name, *(w for s in settings for w in ("--set", s)), "--json")
    assert code == 0, message + out
    assert {row["passed"] for row in json.loads(out)["rows"]} == {True}
    if name == "mybackbones:small":
        units = [(3, 2), (2, 2), (2, 8), *[(8, 8)] * 4]
        assert json.loads(out)["parameters"] == sum(9 * a * b + 2 * b for a, b in units) + 8 * 21 + 21


def _states(*words):
    code, out, message = repro("plan", *words, "--json")
    assert code == 0, message
    rows = [row for row in json.loads(out)["rows"] if row["kind"] in ("training", "evaluation")]
    return {row["state"] for row in rows}


@pytest.mark.slow  # a run and an edit: half a minute
def test_rows_of_a_table_run_and_an_edit_makes_them_stale(example):
    words = [*example, "--only", "row=both mine"]
    code, out, message = repro("run", *words, "--device", "cpu", "--jobs", 1, "--json")
    assert code == 0, message
    assert [row["value"] for row in json.loads(out)["rows"] if row["kind"] == "measured"] != [None]
    records = [json.loads(path.read_text()) for path in Path("runs").glob("trainings/*/record.json")]
    assert {record["task"] for record in records} == {"presence", "segment"}
    for record in records:
        assert "mybackbones" in record["code"]["modules"]
        assert ("myheads" in record["code"]["modules"]) == (record["task"] == "segment")
        assert "repro.nets.resnet" not in record["code"]["modules"]
    assert _states(*words) == {"stored"}
    path = Path("myheads.py")
    path.write_text(path.read_text().replace("nn.Sigmoid()", "nn.Tanh()"))
    assert _states(*words) == {"stored", "code changed: myheads", "its training: code changed: myheads"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "model.backbone=mybackbones:smal"], "registers no backbone smal. Did you mean 'small'?"),
        (["--set", "model.backbone=nowhere:small"], "--set model.backbone: nowhere:small: there is no module nowhere"),
        (["--set", "model.head=mybackbones:small"], 'Write @register_head("small") above it.'),
        (["--set", "model.backbone=resnet10"], '"resnet10" is not one of mobilenet_v2, resnet50'),
        (["--only", "row=both mine", "--set", "model.head_channels=8", "--set", "model.last_block=5"], "no parameter"),
        (["--only", "row=both mine", "--set", "evaluate.pooling_px=33"], "how it pools is its own"),
        (["--only", "row=decoded", "--set", 'model.decoder=["conv3"]'], "needs a backbone that hands on conv3"),
        (["--only", "row=theirs", "--set", "model.image_pooling=true"], 'image_pooling needs head "aspp"'),
    ],
)
def test_what_it_does_not_take_is_refused_before_anything_runs(example, words, told):
    code, _, message = repro("plan", *example, *words)
    assert (code, told in message) == (2, True), message


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"small", ', '"small", units=sum([1]), ', "mybackbones.py, line 8: @register_backbone: malformed node"),
        ('"small", ', '"small", colour="red", ', "unexpected keyword argument 'colour'"),
        ("output_stride, width", "stride, width", "Small has no parameter output_stride, which a backbone needs"),
        ("multi_grid=(1, 1, 1)", "depth, multi_grid=(1, 1, 1)", "cannot be read as Python"),
        ("output_stride, width", "output_stride, depth, width", "its parameter depth is no setting of model. Give it"),
    ],
)
def test_a_declaration_that_cannot_be_read_is_refused(example, before, after, told):
    path = Path("mybackbones.py")
    path.write_text(path.read_text().replace(before, after))
    code, _, message = repro("plan", *example, "--only", "row=both mine")
    assert (code, told in message) == (2, True), message


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize(
    ("module", "before", "after", "told"),
    [
        ("mybackbones", "self.channels, ", "self.depth, ", "small returned Small; a repro.nets.backbone.Backbone"),
        ("mybackbones", "self.low_channels", "self.low", "has no low_channels for conv2, which it taps"),
        ("mybackbones", "last, rate =", "1 / 0; last, rate =", "called with output_stride=8, width=2, multi_grid="),
        ("mybackbones", "Features({", "nothing({", "failed on an image of 65 x 65: NameError"),
        ("myheads", "head_channels, classes", "head_channels, 3", "myheads:gated gave shape (1, 3, "),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_used_is_told_in_one_sentence(module, before, after, told):
    path = Path(f"{module}.py")
    path.write_text(path.read_text().replace(before, after))
    narrow = Model(backbone="mybackbones:small", head="myheads:gated", width=2, decoder=("conv2",))
    with pytest.raises(InputError, match=re.escape(told)) as error:
        count(narrow, 5, 8, SIDES)
    assert "\n" not in str(error.value)
