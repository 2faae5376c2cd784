"""A CRF in a run: what must be there before it begins, and what its record keeps."""

import importlib.util
import itertools

import numpy as np
import pytest
from run_story import Clock
from test_progress_live import picture

from repro.errors import InputError
from repro.plan.chain import evaluation_of, training_of
from repro.run import session
from repro.run.execute import execute
from repro.run.job import Job
from repro.run.progress.events import EvaluationDone, Failed, Searching, TrainingStarted
from repro.run.progress.lines import Lines
from repro.run.progress.state import Progress
from repro.run.progress.table_view import CellView, TableView
from repro.run.session import Options, inputs
from repro.spec.load import load_suite
from repro.spec.protocol import CRF, Data, Evaluate, Model, Protocol, Train
from repro.store.store import Store

SEARCHED = CRF(
    w1=(2, 6), sigma_alpha=6, sigma_beta=20, w2=1, sigma_gamma=1, iterations=2, search_images=2, refinements=0
)
PROTOCOL = Protocol(
    model=Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2),
    data=Data(name="scenes", classes=9, side=33, train_images=4, val_images=3),
    train=Train(start="random", crop=33, batch_size=2, iterations=1, optimizer="adamw", lr=0.01),
)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


def _job(store, *ways):
    told = inputs(Options((), store=store.root), load_suite(), store)
    training = training_of(PROTOCOL, 0, told)
    evaluates = [Evaluate(output_stride=8, canvas=(33, 33), **execution) for execution in ways]
    return Job(
        training,
        tuple(
            evaluation_of(PROTOCOL.model_copy(update={"evaluate": evaluate}), training, told) for evaluate in evaluates
        ),
    )


def test_a_search_is_recorded_with_its_images_and_every_combination(store):
    job, events = _job(store, {"crf": SEARCHED}, {"crf": SEARCHED, "trimap_px": 3}, {}), []
    execute(job, store, "cpu", events.append, lambda: False)
    assert not [e for e in events if isinstance(e, Failed)]
    assert [(e.key, e.done, e.of) for e in events if isinstance(e, Searching)] == [(job.training.key, 2, 2)]
    records = [store.get("evaluation", e.key) for e in job.evaluations]
    found = records[0]["result"]["search"]
    assert found == records[1]["result"]["search"]  # one search for all ways of scoring
    assert found["images"] == ["val-00000", "val-00001"]
    assert found["trials"]["columns"] == ["w1", "sigma_alpha", "sigma_beta", "miou", "round"]
    assert [row[:3] for row in found["trials"]["rows"]] == [[2.0, 6.0, 20.0], [6.0, 6.0, 20.0]]
    best = max(found["trials"]["rows"], key=lambda row: row[3])
    assert [found["w1"], found["sigma_alpha"], found["sigma_beta"]] == best[:3]
    assert records[0]["config"]["evaluate"]["crf"]["backend"] == "torch"
    assert "boundaries" not in records[0]["result"]
    assert records[1]["result"]["boundaries"] == "void"
    assert "search" not in records[2]["result"]
    with np.load(store.file("evaluation", job.evaluations[0].key, "steps.npz"), allow_pickle=False) as steps:
        assert steps["scores"].shape == steps["beliefs"].shape == (3, 33, 33)
        assert steps["iterations"].tolist() == [0, 1, 2]
        assert steps["names"].tolist() == ["val-00000"]
    assert "steps.npz" not in records[2]["files"]


def test_another_crf_of_the_same_network_finds_its_probabilities(store):
    other = SEARCHED.model_copy(update={"w1": (3.0, 5.0), "normalization": "symmetric"})
    job = _job(store, {"crf": SEARCHED}, {"crf": other}, {"crf": SEARCHED, "flip": True})
    keys = [e.predictions_key for e in job.evaluations]
    assert keys[0] == keys[1] != keys[2]
    assert len({e.key for e in job.evaluations}) == 3
    execute(job, store, "cpu", lambda _: None, lambda: False)
    kept = {folder.name: sorted(p.name for p in folder.iterdir()) for folder in (store.cache / "crf").iterdir()}
    assert set(kept) == set(keys)
    assert [len([n for n in kept[key] if n.endswith(".npy")]) for key in (keys[0], keys[2])] == [2, 2]
    assert len([n for n in kept[keys[0]] if n.startswith("search-")]) == 2


