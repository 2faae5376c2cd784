from __future__ import annotations

import pytest
from store_records import CODE, evaluation, put_training, training

from repro.store.explain import History, explain
from repro.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", warn=lambda _: None)


def code(**modules):
    return {"digest": "new", "modules": {**CODE["modules"], **modules}}


def wanted(key="new", seed=0, parent=None, **other):
    return {**training(seed, **other), "key": key, "parent": parent}


def test_never_run(store):
    assert explain(store, "training", wanted()) == "not run yet"
    put_training(store, "old", seed=1)
    assert explain(store, "training", wanted(seed=0)) == "not run yet"
    assert explain(store, "training", wanted(seed=1, config={"train": {"lr": 0.1}})) == "not run yet"


def test_stored(store):
    put_training(store, "old")
    assert explain(store, "training", wanted("old")) == "stored"


def test_changed_code_is_named_and_data_too(store):
    put_training(store, "old")
    changed = code(**{"repro.nets.resnet": "a2"})
    assert explain(store, "training", wanted(code=changed)) == "code changed: repro.nets.resnet"
    assert explain(store, "training", wanted(data_fingerprint="d1")) == "data changed"
    both = wanted(code=changed, data_fingerprint="d1")
    assert explain(store, "training", both) == "code changed: repro.nets.resnet; data changed"


def test_added_and_removed_modules_count_and_long_lists_are_cut(store):
    put_training(store, "old")
    assert explain(store, "training", wanted(code=code(new="n"))) == "code changed: new"
    only = {"digest": "x", "modules": {f"m{number}": "1" for number in range(4)}}
    text = explain(store, "training", wanted(code=only))
    assert text == "code changed: m0, m1, m2, m3 and 2 more"


def test_the_record_that_differs_least_explains(store):
    put_training(
        store,
        "newer",
        started="2026",
        code=code(**{"repro.nets.resnet": "a0", "repro.train.loop": "b0"}),
        data_fingerprint="d9",
    )
    put_training(store, "old")
    assert explain(store, "training", wanted(data_fingerprint="d1")) == "data changed"


def test_a_change_in_the_first_training_reaches_the_second(store):
    put_training(store, "first", task="presence")
    put_training(store, "second", parent="first")
    parent = wanted("first2", task="presence", code=code(**{"repro.nets.presence": "p"}))
    assert explain(store, "training", wanted(parent=parent)) == (
        "the training it starts from: code changed: repro.nets.presence"
    )
    other = wanted("first3", task="presence", seed=5)
    assert explain(store, "training", wanted(parent=other)) == "not run yet"


def test_an_evaluation_is_found_through_its_training(store):
    put_training(store, "old")
    store.put("evaluation", "e", evaluation("old"), {})
    again = {**evaluation(""), "key": "e2", "training": wanted("old")}
    del again["seed"]
    assert explain(store, "evaluation", {**again, "code": code(x="1")}) == "code changed: x"
    retrained = {**again, "training": wanted(data_fingerprint="d1")}
    assert explain(store, "evaluation", retrained) == "its training: data changed"
    assert explain(store, "evaluation", {**again, "training": wanted(seed=3)}) == "not run yet"
    assert explain(store, "evaluation", {**again, "key": "e"}) == "stored"


def test_one_cause_in_both_is_told_once(store):
    put_training(store, "old")
    store.put("evaluation", "e", evaluation("old"), {})
    changed = code(**{"repro.nets.resnet": "a2"})
    again = {**evaluation(""), "key": "e2", "training": wanted(code=changed), "code": changed}
    assert explain(store, "evaluation", again) == "code changed: repro.nets.resnet"


def test_failure_and_damage_are_reasons(store):
    store.put_failure("new", "training", "first")
    store.put_failure("new", "training", "RuntimeError: the loss is not finite")
    assert explain(store, "training", wanted()) == "failed before: RuntimeError: the loss is not finite"
    put_training(store, "harmed")
    store.file("training", "harmed", "record.json").write_text("{")
    assert store.get("training", "harmed") is None
    assert explain(store, "training", wanted("harmed")) == "its record was damaged"


def test_one_history_answers_many_questions(store):
    put_training(store, "old")
    history = History(store)
    assert history.explain("training", wanted("old")) == "stored"
    assert history.explain("training", wanted(data_fingerprint="d1")) == "data changed"
