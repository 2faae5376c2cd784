"""From the user's options to a plan, and from a plan to stored records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from repro.cores import cores
from repro.data import scene_settings
from repro.errors import InputError, did_you_mean
from repro.nets import weight_files
from repro.plan.chain import Inputs
from repro.plan.code import Code, closure
from repro.plan.cost import evaluation_costs, training_cost
from repro.plan.given import GIVEN, check_given
from repro.plan.labels import TrainingLabels, training_label
from repro.plan.own_cost import check_own
from repro.plan.parts import check as check_parts
from repro.plan.plan import Plan, Request, build
from repro.plan.work import Evaluation, Training, weights_name
from repro.run.executors.order import Work
from repro.run.job import DEFAULT_EXECUTION, ExecutionOptions, Job
from repro.run.scale import default_scale, gpu_count
from repro.run.weights import file_digest, weights_digest, weights_file
from repro.spec.bounds import JOBS, SEEDS, check_count
from repro.spec.dataset import Dataset
from repro.spec.load import Suite, load_suite
from repro.spec.protocol import Data, StrideAt, Train
from repro.spec.sweep import read_sweeps, swept
from repro.store.other_code import with_any_code
from repro.store.short_of_memory import in_micro_batches
from repro.store.store import Store

if TYPE_CHECKING:
    from repro.run.executors.loop import Executor

EXECUTE = "repro.run.execute:execute"
DEVICES = ("auto", "cpu", "cuda")
EXECUTORS = ("local", "ray", "slurm")
THREADS = 1
"""CPU threads of a training."""
ENTRIES = {"training": "repro.train.training", "evaluation": "repro.evaluate.measure"}
SCENES = "scenes"
"""The embedded data set: planning on it loads neither numpy nor Pillow, which the other ones' files need."""

NOT_HERE = "data not here"
"""Stands where a fingerprint would, in a plan that cannot read the data."""


@dataclass(frozen=True)
class Options:
    """What the commands that plan, run and report have in common."""

    tables: tuple[str, ...]
    scale: str | None = None
    seeds: int | None = None
    only: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    dataset: str | None = None
    data_root: Path | None = None
    store: Path = Path("runs")
    tables_dir: Path | None = None
    weights: Path | None = None
    """Folder (or file) of ImageNet weights."""
    any_code: bool = False
    """Take records that other versions of the code made, where nothing else differs."""
    how: tuple[tuple[str, str | Path], ...] = ()
    """Other options that were given, of where and how to compute: they decide no number, but commands repeat them."""
    trained: Path | None = None
    """File of the weights of a network that somebody else trained: then nothing is trained."""
    sweeps: tuple[str, ...] = ()
    """Settings that take several values in turn: "train.lr=0.004,0.008"."""


def load(options: Options) -> Suite:
    """The suite with the user's own tables, if any."""
    return load_suite([options.tables_dir] if options.tables_dir else None)


def inputs(options: Options, suite: Suite, store: Store, absent: dict[str, str] | None = None) -> Inputs:
    """Fingerprints of data, code and weights, each computed once.

    A data set that cannot be read is an InputError, or, with `absent`, noted there (name -> why) and left without one.
    """

    @cache
    def code(stage: str, name: str) -> Code:
        if name == SCENES:
            return closure([ENTRIES[stage], "repro.data.images", "repro.data.scenes"])
        from repro.data.source import format_of

        return closure([ENTRIES[stage], "repro.data.images", format_of(name, suite.dataset(name)).module])

    @cache
    def data(wanted: Data, split: str) -> str:
        # both splits set to the one that is read: what is measured on does not bear on what is trained on
        images = wanted.val_images if split == wanted.val_split else wanted.train_images
        one_split = {"train_split": split, "val_split": split, "train_images": images, "val_images": images}
        wanted = wanted.model_copy(update=one_split)
        if wanted.name == SCENES:
            return scene_settings.fingerprint(wanted)
        from repro.data import source

        try:
            # nothing is put where a store is only going to be: a slip found later leaves no folder behind
            cache = store.cache if store.root.is_dir() else None
            return source.fingerprint(wanted, options.data_root, cache, declared(wanted.name))
        except InputError as error:
            if absent is None:
                raise
            absent.setdefault(wanted.name, str(error))
            return NOT_HERE

    def declared(name: str) -> Dataset | None:
        facts = suite.dataset(name)
        return facts if facts.files else None

    @cache
    def weights(name: str) -> str:
        return weights_digest(options.weights, name, store) if options.weights else ""

    @cache
    def trained() -> str:
        return file_digest(options.trained, store) if options.trained else ""

    @cache
    def stride_at(name: str) -> StrideAt | None:
        return weight_files.stride_at(weights_file(options.weights, name)) if options.weights else None

    return Inputs(
        data,
        lambda stage, dataset: code(stage, dataset.name),
        lambda name: suite.dataset(name).names,
        weights,
        declared,
        trained,
        stride_at,
    )


