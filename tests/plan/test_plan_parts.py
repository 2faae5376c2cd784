"""Batches in parts: which are refused before anything runs, and what is tried where memory is short."""

import pytest

from repro.errors import InputError
from repro.plan.chain import Inputs, training_of
from repro.plan.code import Code
from repro.plan.parts import check, smaller
from repro.run import session
from repro.run.session import Options
from repro.spec.protocol import Data, Model, Pretrain, Protocol, Train
from repro.store.store import Store

INPUTS = Inputs(
    data=lambda _data, _split: "images",
    code=lambda _stage, _data: Code(()),
    classes=lambda _name: ("background", "thing"),
    weights=lambda _backbone: "",
)
POOLED = Model(head="aspp", atrous_rates=(6, 12, 18), image_pooling=True)
VGG = Model(backbone="vgg16", head="fc", atrous_rates=(12,))


def _training(model=Model(), **train):  # noqa: B008
    return training_of(Protocol(model=model, data=Data(classes=2), train=Train(**train)), 0, INPUTS)


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"batch_size": 1}, "train.batch_size: .* one image has a single one after image pooling"),
        ({"batch_size": 4, "batch_norm_parts": 4}, "a part of one image .* train.batch_norm_parts"),
        ({"micro_batch": 1}, "parts of 1 image have no statistics .* Choose 8, 4 or 2"),
        ({"micro_batch": 5}, "a batch of 16 images in parts of 5 leaves a part of 1. Choose 8, 4 or 2"),
        ({"micro_batch": 6}, "leaves a part of 4"),
        ({"batch_size": 7, "micro_batch": 3}, "This batch can't be parted"),
    ],
)
def test_parts_that_cannot_be_normalised_are_refused_with_the_remedy(train, told):
    with pytest.raises(InputError, match=f"the row: .*{told}"):
        check(_training(POOLED, **train), "the row")


@pytest.mark.parametrize(
    ("model", "train"),
    [
        (POOLED, {"micro_batch": 2}),
        (POOLED, {"batch_size": 4, "batch_norm_parts": 2}),
        (POOLED, {"batch_size": 1, "batch_norm": "frozen"}),
        (POOLED, {"batch_size": 4, "micro_batch": 1, "batch_norm": "frozen"}),
        (VGG, {"batch_size": 20, "micro_batch": 1, "output_stride": 8}),  # nothing is normalised
        (Model(), {"batch_size": 1}),  # many pixels, no pooling: statistics of one image
    ],
)
def test_others_are_taken(model, train):
    check(_training(model, **train), "the row")


def test_a_map_of_one_pixel_is_like_image_pooling():
    model = Model(last_block=7)
    check(_training(model, output_stride=128, crop=65, batch_size=2), "the row")
    with pytest.raises(InputError, match="strides that leave one pixel"):
        check(_training(model, output_stride=128, crop=65, batch_size=1), "the row")


@pytest.mark.parametrize(
    ("train", "processes", "expected"),
    [
        ({}, 1, [8, 4, 2, None]),
        ({}, 4, [8, 4, None]),
        ({"batch_size": 10}, 1, [5, 2, None]),
        ({"batch_size": 15}, 1, [5, None]),
        ({"batch_size": 7}, 1, [None]),
        ({"batch_size": 6, "batch_norm": "frozen"}, 1, [3, 1, None]),
        ({"batch_norm_parts": 8}, 1, [None]),
    ],
)
def test_short_memory_halves_what_is_computed_at_once_in_equal_parts(train, processes, expected):
    training, found = _training(**train), []
    while True:
        found.append(smaller(training, processes))
        if found[-1] is None:
            break
        training = _training(**train, micro_batch=found[-1])
        check(training, "the row")
    assert found == expected


def test_a_micro_batch_has_a_key_of_its_own_and_a_whole_batch_does_not_speak_of_any():
    whole, parted = _training(), _training(micro_batch=4)
    assert whole.key != parted.key
    assert "micro_batch" not in whole.config()["train"]
    assert parted.config()["train"]["micro_batch"] == 4


def test_a_first_training_is_computed_as_the_one_it_is_for():
    told = {"start": "presence", "precision": "bfloat16", "micro_batch": 8}
    pretrain = Pretrain(batch_size=16)
    protocol = Protocol(data=Data(classes=2), train=Train(**told), pretrain=pretrain)
    first = training_of(protocol, 0, INPUTS).parent.settings
    assert (first.precision, first.micro_batch) == ("bfloat16", 8)
    own = protocol.model_copy(update={"pretrain": Pretrain(batch_size=8, precision="float32")})
    first = training_of(own, 0, INPUTS).parent.settings
    assert (first.precision, first.micro_batch) == ("float32", None)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("train.batch_size=1", "train.batch_size: batch normalisation"),
        ("train.micro_batch=5", "Choose 8, 4 or 2"),
        ("train.batch_norm_parts=16", "train.batch_size or train.batch_norm_parts"),
    ],
)
def test_the_plan_refuses_them(tmp_path, setting, told):
    options = Options(("v3/table6",), "smoke", overrides=("train.batch_size=16", setting), store=tmp_path)
    with pytest.raises(InputError, match=told):
        session.make_plan(options, session.load(options), Store(tmp_path))


@pytest.mark.parametrize(
    ("table", "setting", "judged"),
    [
        ("v3/table3", "train.micro_batch=4", False),
        ("v3/table3", "train.micro_batch=16", True),  # that is the whole batch
        ("v2/table4", "train.micro_batch=5", True),  # frozen batch normalisation: nothing but rounding
        ("v3/table3", "train.precision=bfloat16", True),
    ],
)
def test_at_scale_paper_a_cell_computed_in_micro_batches_is_not_comparable(tmp_path, table, setting, judged):
    options = Options((table,), "paper", overrides=(setting, "train.start=random"), store=tmp_path)
    plan = session.make_plan(options, session.load(options), Store(tmp_path), {})
    changed = {d.key for c in plan.cells if c.resolved for d in c.resolved.departures}
    assert ("train.micro_batch" in changed) is not judged
    listed = {d.key for c in plan.cells if c.resolved for d in c.resolved.deviations}
    assert ("train.micro_batch" in listed) == (setting.startswith("train.micro") and not setting.endswith("16"))
