"""What seeds stand for, and what all of them share."""

import dataclasses

import pytest
from report_fixture import content, usual

from repro.report.limits import limits
from repro.report.seed_coverage import covered
from repro.report.sentences import interval_line
from repro.spec.load import load_suite
from repro.spec.protocol import Coco, Protocol, Seeds, Train
from repro.spec.resolve import resolve


def of(start, first="shared", coco="imagenet"):
    return Protocol(train=Train(start=start), coco=Coco(start=coco), seeds=Seeds(first_training=first))


DEFAULT_EXECUTION = (
    "A seed decides the initial weights of what is not loaded and the order and augmentation of the training images."
)
WITH = "A seed decides the initial weights of what is not loaded, the order and augmentation of the training images{}."
SHARED = "All seeds share the training images{}: no interval accounts for what others would change."


@pytest.mark.parametrize(
    ("protocol", "decides", "shares"),
    [
        (of("random"), DEFAULT_EXECUTION, ""),
        (of("imagenet"), DEFAULT_EXECUTION, " and the ImageNet weights"),
        (of("imagenet", "own"), DEFAULT_EXECUTION, " and the ImageNet weights"),
        (of("presence"), DEFAULT_EXECUTION, " and the pre-training"),
        (of("presence", "own"), WITH.format(" and the pre-training"), ""),
        (of("coco"), DEFAULT_EXECUTION, ", the training on coco (train) and the ImageNet weights"),
        (of("coco", "own"), WITH.format(" and the training on coco (train)"), " and the ImageNet weights"),
        (of("coco", "own", "presence"), WITH.format(", the pre-training and the training on coco (train)"), ""),
    ],
)
def test_what_a_training_starts_from_is_decided_by_its_seed_or_shared(protocol, decides, shares):
    assert covered([protocol]) == (decides, SHARED.format(shares))


def test_cells_of_several_kinds_are_named_together():
    decides, shares = covered([of("presence", "own"), of("imagenet"), of("presence", "own")])
    assert decides.count("the pre-training") == 1
    assert "the ImageNet weights" in shares
    assert covered([]) == ("", "")


@pytest.mark.parametrize(("scale", "where"), [("tiny", "decides"), ("paper", "shares")])
def test_tables_of_the_suite(scale, where):
    suite = load_suite()
    table = suite.find("v3/table3")
    resolved = [resolve(suite, table, cell.settings, scale) for cell in table.cells()]
    sentences = dict(zip(("decides", "shares"), covered(r.protocol for r in resolved), strict=True))
    other = "shares" if where == "decides" else "decides"
    what = {"tiny": "the pre-training", "paper": "the ImageNet weights"}[scale]
    assert what in sentences[where]
    assert what not in sentences[other]


def test_reports_say_both():
    base = dataclasses.replace(usual(), seed_decides="A seed decides much.", seeds_share="All seeds share something.")
    assert interval_line(base).endswith("the choice of training seeds. A seed decides much.")
    assert "All seeds share something." in limits(base)
    one = dataclasses.replace(
        content(seeds=(0,)), seed_decides="A seed decides much.", seeds_share="All seeds share something."
    )
    assert "decides" not in interval_line(one)  # nothing of it is covered
    assert "All seeds share something." not in limits(one)
