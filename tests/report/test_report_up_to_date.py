"""Reports are written again when, and only when, something that decides them changed."""

import pytest

from repro.plan.chain import Inputs
from repro.plan.code import Code
from repro.plan.plan import Request, build
from repro.report.up_to_date import ReportNotes, digest
from repro.spec.load import load_suite
from repro.store.store import Store

SUITE = load_suite()
TABLE = SUITE.find("v3/table4")


def _plan(code="", seeds=1, overrides=()):
    inputs = Inputs(
        lambda *_: "",
        lambda *_: Code((("module", code),)),
        lambda name: tuple(map(str, range(SUITE.dataset(name).count))),
        lambda _: "",
    )
    return build(SUITE, Request((TABLE,), "tiny", seeds, overrides=overrides), inputs)


def _digest(store, plan=None, table=TABLE, told=("md",)):
    return digest(plan or _plan(), table, store, "repro.report.up_to_date", told)


def test_a_digest_is_the_same_until_something_changes(tmp_path):
    store = Store(tmp_path)
    first = _digest(store)
    assert _digest(store) == first
    plan = _plan()
    training = next(iter(plan.trainings.values()))
    store.file("training", training.key, "record.json").parent.mkdir(parents=True)
    store.file("training", training.key, "record.json").write_text("{}")
    stored = _digest(store)
    store.put_failure(next(iter(plan.evaluations)), "evaluation", "it broke")
    changed = [
        stored,
        _digest(store),
        _digest(store, _plan(code="other")),
        _digest(store, _plan(seeds=2)),
        _digest(store, _plan(overrides=("train.iterations=3",))),
        _digest(store, table=TABLE.model_copy(update={"title": "Another"})),
        _digest(store, told=("md", "html")),
    ]
    assert len({first, *changed}) == 1 + len(changed)


@pytest.mark.parametrize("harm", ["edit", "remove", "notes", "damage", "digest"])
def test_notes_hold_while_the_files_do(tmp_path, harm):
    report = tmp_path / "v3-table4.md"
    report.write_text("text")
    notes = ReportNotes(tmp_path)
    notes.note("v3/table4", "abc", [report])
    notes.keep()
    assert ReportNotes(tmp_path).fresh("v3/table4", "abc") == [report]
    if harm == "edit":
        report.write_text("other text")
    elif harm == "remove":
        report.unlink()
    elif harm == "notes":
        (tmp_path / ".written.json").unlink()
    elif harm == "damage":
        (tmp_path / ".written.json").write_text("[")
    assert ReportNotes(tmp_path).fresh("v3/table4", "xyz" if harm == "digest" else "abc") == []
    assert ReportNotes(tmp_path).fresh("v3/table5", "abc") == []
