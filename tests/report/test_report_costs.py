"""What a report says that trainings cost: counted as the networks are built, labelled as the paper's cells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from report_fixture import plain

from repro.nets.cost import cost
from repro.report.assemble import _costs
from repro.report.content import TrainingCost
from repro.report.formats.html import report_html
from repro.report.formats.markdown import report_markdown
from repro.report.sentences import COST_NOTE
from repro.run import session
from repro.run.session import Options
from repro.store.store import Store


def costs_of(table: str, folder: Path) -> tuple[list[TrainingCost], Any]:
    """The costs of a table at scale smoke, as if every training had been stored."""
    options = Options((table,), scale="smoke", seeds=2, store=folder)
    plan = session.make_plan(options, session.load(options), Store(folder))
    result = {"parameters": 5, "images_per_second": 2.0}
    record = {"result": result, "seconds": 3.0, "environment": {"cpu": "some", "precision": "float32"}}
    done = dict.fromkeys(plan.trainings, record)
    return list(_costs(SimpleNamespace(trainings=plan.trainings, done=done, planned=plan.of_table(table)))), plan


def test_multiply_adds_are_those_of_the_network_as_built(tmp_path: Path) -> None:
    found, plan = costs_of("v3/table3", tmp_path)
    last = [t for t in plan.trainings.values() if t.task == "segment"][-1]
    crop = last.settings.crop
    built = cost(last.model, last.images.data.classes, last.settings.output_stride, (crop, crop))
    assert found[-1].multiply_adds == pytest.approx(built.plain_multiply_adds, rel=0.02)
    assert found[-1].memory_bytes is not None
    assert found[-1].memory_bytes > 4 * built.parameters


def test_trainings_are_named_as_the_cells_they_serve(tmp_path: Path) -> None:
    found, _ = costs_of("v3/table3", tmp_path)
    assert [c.label for c in found][:2] == ["pre-training (resnet101)", "(1, 1, 1), block4"]
    assert len({c.label for c in found}) == 21
    assert [c.seeds for c in found] == [2] * 21  # each seed has a pre-training of its own
    assert [c.label for c in costs_of("v3/table1", tmp_path)[0]][1] == "output stride 8"
    assert [c.label for c in costs_of("v3/table4", tmp_path)[0]][1:] == ["all cells of v3/table4"]


def test_pages_say_what_is_counted_and_what_is_measured() -> None:
    assert COST_NOTE in report_markdown(plain()).replace("\\", "")
    assert COST_NOTE.replace("'", "&#39;") in report_html(plain())
