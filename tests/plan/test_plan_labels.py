"""What trainings are called, also where there are thousands."""

import time

import pytest

from repro.plan.chain import Inputs
from repro.plan.code import Code
from repro.plan.labels import TrainingLabels
from repro.plan.plan import Request, build
from repro.spec.load import load_suite

INPUTS = Inputs(lambda *_: "", lambda *_: Code(()), lambda _: tuple("abcdefghi"), lambda *_: "")


def planned(table, scale="smoke", seeds=1):
    suite = load_suite()
    return build(suite, Request((suite.find(table),), scale, seeds), INPUTS)


def test_trainings_are_called_by_what_they_serve():
    def told(table, scale="smoke"):
        plan = planned(table, scale)
        labels = TrainingLabels(plan.cells)
        return [labels.of(training) for training in plan.trainings.values()]

    assert told("v3/table3")[:3] == ["pre-training (resnet101)", "(1, 1, 1), block4", "(1, 1, 1), block5"]
    # one training for four rows, another that begins on COCO for the last
    assert told("v3/table6") == [
        "pre-training (resnet101)",
        "start imagenet, lr 0.007",
        "on scenes, extra, before: OS=8, MS, Flip, COCO",
        "OS=8, MS, Flip, COCO",
    ]
    assert told("v2/table3") == ["pre-training (vgg16)", "LargeFOV", "ASPP-S", "ASPP-L"]


@pytest.mark.slow  # a plan of 4,200 trainings takes most of a minute
def test_naming_takes_no_longer_than_planning():
    plan = planned("v3/table3", seeds=200)
    began = time.process_time()
    labels = TrainingLabels(plan.cells)
    names = [labels.of(training) for training in plan.trainings.values()]
    assert time.process_time() - began < 5  # 16 million looks if each searched among all
    assert len(names) == 4200  # each seed has a pre-training of its own
    assert len(set(names)) == 21
