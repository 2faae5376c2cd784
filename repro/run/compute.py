"""A job's training with everything it needs from disk: images, and the weights it starts from."""

from __future__ import annotations

from typing import Any

import safetensors.torch
import torch

from repro.data import source
from repro.errors import InputError
from repro.nets.state_dicts import read
from repro.nets.weight_files import find
from repro.plan.work import Split, weights_name
from repro.run.job import Job
from repro.store.store import Store
from repro.train.context import Hooks, TrainingContext
from repro.train.distributed import SINGLE_PROCESS, DistributedContext
from repro.train.given import given
from repro.train.training import InitialWeights, Trained, train

WEIGHTS = "weights.safetensors"


def compute(
    job: Job, store: Store, device: torch.device, hooks: Hooks, dist: DistributedContext = SINGLE_PROCESS
) -> Trained:
    """Do the training of a job, or this process's part of it. Raises what `train` raises."""
    training = job.training
    if training.given:
        return given(training, job.trained)
    start = start_of(job, store)
    images = images_of(training.images, job, store)
    how = job.execution
    context = TrainingContext(training.settings, training.seed, device, hooks, dist, how.launch, how.kernels)
    return train(training.model, training.images.data.classes, images, start, context, training.images.twice)


def images_of(split: Split, job: Job, store: Store) -> Any:
    """The images of a split, from the job's data set."""
    return source.load(split.data, split.split, job.data_root, store.cache, split.declared, store.warn)


def load_weights(store: Store, key: str) -> dict[str, torch.Tensor]:
    """The weights of a stored training, verified; InputError if they are not there."""
    if store.get("training", key) is None:
        raise InputError(f"training {key} is not in the store {store.root}. Run it again.")
    return dict(safetensors.torch.load_file(store.file("training", key, WEIGHTS)))


def start_of(job: Job, store: Store) -> InitialWeights | None:
    """The weights that the job's training starts from; None for random ones. Raises InputError where they lack."""
    training = job.training
    if training.parent is not None:
        return InitialWeights(
            training.parent.task, load_weights(store, training.parent.key), f"training {training.parent.key}"
        )
    if not training.needs_weights:
        return None
    if job.weights is None:
        raise InputError("--weights: train.start is imagenet and no weights are given. Give their folder.")
    path = find(job.weights, weights_name(training.model))
    return InitialWeights("imagenet", read(path), str(path))
