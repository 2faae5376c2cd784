"""Faults as they get into such code, planted by replacing one function; and a run in this process that meets them.

Each fault is a function of pytest's `monkeypatch`. The digests of the code do not change by it: give each run a store
of its own.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from repro.data import augment
from repro.evaluate import inference
from repro.evaluate import measure as measuring
from repro.metrics import measured_values
from repro.nets import aspp, deeplab, heads, layers, resize, resnet
from repro.regression import run as frozen
from repro.regression import worker as check_worker
from repro.run import compute as computing
from repro.run import execute as executing
from repro.run.executors import loop
from repro.run.executors.job_queue import JobQueue, Outcome
from repro.run.executors.worker import load, work_on
from repro.run.progress.events import Failed
from repro.train import loop as training_loop
from repro.train import optimizer
from repro.train import step as steps

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]
FAULTS: dict[str, Plant] = {}
REFACTORED: dict[str, Plant] = {}


def fault(what: str, among: dict[str, Plant] = FAULTS) -> Callable[[Plant], Plant]:
    """Name a fault in the words of its table."""

    def named(plant: Plant) -> Plant:
        among[what] = plant
        return plant

    return named


def refactored(what: str) -> Callable[[Plant], Plant]:
    """A fault that a refactoring makes."""
    return fault(what, REFACTORED)


@fault("atrous rates of ASPP too large by one")
def _(patch: Patch) -> None:
    real = aspp.rates_at
    patch.setattr(aspp, "rates_at", lambda *a, **k: tuple(rate + 1 for rate in real(*a, **k)))


@fault("multi-grid ignored")
def _(patch: Patch) -> None:
    real = resnet.plan_units

    def plain(model, *rest):
        return real(model.model_copy(update={"multi_grid": (1, 1, 1)}), *rest)

    patch.setattr(resnet, "plan_units", plain)


@fault("output stride of the training kept at evaluation")
def _(patch: Patch) -> None:
    real = measuring.build
    patch.setattr(measuring, "build", lambda model, classes, _stride: real(model, classes, 16))


@fault("image pooling over a quarter of the map")
def _(patch: Patch) -> None:
    def corner(self, x):
        part = x[:, :, : (x.shape[2] + 1) // 2, : (x.shape[3] + 1) // 2]
        return resize.resize_maps(self.project(self.mean(part)), (x.shape[2], x.shape[3]))

    patch.setattr(aspp.ImagePooling, "forward", corner)


@fault("resizing without aligned corners")
def _(patch: Patch) -> None:
    real = resize.matrix
    patch.setattr(resize, "matrix", lambda a, b, device, dtype, _aligned=True: real(a, b, device, dtype, False))


@fault("blue and red exchanged")
def _(patch: Patch) -> None:
    real = augment.normalise
    for module in (augment, measuring):
        patch.setattr(module, "normalise", lambda pixels: real(pixels).flip(1))


@fault("labels not flipped with the image")
def _(patch: Patch) -> None:
    def unflipped(drawn, images, labels):
        flipped = drawn[:, 5].bool()[:, None, None]
        return images, torch.where(flipped, labels.flip(2), labels)

    _after_augmentation(patch, unflipped)


@fault("labels shifted by a pixel")
def _(patch: Patch) -> None:
    _after_augmentation(patch, lambda _drawn, images, labels: (images, labels.roll(1, dims=2)))


@fault("void learned as background")
def _(patch: Patch) -> None:
    _after_augmentation(patch, lambda _drawn, images, labels: (images, labels.masked_fill(labels == 255, 0)))


@fault("void counted as background in the score")
def _(patch: Patch) -> None:
    real = measuring.scored
    patch.setattr(measuring, "scored", lambda *a, **k: (found := real(*a, **k)).masked_fill(found == 255, 0))


@fault("confusion matrix transposed")
def _(patch: Patch) -> None:
    real = measuring.label_counts

    def transposed(labels, prediction, classes):
        counts = real(labels, prediction, classes)
        counts[:, :classes] = counts[:, :classes].transpose(1, 2).clone()
        return counts

    patch.setattr(measuring, "label_counts", transposed)


@fault("mean IOU averaged over images")
def _(patch: Patch) -> None:
    patch.setattr(measuring, "measured_values", lambda matrices, _: measured_values(matrices, "image"))


@fault("last images of the validation set left out")
def _(patch: Patch) -> None:
    real = executing.measure

    def short(model, classes, evaluates, state, images, *rest, **more):
        keep = slice(0, len(images.names) - 2)
        cut = {name: getattr(images, name)[keep] for name in ("pixels", "labels", "sizes", "names")}
        return real(model, classes, evaluates, state, replace(images, **cut), *rest, **more)

    patch.setattr(executing, "measure", short)


@fault("learning rate constant instead of poly")
def _(patch: Patch) -> None:
    patch.setattr(training_loop, "multiplier", lambda _train, _step: 1.0)


@fault("power of poly 1 instead of 0.9")
def _(patch: Patch) -> None:
    real = training_loop.multiplier

    def linear(train, step):
        return real(train.model_copy(update={"power": 1.0}), step)

    patch.setattr(training_loop, "multiplier", linear)


@fault("momentum dropped")
def _(patch: Patch) -> None:
    real = training_loop.make_optimizer

    def plain(network, train):
        made = real(network, train)
        for group in made.param_groups:
            group.update({"momentum": 0.0} if "momentum" in group else {"betas": (0.0, 0.999)})
        return made

    patch.setattr(training_loop, "make_optimizer", plain)


@fault("weight decay on batch normalisation")
def _(patch: Patch) -> None:
    real = optimizer.parameter_groups

    def everywhere(network, train):
        groups = real(network, train)
        return [{**group, "weight_decay": train.weight_decay} for group in groups]

    patch.setattr(optimizer, "parameter_groups", everywhere)


@fault("batch normalisation's momentum inverted")
def _(patch: Patch) -> None:
    real = training_loop.set_batch_norm

    def inverted(network, train):
        real(network, train)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0 - module.momentum

    patch.setattr(training_loop, "set_batch_norm", inverted)


@fault("seed ignored")
def _(patch: Patch) -> None:
    real = computing.train

    def unseeded(model, classes, images, start, context, *rest):
        return real(model, classes, images, start, replace(context, seed=12345), *rest)

    patch.setattr(computing, "train", unseeded)


@fault("ReLU left out after ASPP's projection")
def _(patch: Patch) -> None:
    real = heads.ASPP

    def linear(*a, **k):
        made = real(*a, **k)
        made.project[2] = torch.nn.Identity()
        return made

    patch.setattr(heads, "ASPP", linear)


# Ten that a refactoring makes; the paper of `measure_power` has what they need.


@refactored("eps of batch normalisation 1e-3 instead of 1e-5")
def _(patch: Patch) -> None:
    real = layers.ConvBN.__init__
    patch.setattr(layers.ConvBN, "__init__", lambda self, *a, **k: real(self, *a, **{**k, "eps": 1e-3}))


@refactored("sides of scaled inputs rounded")
def _(patch: Patch) -> None:
    for module in (inference, deeplab):
        patch.setattr(module, "scaled_side", lambda side, scale: round(side * scale))


@refactored("argmax before the scores are resized")
def _(patch: Patch) -> None:
    real = inference.resize

    def hard(x, size, *, align_corners=True):
        if x.shape[1] == 3:  # images
            return real(x, size, align_corners=align_corners)
        best = functional.one_hot(x.argmax(dim=1), x.shape[1]).permute(0, 3, 1, 2).float()
        return 20 * functional.interpolate(best, size, mode="nearest")

    patch.setattr(inference, "resize", hard)


@refactored("a stride placed one unit later")
def _(patch: Patch) -> None:
    real = resnet.plan_units

    def later(*a):
        plans = real(*a)
        at = next(i for i, plan in enumerate(plans[:-1]) if plan.stride == 2)
        plans[at : at + 2] = replace(plans[at], stride=1), replace(plans[at + 1], stride=2)
        return plans

    patch.setattr(resnet, "plan_units", later)


@refactored("dropout at evaluation")
def _(patch: Patch) -> None:
    patch.setattr(torch.nn.Dropout, "train", lambda self, _mode=True: torch.nn.Module.train(self, True))


@refactored("flip not undone where there are several scales")
def _(patch: Patch) -> None:
    real = measuring.probabilities

    def kept(network, images, evaluate, *rest):
        calls = itertools.count()
        doubled = evaluate.flip and len(evaluate.scales) > 1
        wrong = lambda x: network(x).flip(3) if doubled and next(calls) % 2 else network(x)  # noqa: E731
        return real(wrong, images, evaluate, *rest)

    patch.setattr(measuring, "probabilities", kept)


@refactored("last batch of the validation set ignored")
def _(patch: Patch) -> None:
    real = measuring.in_adaptive_batches
    patch.setattr(measuring, "in_adaptive_batches", lambda count, size, *rest: real(count - size, size, *rest))


@refactored("bytes overflow in normalisation")
def _(patch: Patch) -> None:
    for module in (augment, measuring):
        patch.setattr(module, "normalise", lambda pixels: (2 * pixels).permute(0, 3, 1, 2).float() / 255 - 1)


@refactored("loss divided by all pixels, void included")
def _(patch: Patch) -> None:
    real = steps.pixel_loss

    def diluted(logits, labels, *, count=None, **k):
        return real(logits, labels, count=torch.tensor(labels.numel()) if count is None else count, **k)

    patch.setattr(steps, "pixel_loss", diluted)


@refactored("poly schedule a step ahead")
def _(patch: Patch) -> None:
    real = training_loop.multiplier
    patch.setattr(training_loop, "multiplier", lambda train, step: real(train, min(step + 1, train.iterations - 1)))


def _after_augmentation(patch: Patch, change: Callable) -> None:
    """Change what a batch's augmentation gives: (packed draw, images, labels) -> (images, labels)."""
    real = augment.sample

    def sample(pixels, labels, sizes, packed, *rest, **more):
        return change(packed, *real(pixels, labels, sizes, packed, *rest, **more))

    patch.setattr(augment, "sample", sample)