def test_stopped_in_a_search_it_goes_on(store):
    job, events = _job(store, {"crf": SEARCHED}), []
    execute(Job(job.training, ()), store, "cpu", events.append, lambda: False)
    calls = itertools.count()
    execute(job, store, "cpu", events.append, lambda: next(calls) >= 2)
    assert store.peek("evaluation", job.evaluations[0].key) is None
    execute(job, store, "cpu", events.append, lambda: False)
    assert store.peek("evaluation", job.evaluations[0].key) is not None


def test_an_empty_band_fails_with_its_reason_and_spares_the_others(store, monkeypatch):
    from repro.evaluate import measure as module

    original = module.scored

    def scored(truth, sizes, evaluate, distance=None):
        labels = original(truth, sizes, evaluate, distance)
        return labels if evaluate.trimap_px is None else labels.new_full(labels.shape, 255)

    monkeypatch.setattr(module, "scored", scored)
    job, events = _job(store, {}, {"trimap_px": 1}), []
    execute(job, store, "cpu", events.append, lambda: False)
    plain, band = (e.key for e in job.evaluations)
    assert [e.key for e in events if isinstance(e, EvaluationDone)] == [plain]
    (failed,) = [e for e in events if isinstance(e, Failed)]
    assert failed.key == band
    assert failed.reason.startswith("evaluate.trimap_px: no pixel of 3 images lies within 1 pixels of a boundary")
    assert store.failures(band)[-1]["reason"] == failed.reason


def _options(tmp_path, *overrides, table="v2/table3"):
    return Options((table,), "smoke", overrides=overrides, store=tmp_path / "runs")


def _plan(options):
    store = Store(options.store)
    store.prepare()
    return session.make_plan(options, session.load(options), store), store


def test_a_backend_that_is_not_installed_is_told_before_anything_runs(tmp_path, monkeypatch):
    options = _options(tmp_path, "evaluate.crf?.backend=pydensecrf")
    plan, store = _plan(options)
    backends = {e.evaluate.crf.backend for e in plan.evaluations.values() if e.evaluate.crf}
    assert backends == {"pydensecrf"}
    monkeypatch.setattr(session, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pydensecrf is not installed.*.\.\[crf\]..*--crf-backend torch"):
        session.work_of(plan, store, None)
    monkeypatch.setattr(session, "find_spec", importlib.util.find_spec)
    other, _ = _plan(_options(tmp_path))
    assert session.work_of(other, store, None)
    with_crf = [{e.key for e in p.evaluations.values() if e.evaluate.crf} for p in (plan, other)]
    assert not with_crf[0] & with_crf[1]
    assert set(plan.trainings) == set(other.trainings)


def test_a_crf_option_without_any_crf_is_told(tmp_path):
    with pytest.raises(InputError, match=r"^--crf \(evaluate\.crf\?=v1\): no cell asked for has a CRF"):
        _plan(_options(tmp_path, "evaluate.crf?=v1", table="v3/table3"))


def test_a_search_is_shown_while_it_runs():
    clock = Clock()
    cell_view = CellView(0, 0, "row", "column", 2, ("e0",), ("t0",), "")
    progress = Progress([TableView("a table", (cell_view,))], {"t0": 1.0}, 1, {}, clock)
    lines: list[str] = []
    tell = Lines(progress, lines.append)
    tell(TrainingStarted("t0", 10))
    tell(Searching("t0", 1, 12))
    clock.now += 60
    tell(Searching("t0", 5, 12))
    assert lines[-1].startswith("row, column: step 0/10; row, column: CRF search 5/12")
    assert any("CRF search 5/12" in line for line in picture(progress))
    tell(EvaluationDone("e0", "t0", {"miou": 0.5}))
    assert not any("CRF search" in line for line in picture(progress))
    tell(Searching("t0", 6, 12))
    assert any("CRF search 6/12" in line for line in picture(progress))
    tell(Failed("t0", "broken"))
    assert not any("CRF search" in line for line in picture(progress))
