"""Estimates against the networks that are really built."""

import pytest

from repro.nets.cost import cost
from repro.plan.chain import Inputs, evaluation_of, training_of
from repro.plan.code import Code
from repro.plan.cost import crf_cost, evaluation_cost, evaluation_costs, image_cost, training_cost
from repro.spec.protocol import CRF, Coco, Data, Evaluate, Model, Protocol, SecondStage, Train

ASPP = {"head": "aspp", "atrous_rates": (6, 12, 18), "image_pooling": True}
INPUTS = Inputs(lambda *_: "data", lambda *_: Code(()), lambda _name: ("a", "b"), lambda _backbone: "")


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize(
    "model",
    [
        Model(backbone="resnet50", units=(3, 4, 6, 3), last_block=4),
        Model(backbone="resnet101", last_block=7),
        Model(backbone="resnet101", **ASPP),
        Model(backbone="resnet101", **ASPP, decoder=("conv2",)),
        Model(backbone="resnet101", head="sum_aspp", atrous_rates=(6, 12, 18, 24), multi_scale=True, stem="conv7"),
        Model(backbone="vgg16", head="fc", atrous_rates=(12,)),
        Model(backbone="vgg16", head="fc", fc_kernel=7, fc_channels=4096, atrous_rates=(4,)),
        Model(backbone="vgg16", head="fc", atrous_rates=(6, 12, 18, 24), width=8, fc_channels=32),
        Model(backbone="xception65", **ASPP),
        Model(backbone="xception71", **ASPP, separable=True, decoder=("conv2",)),
        Model(backbone="resnet50", **ASPP, separable=True, depthwise_batch_norm=False, decoder=("conv2",)),
        Model(backbone="xception65", width=8, stem_width=8, units=(1, 1, 1, 2), **ASPP, head_channels=32),
    ],
    ids=lambda model: f"{model.backbone}-{model.head}",
)
def test_a_forward_pass_costs_the_counted_multiply_adds(model, output_stride):
    estimated = image_cost(model, output_stride, 513, 513)
    exact = cost(model, 21, output_stride).plain_multiply_adds / 1e6
    assert estimated == pytest.approx(exact)


def test_a_second_stage_and_coco_cost_their_iterations():
    told = Train(start="coco", iterations=100, second_stage=SecondStage(output_stride=16, iterations=50))
    protocol = Protocol(data=Data(classes=2), train=told, coco=Coco(start="random", iterations=300))
    coco, first, second = (training_cost(t) for t in training_of(protocol, 0, INPUTS).chain())
    assert coco == pytest.approx(3 * first)
    assert second == pytest.approx(first / 2)


def test_predictions_are_paid_for_once():
    protocol = Protocol(data=Data(classes=2, val_images=10), train=Train(start="random"))
    training = training_of(protocol, 0, INPUTS)
    ways = [Evaluate(), Evaluate(trimap_px=3), Evaluate(flip=True), Evaluate(average="image")]
    made = [evaluation_of(protocol.model_copy(update={"evaluate": execution}), training, INPUTS) for execution in ways]
    costs = evaluation_costs(made)
    whole = evaluation_cost(made[0])
    assert costs[made[0].key] == whole
    assert costs[made[2].key] == 2 * whole
    assert costs[made[1].key] == costs[made[3].key] < whole / 10


def test_windows_cost_one_pass_each():
    protocol = Protocol(data=Data(classes=2, val_images=10), train=Train(start="random"))
    training = training_of(protocol, 0, INPUTS)

    def made(**settings):
        return evaluation_of(protocol.model_copy(update={"evaluate": Evaluate(**settings)}), training, INPUTS)

    whole = made(canvas=(1025, 2049))
    slid = made(canvas=(1025, 2049), window=(769, 769), window_stride=(513, 513))
    one = image_cost(training.model, 16, 769, 769)
    assert evaluation_cost(slid) == pytest.approx(10 * 8 * one)
    counts = [cost(training.model, 2, 16, (1025, 2049), window=w, stride=s).plain_multiply_adds / 1e6
              for w, s in (((769, 769), (513, 513)), (None, None))]  # fmt: skip
    assert counts[0] == pytest.approx(8 * one, rel=0.01)
    assert counts[1] == pytest.approx(evaluation_cost(whole) / 10, rel=0.01)
    both = made(canvas=(513, 513), scales=(0.5, 1.0), flip=True, window=(385, 513), window_stride=(128, 513))
    expected = image_cost(training.model, 16, 257, 257) + 2 * image_cost(training.model, 16, 385, 513)
    assert evaluation_cost(both) == pytest.approx(10 * 2 * expected)


def test_a_key_without_windows_is_that_of_records_made_before_there_were_any():
    protocol = Protocol(data=Data(classes=2), train=Train(start="random"))
    training = training_of(protocol, 0, INPUTS)
    assert not any(key.startswith("window") for key in evaluation_of(protocol, training, INPUTS).config()["evaluate"])
    slid = protocol.model_copy(update={"evaluate": Evaluate(window=(257, 257), window_stride=(128, 128))})
    assert evaluation_of(slid, training, INPUTS).config()["evaluate"]["window"] == [257, 257]


def test_a_crf_adds_its_iterations():
    protocol = Protocol(data=Data(classes=2, val_images=10), train=Train(start="random"))
    training = training_of(protocol, 0, INPUTS)
    plain, refined = (
        evaluation_cost(evaluation_of(protocol.model_copy(update={"evaluate": Evaluate(crf=crf)}), training, INPUTS))
        for crf in (None, CRF(w1=4, sigma_alpha=65, sigma_beta=3))
    )
    assert refined - plain == pytest.approx(10 * crf_cost(CRF(), 2, 513 * 513))


def test_a_search_costs_a_crf_for_each_combination_and_image():
    protocol = Protocol(data=Data(classes=2, val_images=10), train=Train(start="random"))
    training = training_of(protocol, 0, INPUTS)
    fixed, searched = (
        evaluation_cost(evaluation_of(protocol.model_copy(update={"evaluate": Evaluate(crf=crf)}), training, INPUTS))
        for crf in (CRF(w1=4, sigma_alpha=65, sigma_beta=3), CRF(search_images=4))
    )
    coarse, finer = 4 * 8 * 4, 3**3 - 1
    assert searched - fixed == pytest.approx(4 * (coarse + finer) * crf_cost(CRF(), 2, 513 * 513))
