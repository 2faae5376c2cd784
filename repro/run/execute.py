"""What a worker does: one training, unless it is stored, then those of its evaluations that are not."""

from __future__ import annotations

import gc
import io
import math
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from repro.errors import InputError
from repro.evaluate.adaptive_batches import batch_remarks
from repro.evaluate.measure import MeasuredSplit, SearchCache, measure
from repro.evaluate.search import SearchResult
from repro.files import read, write
from repro.plan.parts import smaller
from repro.plan.work import Evaluation, Training
from repro.run.compute import WEIGHTS, compute, images_of, load_weights
from repro.run.device import torch_device
from repro.run.distributed.worker_group import await_checkpoint_writer, train_distributed
from repro.run.environment import environment
from repro.run.job import Job, ShortOfMemoryError
from repro.run.progress.events import (
    EvaluationDone,
    Event,
    Failed,
    Message,
    Searching,
    Stopped,
    TrainingDone,
    TrainingStarted,
    TrainingStep,
)
from repro.run.remarks import remarks
from repro.run.tensorboard import ScalarWriter, scalars
from repro.spec.metric import MIOU
from repro.spec.protocol import Train
from repro.store.errors import unwritable
from repro.store.metrics import CONFUSION
from repro.store.record import recorded
from repro.store.store import Store
from repro.train import checkpoint
from repro.train.context import Hooks
from repro.train.launch_modes import compiles
from repro.train.loop import StoppedError
from repro.train.training import Trained

Emit = Callable[[Event], None]


def execute(job: Job, store: Store, device: str, emit: Emit, should_stop: Callable[[], bool]) -> None:
    """Do what `store` lacks of a job; emits `Stopped` if asked to stop before the end.

    A failed evaluation is recorded and told, and the others go on; a failed training raises.
    """
    with scalars(job.execution.tensorboard, job.label or job.training.key) as written:
        _execute(job, store, device, written, emit, should_stop)
    if compiles(job.execution.launch):
        torch.compiler.reset()  # after eight networks torch would compile no more in this process, and not say so
    gc.collect()
    torch.cuda.empty_cache()  # the processes of a worker group are others, and find only what this one does not keep


def _execute(
    job: Job, store: Store, device: str, written: ScalarWriter, emit: Emit, should_stop: Callable[[], bool]
) -> None:
    place = torch_device(device)
    training = job.training
    # What another run on this store did meanwhile is told like what is done here.
    if (stored := store.get("training", training.key)) is not None:
        emit(TrainingDone(training.key, stored["seconds"]))
    else:
        try:
            _train(job, store, device, written, emit, should_stop)
        except StoppedError:
            emit(Stopped(training.key))
            return
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in job.evaluations:
        if (stored := store.get("evaluation", evaluation.key)) is not None:
            emit(EvaluationDone(evaluation.key, training.key, recorded(stored)))
        else:
            # predictions are made once for all evaluations that only score them in other ways
            alike = repr((evaluation.strategy, evaluation.images))
            groups.setdefault(alike, []).append(evaluation)
    for group in groups.values():
        if not _evaluate(job, group, store, place, written, emit, should_stop):
            emit(Stopped(training.key))
            return


def _train(
    job: Job, store: Store, device: str, written: ScalarWriter, emit: Emit, should_stop: Callable[[], bool]
) -> None:
    training, settings = job.training, job.training.settings
    folder = store.checkpoint_dir(training.key)

    def on_step(step: int, loss: float, seconds: float) -> None:
        written.step(settings, step, loss, seconds)
        emit(TrainingStep(training.key, step, loss, seconds))

    hooks = Hooks(
        folder=folder,
        checkpoint_steps=job.checkpoint_steps,
        on_start=lambda step: emit(TrainingStarted(training.key, settings.iterations, step)),
        on_step=on_step,
        should_stop=should_stop,
        warn=lambda text: emit(Message(text)),
    )
    await_checkpoint_writer(job, store, hooks)
    before = _seconds_before(folder)
    started, began = _now(), time.monotonic()
    place = torch_device(device)
    try:
        together = job.execution.processes > 1
        trained = train_distributed(job, store, device, hooks) if together else compute(job, store, place, hooks)
    except torch.OutOfMemoryError as error:
        # fewer images at once are another training, with a key of its own: whoever planned this one plans that
        if (micro_batch := smaller(training, job.execution.processes)) is None:
            raise
        raise ShortOfMemoryError(settings, micro_batch) from error
    finally:
        _note_seconds(folder, before + time.monotonic() - began)
    seconds = before + time.monotonic() - began
    record = _training_record(training, trained, started, seconds, place)
    store.put(
        "training",
        training.key,
        record,
        {WEIGHTS: lambda path: safetensors.torch.save_file(trained.state, path)},
    )
    emit(TrainingDone(training.key, seconds))


def _training_record(
    training: Training, trained: Trained, started: str, seconds: float, device: torch.device
) -> dict[str, Any]:
    curve = trained.curve
    return {
        **training.identity(),
        "parent": training.parent.key if training.parent else None,
        "started": started,
        "seconds": seconds,
        "environment": {**environment(), "device": str(device), "precision": trained.layouts[-1].precision},
        "result": {
            "iterations": 0 if training.given else training.settings.iterations,
            "final_loss": curve.loss[-1] if curve.loss else None,
            "images_per_second": trained.images_per_second,
            "parameters": trained.parameters,
            "curve": {"step": curve.step, "loss": curve.loss, "lr": curve.lr},
            "layouts": [vars(layout) for layout in trained.layouts],
            "remarks": remarks(training.settings, trained.layouts),
        },
    }


