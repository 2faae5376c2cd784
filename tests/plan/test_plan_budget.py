"""The budget of small plans against what can be counted by hand."""

import pytest

from repro.plan.budget import RESERVE, budget, training_bytes
from repro.plan.chain import Inputs, evaluation_of, training_of
from repro.plan.code import Code
from repro.plan.cost import evaluation_cost, training_cost
from repro.plan.layers import kept_values, parameters
from repro.plan.plan import Plan, Request
from repro.spec.dataset import Dataset
from repro.spec.gpu import Gpu
from repro.spec.protocol import Data, Evaluate, Protocol, SecondStage, Train

INPUTS = Inputs(lambda *_: "data", lambda *_: Code(()), lambda _name: ("a", "b"), lambda _backbone: "")
GPU = Gpu(title="one", memory_gb=80, peak_tflops=200, utilisation=0.5)
SETS = {"voc2012": Dataset(title="VOC", splits={"trainaug": 1000, "trainval": 100, "val": 1449}, canvas=(513, 513))}


def _plan(protocol, seeds):
    plan = Plan(Request((), "paper", seeds), ())
    for seed in range(seeds):
        evaluation = evaluation_of(protocol, training_of(protocol, seed, INPUTS), INPUTS)
        for training in evaluation.training.chain():
            plan.trainings[training.key] = training
        plan.evaluations[evaluation.key] = evaluation
    return plan


def _budget(plan):
    return budget(plan, plan.trainings, plan.evaluations, GPU, SETS)


def test_the_rate_is_an_assumed_share_of_the_peak_unless_measured():
    assert GPU.rate == 200e12 / 2 * 0.5 / 1e6
    assert "ASSUMED" in GPU.rate_source
    told = {"rate": 7.0, "what": "a step", "versions": "torch 2", "when": "2026-01-01"}
    own = Gpu(title="one", memory_gb=80, measured=told)
    assert own.rate == 7.0
    assert "measured" in own.rate_source
    assert "ASSUMED" not in own.rate_source
    with pytest.raises(ValueError, match="measured"):
        Gpu(title="one", memory_gb=80, peak_tflops=200)


def test_hours_grow_with_seeds_and_the_critical_path_does_not():
    one, three = (_budget(_plan(Protocol(data=Data(classes=2)), seeds)) for seeds in (1, 3))
    assert three.hours == pytest.approx(3 * one.hours)
    assert three.path_hours == pytest.approx(one.path_hours) == pytest.approx(one.hours)
    assert three.images == one.images == 4 * 2449 * 513**2
    assert three.weights == 3 * one.weights
    assert three.wall_hours(1) == pytest.approx(three.hours)
    assert three.wall_hours(100) == pytest.approx(three.path_hours)


def test_the_critical_path_follows_a_chain():
    staged = Protocol(data=Data(classes=2), train=Train(second_stage=SecondStage(iterations=3000)))
    plan = _plan(staged, 1)
    (evaluation,) = plan.evaluations.values()
    first, second = evaluation.training.chain()
    found = _budget(plan)
    assert found.path == (first, second)
    costs = training_cost(first) + training_cost(second) + evaluation_cost(evaluation)
    assert found.path_hours == pytest.approx(costs / GPU.rate / 3600)


def test_an_evaluation_takes_as_long_as_its_data_set_has_images():
    half = {"voc2012": SETS["voc2012"].model_copy(update={"splits": {"val": 724, "trainaug": 1000}})}
    plan = _plan(Protocol(data=Data(classes=2), evaluate=Evaluate(scales=(0.5, 1.0), flip=True)), 1)
    whole = budget(plan, plan.trainings, plan.evaluations, GPU, SETS).evaluation_hours
    assert budget(plan, plan.trainings, plan.evaluations, GPU, half).evaluation_hours == pytest.approx(
        whole * 724 / 1449
    )


def test_memory_is_that_of_weights_and_of_a_batch_of_activations():
    training = training_of(Protocol(data=Data(classes=2)), 0, INPUTS)
    crop, numbers = 513, parameters(training.model, 16, 2)
    image = kept_values(training.model, 16, crop, crop, 2) * 2 + 3 * 4 * 2 * crop**2
    assert training_bytes(training) == pytest.approx(RESERVE * (numbers * (3 * 4 + 2) + 16 * image))
    exact = training_of(Protocol(data=Data(classes=2), train=Train(precision="float32")), 0, INPUTS)
    assert training_bytes(exact) > 1.5 * training_bytes(training)
    assert training_bytes(training, bfloat16=False) == training_bytes(exact) == training_bytes(exact, bfloat16=False)
    told = training_of(Protocol(data=Data(classes=2), train=Train(precision="bfloat16")), 0, INPUTS)
    assert training_bytes(told, bfloat16=False) == training_bytes(training)
