"""ScalarWriter for TensorBoard, read back with its own reader."""

import sys

import pytest

from repro.errors import InputError
from repro.run.tensorboard import check_tensorboard, evaluation_tag, scalars
from repro.spec.protocol import CRF, Evaluate, Train


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.chdir(tmp_path)
    with scalars(None, "a") as written:
        written.step(Train(), 1, 0.5, 1.0)
        written.evaluated(Evaluate(), 0.5, 1)
    assert not list(tmp_path.iterdir())


def test_a_missing_tensorboard_is_told_with_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"--tensorboard: .*pip install \"\.\[tensorboard\]\""):
        check_tensorboard()


def test_scalars_are_read_back(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = Train(batch_size=16, lr=0.01, iterations=10, power=1.0)
    with scalars(tmp_path, "(1, 2, 1), block4 seed 0") as written:
        written.step(settings, 1, 2.5, 0.5)
        written.step(settings, 6, 1.5, 0.25)
        written.evaluated(Evaluate(output_stride=8), {"miou": 0.75}, 10)
    (folder,) = tmp_path.iterdir()
    found = EventAccumulator(str(folder)).Reload()
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [(1, 2.5), (6, 1.5)]
    assert [e.value for e in found.Scalars("train/learning_rate")] == pytest.approx([0.01, 0.005])
    assert [e.value for e in found.Scalars("train/images_per_second")] == [32, 64]
    assert [(e.step, e.value) for e in found.Scalars("miou/os8")] == [(10, 0.75)]


def test_evaluations_are_told_apart():
    assert evaluation_tag(Evaluate()) == "os16"
    several = Evaluate(output_stride=8, scales=(0.5, 1.0), flip=True, crf=CRF(), trimap_px=4)
    assert evaluation_tag(several) == "os8_2scales_flip_crf_trimap4"