def make_plan(options: Options, suite: Suite, store: Store, absent: dict[str, str] | None = None) -> Plan:
    """Resolve the options into a plan; InputError for whatever is wrong with them.

    With `absent` data sets need not be here (`inputs`); what such a plan needs of them cannot be found in the store.
    """
    scale = options.scale or default_scale()
    declared = suite.scale(scale)
    check_count("--seeds", options.seeds, 1, SEEDS)
    sweeps = read_sweeps(options.sweeps, options.overrides)
    request = Request(
        tables=tuple(swept(table, sweeps) for table in suite.select(options.tables)),
        scale=scale,
        seeds=options.seeds or declared.seeds,
        dataset=options.dataset,
        only=options.only,
        overrides=(*options.overrides, *([GIVEN] if options.trained else [])),
    )
    plan = build(suite, request, inputs(options, suite, store, absent))
    check_given(plan, options.trained)
    labels = TrainingLabels(plan.cells)
    for training in plan.trainings.values():
        check_parts(training, labels.of(training))
    check_own(plan.evaluations.values(), labels.of)
    plan = in_micro_batches(plan, store)
    crf_overrides = [text for text in options.overrides if text.startswith("evaluate.crf?")]
    if crf_overrides and not any(c.resolved and c.resolved.protocol.evaluate.crf for c in plan.cells):
        option = "--crf-backend" if crf_overrides[0].startswith("evaluate.crf?.backend=") else "--crf"
        raise InputError(
            f"{option} ({crf_overrides[0]}): no cell asked for has a CRF; those of v2's tables have. Leave it out."
        )
    return with_any_code(plan, store) if options.any_code else plan


def missing(
    plan: Plan, store: Store, *, verified: bool = False, whole: bool = False
) -> tuple[dict[str, Training], dict[str, Evaluation]]:
    """Trainings and evaluations that a run would have to do.

    A stored evaluation needs its training no more, and a training that no missing work needs is done again only where
    its record was damaged and set aside, or, with `whole`, always. `verified`: every byte that this work starts from,
    and that reports will read, is checked now.
    """
    read = store.get if verified else store.peek
    evaluations = {k: e for k, e in plan.evaluations.items() if read("evaluation", k) is None}
    away = {k: t for k, t in plan.trainings.items() if store.peek("training", k) is None}
    damaged = store.damaged("training") if away else set()
    needed: dict[str, Training] = {}
    wanted = [t for k, t in away.items() if whole or k in damaged]
    for last in (*(e.training for e in evaluations.values()), *wanted):
        for training in reversed(last.chain()):
            if training.key in needed or read("training", training.key) is not None:
                break
            needed[training.key] = training
    return {k: t for k, t in plan.trainings.items() if k in needed}, evaluations


