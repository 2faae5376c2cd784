"""Mean IOU by every rule that is in use, and the page that shows what each gives.

`python tests/evaluate/test_evaluate_mean_iou.py` writes the page's tables anew.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mean_iou_rules import (
    CLASSES,
    RULES,
    VOID,
    background,
    by_definition,
    cases,
    jaccard_index,
    mean_over_pairs,
    ours,
    segmentation_mean_iou,
    smp,
)

from repro.evaluate.confusion import confusion
from repro.metrics import miou

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mean-iou.md"
BEGIN, END = "<!-- written by tests/evaluate/test_evaluate_mean_iou.py -->", "<!-- end -->"


def tables() -> str:
    """The page's tables: cases by letter, then a rule per row with its value in per cent in each case."""
    letters = "ABCDEFG"
    lines = [f"- {letter}: {case.title}" for letter, case in zip(letters, cases(), strict=True)]
    lines += ["", f"| rule | {' | '.join(letters)} | why |", f"| --- | {'---: | ' * len(letters)}--- |"]
    for rule in RULES:
        values = (f"{100 * rule.value(case):.2f}" for case in cases())
        lines.append(f"| {rule.name} | {' | '.join(values)} | {rule.why} |")
    return "\n".join(lines)


def parts(page: str) -> tuple[str, str, str]:
    """What stands before, between and after the marks."""
    before, rest = page.split(BEGIN)
    written, after = rest.split(END)
    return before, written, after


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_page_shows_what_each_rule_gives(rule):
    if rule.needs and importlib.util.find_spec(rule.needs) is None:
        pytest.skip(f"{rule.needs} is not installed")
    (line,) = [one for one in parts(PAGE.read_text())[1].splitlines() if one.startswith(f"| {rule.name} |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:-1] == [f"{100 * rule.value(case):.2f}" for case in cases()]
    assert cells[-1] == rule.why


def test_the_page_lists_the_cases_and_nothing_else():
    written = parts(PAGE.read_text())[1]
    assert re.findall(r"^- [A-G]: (.*)$", written, re.MULTILINE) == [case.title for case in cases()]
    assert written.count("\n| ") == 2 + len(RULES)


def test_ours_is_the_definition_and_depends_on_no_batch():
    for case in cases():
        assert ours(case) == pytest.approx(by_definition(case.truth, case.prediction), abs=1e-12)


def test_the_cases_tell_the_rules_apart():
    """A rule that equals ours in every case would be no other rule, unless the page says so."""
    same = [rule.name for rule in RULES if all(rule.value(c) == pytest.approx(ours(c)) for c in cases())]
    assert same == ["**ours**", "the same, by definition", "torchmetrics `JaccardIndex`"]


def test_what_the_page_says_of_other_packages():
    pytest.importorskip("torchmetrics")
    for case in cases():
        assert jaccard_index(case) == pytest.approx(ours(case), abs=1e-6)
        pairs = mean_over_pairs(background(case.truth), case.prediction)
        assert segmentation_mean_iou(case) == pytest.approx(pairs, abs=1e-6)


def test_what_the_page_says_of_segmentation_models_pytorch():
    pytest.importorskip("segmentation_models_pytorch")
    for case in cases():
        absent_is_one = by_definition(case.truth, case.prediction, 1.0)
        assert smp(case, "macro") == pytest.approx(absent_is_one, abs=1e-6)
        images = zip(case.truth, case.prediction, strict=True)
        own = [by_definition(truth, prediction, 1.0) for truth, prediction in images]
        assert smp(case, "macro-imagewise") == pytest.approx(np.mean(own), abs=1e-6)


labels = st.integers(0, 2**32 - 1)


@given(labels, st.integers(1, 7), st.data())
def test_equal_for_any_split_into_batches_and_workers_in_any_order(seed, images, data):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, (images, 5, 6)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.2] = VOID
    truth[rng.random(images) < 0.2] = VOID
    prediction = rng.integers(0, rng.integers(1, CLASSES + 1), truth.shape).astype(np.uint8)
    whole = confusion(torch.from_numpy(truth), torch.from_numpy(prediction), CLASSES)
    assert whole.dtype == torch.int64
    expected = miou(whole.sum(0).numpy())
    order = data.draw(st.permutations(range(images)))
    cuts = sorted(data.draw(st.lists(st.integers(0, images), max_size=4)))
    workers: list[np.ndarray] = [np.zeros((CLASSES, CLASSES), np.int64) for _ in range(3)]
    for begin, end in zip([0, *cuts], [*cuts, images], strict=True):
        batch = list(order[begin:end])
        if batch:
            part = confusion(torch.from_numpy(truth[batch]), torch.from_numpy(prediction[batch]), CLASSES)
            # as records keep them: int32 for each image
            workers[data.draw(st.integers(0, 2))] += part.to(torch.int32).numpy().sum(axis=0, dtype=np.int64)
    found = miou(sum(workers))
    assert found == expected or (np.isnan(found) and np.isnan(expected))
    assert np.array_equal(sum(workers), whole.sum(0).numpy())


def test_counts_beyond_float32_and_int32_stay_exact():
    """Float32 counts stop at 2**24: a set of 1449 VOC images has 2.7e8 pixels, Cityscapes' val 1.0e9."""
    matrix = np.array([[2**33 + 1, 1], [0, 2**33]], dtype=np.int64)
    total = sum(matrix for _ in range(3))
    assert total.dtype == np.int64
    assert total[0, 0] == 3 * (2**33 + 1)
    assert miou(total) == pytest.approx(((2**33 + 1) / (2**33 + 2) + 2**33 / (2**33 + 1)) / 2, abs=1e-15)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_counts_the_same():
    for case in cases():
        truth, prediction = torch.from_numpy(case.truth), torch.from_numpy(case.prediction)
        here = confusion(truth, prediction, CLASSES)
        assert torch.equal(confusion(truth.cuda(), prediction.cuda(), CLASSES).cpu(), here)


if __name__ == "__main__":
    start, _, rest = parts(PAGE.read_text())
    PAGE.write_text(f"{start}{BEGIN}\n\n{tables()}\n\n{END}{rest}")
