"""Options beyond all bounds, and empty ones: refused at once, with the remedy, and nothing is left behind."""

import time

import pytest
from small_paper import repro, write_paper


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return write_paper(tmp_path_factory.mktemp("deep"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seeds", "100000"], "--seeds 100000: at most 1000 can be asked for"),
        (["--seeds", "-1"], "--seeds -1: at least 1 is needed"),
        (["--jobs", "1" + "0" * 10], "--jobs 10000000000: at most 1024 can be asked for"),
        (["--jobs", "9" * 29], "at most 1024 can be asked for"),
        (["--gpus-per-training", "1000000000"], "--gpus-per-training 1000000000: at most 1024 can be asked for"),
        (["--set", "model.units=[8,100,100,1000000]"], "1000000 is too large; it must be at most 256"),
        (["--set", "model.decoder_convs=2147483648"], "2147483648 is too large; it must be at most 32"),
        (["--set", "evaluate.scales=[1e200]"], "1e+200 is too large; it must be at most 16"),
        (["--set", "train.start=coco", "--set", "coco.name=imagenet"], "imagenet"),
        (["--set", "train.lr=" + "9" * 10_000], "--set train.lr: "),
        (["--only", "last_block=" + "[" * 500 + "]" * 500], "--only last_block: "),
        (["--only", "last_block=" + "x" * 10_000], "letters) ... xxxx"),
        (["--store", ""], "--store: an empty value. Leave it out, or write . for the current folder"),
        (["--out="], "--out: an empty value"),
        (["--scale", " "], "--scale: an empty value"),
        ([""], "an empty value"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_refused_at_once(paper, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    code, out, err = repro("run", "deep1", "--tables", paper, "--scale", "smoke", *words)
    assert time.process_time() - began < 10
    assert (code, out) == (2, "")
    assert told in err
    assert len(err) < 2500
    assert list(tmp_path.iterdir()) == []


def test_a_plan_has_so_many_evaluations_at_most(paper):
    code, _, err = repro("plan", "all", "--tables", paper, "--scale", "smoke", "--seeds", "1000")
    assert code == 2
    assert "evaluations; a plan has at most 20,000. Ask for fewer seeds, or for a table at a time." in err


def test_an_option_repeats_what_was_typed_in_short(paper):
    code, _, err = repro("plan", "deep1", "--tables", paper, "--crf-backend", "x" * 10_000)
    assert code == 2
    assert len(err) < 600


def test_costs_of_a_network_out_of_range(paper):
    for value in ("1e20", "1" + "0" * 20, "nan"):
        code, _, err = repro("cost", "deep1", "--tables", paper, "--set", f"model.width={value}")
        assert code == 2
        assert "--set model.width" in err