def devices(device: str, jobs: int | None, processes: int = 1) -> list[str]:
    """Device names for the workers: one each on the GPUs there are, or one for each CPU core.

    Where `processes` train one network together, a worker has so many of either: "cuda:0,1" is two GPUs.
    """
    check_count("--jobs", jobs, 1, JOBS)
    _check_device(device)
    if processes > 1:
        return _groups(device, jobs, processes)
    gpus = gpu_count()
    if device == "auto":
        device = "cuda" if gpus else "cpu"
    if device == "cuda" and gpus:
        count = jobs or gpus
        return [f"cuda:{i % gpus}" for i in range(count)]
    if device == "cpu":
        return ["cpu"] * (jobs or cores())
    return [device] * (jobs or 1)


def _check_device(name: str) -> None:
    """InputError for what no machine has, also where nothing is left to compute."""
    if name not in DEVICES and not re.fullmatch(r"cuda:\d+", name):
        hint = did_you_mean(name, DEVICES)
        raise InputError(f"--device {name}: no such kind of device. Use cpu, cuda, cuda:0, ... or auto.{hint}")


def _groups(device: str, jobs: int | None, processes: int) -> list[str]:
    gpus = gpu_count()
    if device == "auto":
        device = "cuda" if gpus else "cpu"
    if device == "cpu":
        return ["cpu"] * (jobs or max(1, len(devices("cpu", None)) // processes))
    if device != "cuda":
        raise InputError(f"--device {device}: --gpus-per-training chooses among all GPUs. Use --device cuda.")
    if gpus < processes:
        raise InputError(f"--gpus-per-training {processes}: this machine has {gpus} CUDA devices. Ask for fewer.")
    firsts = range(0, gpus - processes + 1, processes)
    groups = [",".join(str(first + i) for i in range(processes)) for first in firsts]
    return [f"cuda:{groups[i % len(groups)]}" for i in range(jobs or len(groups))]


def executor(
    name: str,
    store: Store,
    device: str,
    jobs: int | None,
    processes: int,
    slurm_options: Sequence[str],
    execute: str = EXECUTE,
) -> Executor:
    """Where jobs run, by the name that --executor gives, and what workers execute of them. InputError for what is
    missing or wrong.

    Everywhere a training has one CPU thread: the bits of a result do not depend on the executor.
    """
    if slurm_options and name != "slurm":
        raise InputError("--slurm: options for Slurm need --executor slurm.")
    if name == "local":
        from repro.run.executors.local import LocalExecutor

        return LocalExecutor(execute, store, devices(device, jobs, processes), THREADS)
    check_count("--jobs", jobs, 1, JOBS)
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {device}: on a cluster say auto, cpu or cuda.")
    if name == "ray":
        from repro.run.executors.ray import RayExecutor

        return RayExecutor(execute, store, device, processes, jobs, THREADS)
    if name == "slurm":
        from repro.run.executors.slurm import SlurmExecutor

        return SlurmExecutor(execute, store, device, processes, jobs, THREADS, slurm_options)
    raise InputError(f"--executor {name}: there are local, ray and slurm." + did_you_mean(name, EXECUTORS))


def work_of(
    plan: Plan,
    store: Store,
    data_root: Path | None,
    weights: Path | None = None,
    execution: ExecutionOptions = DEFAULT_EXECUTION,
    *,
    whole: bool = False,
    trained: Path | None = None,
) -> list[Work]:
    """The jobs of what is missing, or damaged: a training with its evaluations. `whole`: as `missing` has it.

    Raises InputError where a training starts from ImageNet weights and `weights` is None, or can't be done in that way:
    now, rather than when its turn comes.
    """
    # whole paths, as a cluster's machines may work in other folders
    data_root, weights, trained = (None if path is None else path.resolve() for path in (data_root, weights, trained))
    execution = (
        execution if execution.tensorboard is None else replace(execution, tensorboard=execution.tensorboard.resolve())
    )
    trainings, evaluations = missing(plan, store, verified=True, whole=whole)
    _check_execution(trainings.values(), plan, execution)
    lacking = sorted({weights_name(t.model) for t in trainings.values() if t.needs_weights})
    if lacking and weights is None:
        raise InputError(
            f"--weights: train.start is imagenet and no weights are given for {', '.join(lacking)}. Give a folder with "
            f"{lacking[0]}*.safetensors or .pth, --weights hub to download them, another --scale, or --set "
            "train.start=random."
        )
    if trained is not None:
        from repro.train.given import check_trained  # torch, as below

        check_trained([t for t in trainings.values() if t.given], trained)
    if weights is not None:
        _check_weights([t for t in trainings.values() if t.needs_weights], weights)
    backends = {e.evaluate.crf.backend for e in evaluations.values() if e.evaluate.crf is not None}
    if "pydensecrf" in backends and find_spec("pydensecrf") is None:
        raise InputError(
            'evaluate.crf.backend: pydensecrf is not installed. Install the extra `crf` (pip install ".[crf]"), or '
            "choose --crf-backend torch."
        )
    wanted: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations.values():
        wanted.setdefault(evaluation.training.key, []).append(evaluation)
    # evaluations of a stored training are a job as well
    involved = {**trainings, **{k: plan.trainings[k] for k in wanted}}
    out, labels = [], TrainingLabels(plan.cells)
    for key, training in plan.trainings.items():
        if key not in involved:
            continue
        own = tuple(wanted.get(key, ()))
        cost = sum(evaluation_costs(own).values()) + (training_cost(training) if key in trainings else 0.0)
        after = training.parent.key if training.parent else None
        label = f"{labels.of(training)} seed {training.seed} {key[:8]}"
        out.append(
            Work(
                key,
                Job(training, own, data_root, weights, execution=execution, trained=trained, label=label),
                after,
                cost,
            )
        )
    return out


def _check_weights(trainings: Sequence[Training], weights: Path) -> None:
    """InputError, before anything is computed, where a file of weights does not fit a network that starts from it."""
    by_file: dict[Path, list[Training]] = {}
    for training in trainings:
        by_file.setdefault(weight_files.find(weights, weights_name(training.model)), []).append(training)
    if by_file:
        from repro.nets.weights import check_file  # torch: only the tensors themselves say whether they fit

        for path, own in by_file.items():
            check_file(path, [(training.model, training.settings.output_stride) for training in own])


def repeated_images(work: Iterable[Work], data_root: Path | None) -> list[str]:
    """A line for each list of images which names one more than once, of those that the work reads."""
    jobs = [item.job for item in work]
    splits = [split for job in jobs for split in (job.training.images, *(e.images for e in job.evaluations))]
    unlike = {(split.data, split.split): split for split in splits if split.data.name != SCENES}
    if not unlike:
        return []
    from repro.data.source import repetitions

    lines = (repetitions(split.data, split.split, data_root, split.declared) for split in unlike.values())
    return [line for line in lines if line]


def _check_execution(trainings: Iterable[Training], plan: Plan, execution: ExecutionOptions) -> None:
    """Raise InputError for a training whose batch, or micro-batch, can't be parted among processes."""
    batches: dict[int, Training] = {}
    for training in trainings:
        settings = training.settings
        batches.setdefault(settings.micro_batch or settings.batch_size, training)
        parted = isinstance(settings, Train) and settings.batch_norm_parts > 1
        if parted and execution.processes > 1:
            raise InputError(
                f"{training_label(training, plan.cells)}: train.batch_norm_parts says how its batch is parted for "
                "normalisation, and --gpus-per-training parts it otherwise. Leave the latter out, or choose other "
                "cells with --only."
            )
    odd = sorted(size for size in batches if size % execution.processes)
    if odd:
        sizes = ", ".join(map(str, sorted(batches)))
        fitting = [n for n in range(execution.processes, 0, -1) if not any(size % n for size in batches)]
        what = "a micro-batch" if batches[odd[0]].settings.micro_batch else "a batch"
        raise InputError(
            f"--gpus-per-training {execution.processes}: {what} of {odd[0]} images "
            f"({training_label(batches[odd[0]], plan.cells)}) is not divisible by the number of processes. "
            f"What is computed at once are {sizes} images: choose {fitting[0]}, or a table at a time."
        )