def _evaluate(
    job: Job,
    group: list[Evaluation],
    store: Store,
    device: torch.device,
    written: ScalarWriter,
    emit: Emit,
    should_stop: Callable[[], bool],
) -> bool:
    """Measure and store evaluations that share their predictions; False if asked to stop."""
    training = job.training
    if not isinstance(training.settings, Train):
        raise TypeError("only segmentation trainings are evaluated")
    started, began = _now(), time.monotonic()
    left = list(group)
    try:
        images = images_of(group[0].images, job, store)
        all_measured = measure(
            training.model,
            group[0].images.data.classes,
            [evaluation.evaluate for evaluation in group],
            load_weights(store, training.key),
            images,
            device,
            should_stop,
            SearchCache(
                store.cache / "crf" / group[0].predictions_key,
                lambda done, of: emit(Searching(training.key, done, of)),
                store.warn,
            ),
            lambda text: emit(Message(text)),
        )
        if all_measured is None:
            return False
        seconds = (time.monotonic() - began) / len(group)
        for evaluation, measured in zip(group, all_measured, strict=True):
            values = measured.metrics
            if math.isnan(values[MIOU.name]):
                _fail(evaluation, _nothing_scored(evaluation, len(measured.names)), "", store, started, emit)
                left.remove(evaluation)
                continue
            record = _evaluation_record(evaluation, measured, values, started, seconds, device)
            store.put("evaluation", evaluation.key, record, _files(measured))
            left.remove(evaluation)
            written.evaluated(evaluation.evaluate, values, training.settings.iterations)
            emit(EvaluationDone(evaluation.key, training.key, values))
    except InputError:
        raise
    except Exception as error:  # whatever it is, it is these evaluations': recorded with its reason, the others go on
        if unwritable(error, store.root):
            raise  # theirs least of all: so would others end
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        for evaluation in left:
            _fail(evaluation, reason, traceback.format_exc(), store, started, emit)
    return True


def _fail(evaluation: Evaluation, reason: str, trace: str, store: Store, started: str, emit: Emit) -> None:
    store.put_failure(evaluation.key, "evaluation", reason, trace, started=started, environment=environment())
    emit(Failed(evaluation.key, reason))


def _nothing_scored(evaluation: Evaluation, images: int) -> str:
    width = evaluation.evaluate.trimap_px
    if width is None:
        return f"none of {images} images has a pixel that is not void; there is nothing to score"
    return f"evaluate.trimap_px: no pixel of {images} images lies within {width} pixels of a boundary; nothing to score"


def _evaluation_record(
    evaluation: Evaluation,
    measured: MeasuredSplit,
    values: Mapping[str, float],
    started: str,
    seconds: float,
    device: torch.device,
) -> dict[str, Any]:
    return {
        **evaluation.identity(),
        "training": evaluation.training.key,
        "seed": evaluation.training.seed,
        "started": started,
        "seconds": seconds,
        "environment": {
            **environment(),
            "device": str(device),
            "precision": measured.precision,
        },
        "result": {
            "metrics": dict(values),
            "class_iou": measured.class_iou,
            "images": len(measured.matrices),
            "images_per_second": len(measured.matrices) / max(measured.seconds, 1e-9),
            "remarks": batch_remarks(measured.batches, evaluation.evaluate.batch_size),
            **({"boundaries": measured.boundaries} if measured.boundaries else {}),
            **({"search": _search(measured.search)} if measured.search else {}),
        },
    }


def _search(result: SearchResult) -> dict[str, Any]:
    """The parameters that a search chose, and everything it tried."""
    best = result.best
    rows = [[t.w1, t.sigma_alpha, t.sigma_beta, None if np.isnan(t.miou) else t.miou, t.round] for t in result.trials]
    return {
        "w1": best.w1,
        "sigma_alpha": best.sigma_alpha,
        "sigma_beta": best.sigma_beta,
        "trials": {"columns": ["w1", "sigma_alpha", "sigma_beta", "miou", "round"], "rows": rows},
        "images": list(result.images),
        "seconds": result.seconds,
    }


def _files(measured: MeasuredSplit) -> dict[str, Path | Callable[[Path], None]]:
    pictures = measured.pictures

    def confusion(path: Path) -> None:
        _write_npz(path, matrices=measured.matrices, names=np.array(measured.names))

    def kept(path: Path) -> None:
        shown = {"image": pictures.image, "truth": pictures.truth, "prediction": pictures.prediction}
        _write_npz(path, **shown, names=np.array(pictures.names))

    def mean_field(path: Path) -> None:
        mean_field_steps = measured.steps
        if mean_field_steps is not None:
            maps = {
                "scores": mean_field_steps.scores,
                "beliefs": mean_field_steps.beliefs,
                "iterations": np.array(mean_field_steps.iterations),
            }
            _write_npz(path, **maps, label=np.array(mean_field_steps.label), names=np.array([mean_field_steps.name]))

    return {
        CONFUSION: confusion,
        "pictures.npz": kept,
        **({"steps.npz": mean_field} if measured.steps else {}),
    }


def _write_npz(path: Path, **arrays: Any) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    path.write_bytes(buffer.getvalue())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _seconds_before(folder: Path) -> float:
    """Seconds that earlier runs spent on a training which this one resumes; 0 where that is not known."""
    if not checkpoint.saved(folder):
        return 0.0
    try:
        seconds = float(read(folder / "seconds.txt"))
    except (OSError, ValueError):
        return 0.0
    return seconds if 0 <= seconds < math.inf else 0.0


def _note_seconds(folder: Path, seconds: float) -> None:
    with suppress(OSError):  # a full disk has been told already, or is told with the record
        if folder.exists():
            write(folder / "seconds.txt", f"{seconds:.3f}".encode())
