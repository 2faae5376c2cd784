"""From records to the remark: cells whose scores say nothing are named, sound ones are not."""

import dataclasses
from types import SimpleNamespace

import numpy as np
from report_fixture import SUITE, plain

from repro.judge.evidence import gather
from repro.report.collapsed_cells import collapses, remarks
from repro.report.formats.frames import to_document
from repro.report.formats.html import report_html
from repro.report.formats.markdown import report_markdown

NAMES = {"scenes": ("ground", "ball", "pole")}
SOUND = [[40, 2, 1], [3, 20, 0], [2, 0, 8]]
GROUND = [[43, 0, 0], [23, 0, 0], [10, 0, 0]]


def _planned(*trainings):
    """The first cells of v3 Table 3, each with one evaluation of the training named, for seed 0."""
    protocol = SimpleNamespace(protocol=SimpleNamespace(data=SimpleNamespace(name="scenes")))
    found = []
    for cell, key in zip(SUITE.find("v3/table3").cells(), trainings, strict=False):
        training = SimpleNamespace(key=key, chain=lambda key=key: [SimpleNamespace(key=key)])
        found.append(SimpleNamespace(cell=cell, resolved=protocol, evaluations={0: SimpleNamespace(training=training)}))
    return found


def _evidence(planned, *matrices):
    keys = [(one.cell.id, 0) for one in planned]
    counts = {key: np.array([matrix, matrix]) for key, matrix in zip(keys, matrices, strict=True)}
    values = {key: float(np.diag(m[0]).sum()) / 100 for key, m in counts.items()}
    return gather(values, None, counts, replicates=10)


def _found(planned, evidence, losses=None):
    found = collapses(planned, evidence, NAMES, losses or {})
    return found, remarks(planned, dataclasses.replace(evidence, collapsed=found))


def test_sound_cells_leave_no_remark():
    planned = _planned("t0", "t1")
    other = [[39, 3, 1], [3, 20, 0], [2, 0, 8]]
    assert _found(planned, _evidence(planned, SOUND, other), {"t0": [2.1, 0.3], "t1": [2.0, 0.0]}) == ({}, ())


def test_one_answer_everywhere():
    planned = _planned("t0", "t1")
    found, (remark,) = _found(planned, _evidence(planned, SOUND, GROUND))
    assert list(found) == [planned[1].cell.id]
    assert remark == (
        "1 of 2 measured cells has a score that says nothing and decides no claim: (1, 1, 1), block5 answers “ground” "
        "on 100.0 % of the pixels (ground truth: 56.6 %)."
    )


def test_a_training_without_labelled_pixels():
    planned = _planned("t0", "t1")
    found, _ = _found(planned, _evidence(planned, SOUND, GROUND), {"t0": [0.0, 0.0]})
    assert found[planned[0].cell.id] == "(1, 1, 1), block4 was trained without a labelled pixel"


def test_rows_that_score_exactly_alike():
    planned = _planned("t0", "t1", "t2")
    found, (remark,) = _found(planned, _evidence(planned, SOUND, SOUND, SOUND))
    assert len(found) == 3
    assert found[planned[0].cell.id] == "(1, 1, 1), block4 scores exactly as (1, 1, 1), block5 and 1 more"
    assert remark.startswith("3 of 3 measured cells have scores that say nothing")
    same_training = _planned("t0", "t0", "t0")
    assert _found(same_training, _evidence(same_training, SOUND, SOUND, SOUND)) == ({}, ())


def test_pages_show_the_remark_and_data_hold_it():
    content = dataclasses.replace(plain(), remarks=("1 of 2 cells <decides> nothing.",))
    assert "**Remark.** 1 of 2 cells \\<decides\\> nothing." in report_markdown(content)
    assert "<b>Remark.</b> 1 of 2 cells &lt;decides&gt; nothing." in report_html(content)
    assert to_document(content)["remarks"] == ["1 of 2 cells <decides> nothing."]
    assert "Remark." not in report_markdown(plain())
