"""Records of another version of the code: taken where all else is the same, and only there."""

import pytest

from repro.plan.chain import Inputs
from repro.plan.code import Code
from repro.plan.plan import Request, build
from repro.spec.load import load_suite
from repro.store.other_code import with_any_code
from repro.store.store import Store


def planned(version: str, images: str = "i0", seeds: int = 1, overrides: tuple[str, ...] = ()):
    """Table 9 of v3 at smoke, planned by a version of the code, on images of a fingerprint."""
    suite = load_suite()
    inputs = Inputs(
        data=lambda _data, _split: images,
        code=lambda _stage, _data: Code((("repro.of.this.version", version), ("repro.of.all", "same"))),
        classes=lambda _name: ("background",),
        weights=lambda _backbone: "",
    )
    request = Request((suite.find("v3/table9"),), "smoke", seeds, overrides=overrides)
    return build(suite, request, inputs)


@pytest.fixture
def store(tmp_path):
    """What version "old" left: everything, with nothing in it but what finds it again."""
    store, plan = Store(tmp_path / "runs", warn=lambda _: None), planned("old")
    for training in plan.trainings.values():
        parent = training.parent.key if training.parent else None
        record = {**training.identity(), "parent": parent, "started": "2026-01-01T00:00:00", "seconds": 1.0}
        store.put("training", training.key, {**record, "environment": {}, "result": {}}, {})
    for evaluation in plan.evaluations.values():
        record = {**evaluation.identity(), "training": evaluation.training.key, "seed": evaluation.training.seed}
        record |= {"started": "2026-01-01T00:00:00", "seconds": 1.0, "environment": {}, "result": {}}
        store.put("evaluation", evaluation.key, record, {})
    return store


def test_records_of_an_older_version_stand_for_this_one_s(store):
    old, new = planned("old"), planned("new")
    assert not old.trainings.keys() & new.trainings.keys()
    found = with_any_code(new, store)
    assert found.trainings.keys() == old.trainings.keys()
    assert found.evaluations.keys() == old.evaluations.keys()
    assert found.other_code == old.trainings.keys() | old.evaluations.keys()
    assert [c.evaluations[0].key for c in found.cells] == [c.evaluations[0].key for c in old.cells]


def test_what_is_stored_stays(store):
    plan = planned("old")
    found = with_any_code(plan, store)
    assert found.trainings == plan.trainings
    assert not found.other_code


def test_other_images_or_settings_are_not_taken(store):
    for new in (planned("new", images="i1"), planned("new", overrides=("train.lr=0.5",))):
        found = with_any_code(new, store)
        segment = [key for key, training in found.trainings.items() if training.task == "segment"]
        assert segment
        assert not set(segment) & found.other_code
        assert not found.evaluations.keys() & found.other_code


def left_to_do(store, *overrides):
    """What of two seeds the store lacks, all of it of the second."""
    found = with_any_code(planned("new", seeds=2, overrides=overrides), store)
    left = {key: one for key, one in found.trainings.items() if key not in found.other_code}
    assert left
    assert all(one.seed == 1 for one in left.values())
    return left


def test_a_seed_that_lacks_is_left_to_do_with_its_own_first_training(store):
    left = left_to_do(store)
    assert {one.task for one in left.values()} == {"presence", "segment"}
    assert all(one.parent.key in left for one in left.values() if one.task == "segment")


def test_a_seed_that_lacks_starts_from_the_record_that_seeds_share(store):
    left = left_to_do(store, "seeds.first_training=shared")
    assert {one.task for one in left.values()} == {"segment"}
    assert {one.parent.key for one in left.values()} <= planned("old").trainings.keys()