def run_here(patch: Patch) -> None:
    """Let jobs run in this process, one after another, instead of in workers: planted faults are met there."""

    def run(work: Sequence, executor, listener) -> Outcome:
        store = executor.store
        failed: dict[str, str] = {}

        def emit(event) -> None:
            if isinstance(event, Failed):
                failed[event.key] = event.reason
            listener(event)

        before = torch.get_num_threads()
        torch.set_num_threads(executor.threads)
        store.prepare()
        try:
            for one in work:
                check_worker.execute(one.job, store, "cpu", emit, lambda: False)
        finally:
            torch.set_num_threads(before)
        return Outcome(tuple(one.key for one in work), failed, (), False)

    def in_processes(tasks, store, _workers, _variables):
        return [frozen.work(task, store) for task in tasks]

    patch.setattr(loop, "run", run)
    patch.setattr(frozen, "in_processes", in_processes)
    # of what a baseline takes, most is other rounding; here one is enough
    patch.setattr(frozen, "roundings", lambda: [frozen.Rounding("weights moved by their last bit", "last bits")])


def run_workers_here(patch: Patch) -> None:
    """Let workers' jobs run in this process, one after another, with what a run makes of their failures."""

    def run(work: Sequence, executor, listener) -> Outcome:
        store = executor.store
        store.prepare()
        queue = JobQueue(work, store, listener)
        while (one := queue.next(())) is not None:
            end = work_on(
                pickle.dumps((one.key, one.job)),
                load(executor.execute, executor.threads),
                store,
                "cpu",
                listener,
                lambda: False,
            )
            if end.how == "failed":
                queue.fail(one, end.reason, end.traceback, "", end.micro_batch)
            else:
                assert end.how == "done", end
                queue.finish(one)
        return queue.outcome

    patch.setattr(loop, "run", run)
