"""The papers audited: every claim against what the transcription of the papers says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from repro.judge.published import IMAGE_ERROR, SEED_DEVIATION, audit
from repro.judge.result import Published
from repro.spec.claim import Claim
from repro.spec.load import Suite, load_suite
from repro.spec.table import Cell
from repro.studies.worlds import table_of


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite()


@pytest.fixture(scope="module")
def audited(suite: Suite) -> dict[str, Published]:
    return {
        claim.id: audit(claim, suite.cells_of(claim, table))
        for table in suite.tables.values()
        for claim in table.claims
    }


def test_printed_numbers_bear_out_what_the_transcription_says(suite: Suite, audited: dict[str, Published]) -> None:
    expected = {c.id: c.holds for t in suite.tables.values() for c in t.claims if c.kind != "text"}
    status = {True: "holds", False: "fails"}
    wrong = {
        i: audited[i].note for i, holds in expected.items() if holds is not None and audited[i].status != status[holds]
    }
    assert not wrong
    assert sum(p.status != "not testable" for p in audited.values()) > 100
    assert sum(p.status == "fails" for p in audited.values()) >= 3


@pytest.mark.parametrize(
    ("claim", "effect", "clear"),
    [
        ("v3.t5.c3", 0.12, 0),  # a fourth branch: 76.58 against 76.46
        ("v3plus.t1.c2", 0.05, 0),  # 48 against 32 channels
        ("v3.t1.c4", 1.30, 1),
        ("v3.t9.c2", 12.78, 1),
        ("v2.t2.c1", 1.17, 1),
    ],
)
def test_effects_as_the_papers_print_them(audited: dict[str, Published], claim: str, effect: float, clear: int) -> None:
    found = audited[claim]
    assert found.effect == pytest.approx(effect, abs=1e-9)
    assert found.clear == clear
    assert ("Too close" in found.note or "too close" in found.note) == (clear == 0)


def test_seed_noise_is_that_of_the_replicas_table(suite: Suite) -> None:
    replicas = [cell.published for cell in suite.find("v3/table11").cells() if cell.metric == "miou"]
    assert len(replicas) == 6
    assert round(float(np.std(np.array(replicas, dtype=float), ddof=1)), 2) == SEED_DEVIATION


def test_one_training_measured_twice_has_no_seed_noise(audited: dict[str, Published]) -> None:
    """v3 Table 4's rows are one training; Table 5's are five."""
    same, apart = audited["v3.t4.c1"].pairs[0].limit, audited["v3.t5.c1"].pairs[0].limit
    assert same == pytest.approx(1.96 * IMAGE_ERROR, rel=0.01)
    two_runs = np.sqrt(2) * SEED_DEVIATION * 2.571  # Student's t with the 5 degrees of freedom of six runs
    assert same < two_runs < apart < np.hypot(two_runs, same)


def test_fewer_images_tell_less() -> None:
    claim = Claim(id="made.up", text="", kind="greater", left={"width": 1}, right={"width": 0})
    cells = table_of(2)
    assert audit(claim, cells, 500).pairs[0].limit > audit(claim, cells).pairs[0].limit


def test_unprinted_numbers_are_not_testable() -> None:
    from dataclasses import replace

    cells = table_of(2)
    claim = Claim(id="made.up", text="", kind="greater", left={"width": 1}, right={"width": 0})
    found = audit(claim, (cells[0], replace(cells[1], published=None)))
    assert found.status == "not testable"
    assert "made/up/1" in found.note


def test_a_mean_holds_though_a_pair_does_not_and_every_fails() -> None:
    """As printed +3, -1 and +1: the mean is +1."""
    cells = tuple(
        Cell("made/up", k, c, f"net {k}", f"crop {c}", "miou", "measured", {"model.width": k, "train.crop": c},
             50.0 + k * gain, 2, f"made/up/{k}/{c}")
        for k in (0, 1)
        for c, gain in enumerate((3.0, -1.0, 1.0))
    )  # fmt: skip
    fields: dict[str, Any] = {"kind": "greater", "left": {"width": 1}, "right": {"width": 0}}
    mean = audit(Claim(id="made.up", text="", over="mean", **fields), cells)
    assert (mean.status, mean.effect, len(mean.effects)) == ("holds", pytest.approx(1.0), 1)
    assert [pair.value for pair in mean.pairs] == [3.0, -1.0, 1.0]
    assert "+1.00 points, the mean of 3 differences from −1.00 to +3.00" in mean.note
    single = audit(Claim(id="made.up", text="", over="every", **fields), cells)
    assert (single.status, single.effect, len(single.effects)) == ("fails", -1.0, 3)
    assert "Fails as printed for 1 of 3" in single.note
    # three trainings on either side: their mean is 1.73 times as sharp in what seeds do, not in what images do
    seeds, image = np.sqrt(2) * SEED_DEVIATION, IMAGE_ERROR
    assert np.hypot(seeds / np.sqrt(3), image) * 1.96 < mean.effects[0].limit < single.effects[0].limit


def test_a_gain_is_as_far_from_telling_as_from_the_ends_of_its_range() -> None:
    claim = Claim(id="made.up", text="", kind="gain", low=0.9, high=4.0, left={"width": 1}, right={"width": 0})
    assert audit(claim, table_of(2)).effects[0].distance == pytest.approx(0.1)


def test_failure_names_the_worst_pair(audited: dict[str, Published]) -> None:
    found = audited["v3.t3.c3.doubled"]
    assert found.status == "fails"
    assert found.effect == pytest.approx(-0.08)
    assert "block7 − block6" in found.note
