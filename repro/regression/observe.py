"""One step, or one evaluation, from frozen weights: computed by the suite's own code, and what is kept of it.

Nothing here repeats what training and evaluation do. A step is that of `run.compute`, resumed from a checkpoint in the
middle of its schedule; an evaluation is that of `run.execute`, of a stored training. Dropout is off in steps: on CPUs
of different makers torch draws different masks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from repro.data.images import PaddedSplit
from repro.nets.deeplab import set_resizing
from repro.plan.work import Training
from repro.randomness import generator
from repro.regression.frozen import FrozenState, load
from repro.regression.probe import SEED, Probe
from repro.regression.quantity import CountsQuantity, Exact, Near, Observation, Quantity, ScoreQuantity
from repro.regression.sketch import Sketcher
from repro.regression.watch import Watch, place, watching, watching_probabilities
from repro.regression.watch import numbers as array
from repro.run import compute, execute
from repro.run.job import Job
from repro.run.progress.events import Event, Failed
from repro.spec.metric import MIOU
from repro.spec.protocol import Train
from repro.store.arrays import read_arrays
from repro.store.record import recorded
from repro.store.store import Store
from repro.train import checkpoint, loop, training
from repro.train.checkpoint import Checkpoint
from repro.train.context import Hooks, TrainingContext
from repro.train.distributed import SINGLE_PROCESS
from repro.train.optimizer import set_batch_norm
from repro.train.prefetch import Prefetcher
from repro.train.step import backward

CPU = torch.device("cpu")
DIGITS = 20
AT = 0.5
"""Share of the schedule that lies before the step."""
MOMENTUM = 0.02
"""Of a weight: the moving mean of gradients that the step starts with."""
SPREAD = 1e-4
"""Moving mean of squared gradients that it starts with: the update is then a smooth function of the gradient."""


class _Seen(Exception):
    """The step is done."""


def observe(
    probe: Probe,
    weights: Path,
    states: Sequence[str],
    store: Store,
    data_root: Path | None,
    mode: str = "usual",
    draw: int = 0,
) -> Observation:
    """What a probe comes to from the weights that a file has under these names; `store` is for this alone.

    In other ways: from weights that differ in their "last bits" (a `draw`), or a step's passes in "float64".
    """
    network = network_of(probe)
    state = load(weights).state(states, network.state_dict())
    if mode == "last bits":
        state = _nudged(state, draw)
    if probe.kind == "evaluation":
        return dict(_evaluation(probe, state, store, data_root)) if mode != "float64" else {}
    return dict((_double if mode == "float64" else _step)(probe, network, state, store, data_root))


def network_of(probe: Probe) -> nn.Module:
    """The network that a probe's training builds."""
    trained = probe.training
    return training.network_of(trained.model, trained.images.data.classes, trained.settings, SEED)


# -- a step


def _step(
    probe: Probe, network: nn.Module, state: FrozenState, store: Store, data_root: Path | None
) -> Iterator[tuple[str, Quantity]]:
    trained, settings = probe.alone, probe.alone.settings
    images = compute.images_of(trained.images, job := Job(trained, (), data_root), store)
    yield from _images(trained.images.split, images)
    order = _order(images, trained)
    network.load_state_dict(dict(state))
    optimizer = loop.make_optimizer(network, settings)
    folder, at = store.root / "step", _at(settings.iterations)
    _start_moments(optimizer)
    notes = {"curve": {"step": [], "loss": [], "lr": []}, "layouts": []}
    checkpoint.save(folder, Checkpoint(at, network.state_dict(), optimizer.state_dict(), notes))
    with Prefetcher(images, order, settings, trained.seed, slice(0, settings.batch_size), CPU) as batches:
        draws = [batches.draw(step).packed() for step in range(settings.iterations)]
        _, labels = batches.samples(at)
    yield "order, scales and crops of all samples", Exact(_hash(*draws))
    rates = np.array([loop.multiplier(settings, step) for step in range(settings.iterations)])
    yield "learning rates of all steps", Near(Sketcher().add("rates", settings.lr * rates).sketch)
    yield "optimiser", Exact(_optimiser(optimizer, network))
    losses: list[float] = []

    def on_step(_step: int, loss: float, _seconds: float) -> None:
        losses.append(loss)
        raise _Seen

    with watching(dropout=False) as watch, torch.random.fork_rng(devices=[]), suppress(_Seen):
        compute.compute(job, store, CPU, Hooks(folder=folder, on_step=on_step))
    yield "images of the batch", Near(watch.inputs[0])
    yield "labels of the batch", Exact(_hash(array(labels)))
    yield from _passes(watch, losses[0])
    assert watch.network is not None
    after = watch.network.network if hasattr(watch.network, "network") else watch.network
    assert isinstance(after, nn.Module)
    yield from _after(after, state)


def _at(iterations: int) -> int:
    """A step in the middle of a schedule whose loss is recorded."""
    every = max(1, iterations // loop.CURVE_POINTS)
    return int(iterations * AT) // every * every


def _start_moments(optimizer: torch.optim.Optimizer) -> None:
    """Give an optimiser the moments of a training under way; the same for the same weights, in whatever order."""
    adam = isinstance(optimizer, torch.optim.AdamW)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            moving = parameter.detach() * MOMENTUM
            optimizer.state[parameter] = (
                {"step": torch.tensor(10.0), "exp_avg": moving, "exp_avg_sq": torch.full_like(moving, SPREAD)}
                if adam
                else {"momentum_buffer": moving}
            )


def _optimiser(optimizer: torch.optim.Optimizer, network: nn.Module) -> str:
    """Its kind and settings; for each place and role the multiplier of the learning rate and the weight decay."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    facts: dict[str, Any] = {"kind": type(optimizer).__name__}
    own: dict[str, set[str]] = {}
    for group in optimizer.param_groups:
        facts |= {key: group[key] for key in ("momentum", "betas", "eps", "nesterov", "dampening") if key in group}
        for parameter in group["params"]:
            if parameter.requires_grad:
                group_line = f"rate x{group.get('rate', 1.0):g}, decay {group['weight_decay']:g}"
                own.setdefault(_role(names[parameter], network), set()).add(group_line)
    dropped = [module.p for module in network.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]
    facts["dropout"] = dropped
    return json.dumps(
        {**facts, "groups": {role: sorted(group_line) for role, group_line in sorted(own.items())}}, sort_keys=True
    )


def _after(network: nn.Module, before: FrozenState, *, updates: bool = True) -> Iterator[tuple[str, Quantity]]:
    """Moving statistics, gradients and updates, as the step left them."""
    moved: dict[str, Sketcher] = {}
    for name, tensor in network.named_buffers():
        if tensor.is_floating_point() and name in before:
            change = array(tensor).astype(np.float64) - array(before[name])
            moved.setdefault(place(name.rpartition(".")[0]), Sketcher()).add(name, change)
    yield from ((f"moving statistics of {where}", Near(values.sketch)) for where, values in moved.items())
    parameters = [(name, p, p.grad) for name, p in network.named_parameters() if p.grad is not None]
    slopes: dict[str, Sketcher] = {}
    changes: dict[str, Sketcher] = {}
    for name, parameter, gradient in reversed(parameters):
        role = _role(name, network)
        slopes.setdefault(role, Sketcher()).add(name, array(gradient))
        change = array(parameter).astype(np.float64) - array(before[name])
        changes.setdefault(role, Sketcher()).add(name, change)
    yield from ((f"gradients of {role}", Near(values.sketch)) for role, values in slopes.items())
    if updates:
        yield from ((f"update of {role}", Near(values.sketch)) for role, values in changes.items())


def _role(name: str, network: nn.Module) -> str:
    """Where a parameter is, and what it is there."""
    home, _, key = name.rpartition(".")
    module = network.get_submodule(home)
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return f"{place(home)} (normalisation)"
    return f"{place(home)} ({'biases' if key == 'bias' else 'weights'})"


# -- other rounding


def _nudged(state: FrozenState, draw: int) -> dict[str, Tensor]:
    """Weights of which each is, at random, one of the three numbers next to what it was."""
    nudged = {}
    for name, tensor in state.items():
        if tensor.is_floating_point():
            which = torch.from_numpy(generator(draw, "last bits", name).integers(-1, 2, size=tuple(tensor.shape)))
            towards = torch.nextafter(tensor, torch.where(which > 0, torch.inf, -torch.inf).to(tensor.dtype))
            tensor = torch.where(which == 0, tensor, towards)
        nudged[name] = tensor
    return nudged


def _double(
    probe: Probe, network: nn.Module, state: FrozenState, store: Store, data_root: Path | None
) -> Iterator[tuple[str, Quantity]]:
    """The forward and backward passes of a step in float64."""
    trained, settings = probe.alone, probe.alone.settings
    images = compute.images_of(trained.images, Job(trained, (), data_root), store)
    order = _order(images, trained)
    with Prefetcher(images, order, settings, trained.seed, slice(0, settings.batch_size), CPU) as batches:
        x, y = batches.samples(_at(settings.iterations))
    network.load_state_dict(dict(state))
    if isinstance(settings, Train):
        set_resizing(network, align_corners=settings.align_corners)
    network.double().train()
    set_batch_norm(network, settings)
    trainer = SINGLE_PROCESS.trainer(network, settings, "float32")
    with watching(dropout=False) as watch:
        loss = backward(trainer, x.double(), y, TrainingContext(settings, trained.seed, CPU), 0)
    yield from _passes(watch, float(loss))
    yield from _after(network, state, updates=False)


def _order(images: PaddedSplit, trained: Training) -> Any:
    twice = trained.images.twice
    return training.order_of(images.labels, twice) if twice else np.arange(len(images.sizes))


def _passes(watch: Watch, loss: float) -> Iterator[tuple[str, Quantity]]:
    """What a forward pass in training mode gave."""
    for where, outputs in watch.outputs.items():
        yield f"outputs of {where} (training mode)", Near(outputs.sketch)
    yield "logits (training mode)", Near(watch.logits[0])
    yield "loss", Near(Sketcher().add("loss", np.array([loss])).sketch)


# -- an evaluation


def _evaluation(
    probe: Probe, state: FrozenState, store: Store, data_root: Path | None
) -> Iterator[tuple[str, Quantity]]:
    evaluation = probe.measured
    key, weights = evaluation.training.key, {name: tensor.contiguous() for name, tensor in state.items()}
    stub = {**evaluation.training.identity(), "parent": None, "seconds": 0.0, "environment": {}, "result": {}}
    store.put("training", key, stub, {compute.WEIGHTS: lambda path: safetensors.torch.save_file(weights, path)})
    job = Job(evaluation.training, (evaluation,), data_root)
    yield from _images(evaluation.images.split, compute.images_of(evaluation.images, job, store))
    passes = len(evaluation.evaluate.scales) * (2 if evaluation.evaluate.flip else 1)
    with watching(passes) as watch, watching_probabilities() as probabilities:
        execute.execute(job, store, "cpu", lambda event: _raise(event), lambda: False)
    yield from ((f"input of {_pass(n, passes)}", Near(seen)) for n, seen in enumerate(watch.inputs))
    for where, outputs in watch.outputs.items():
        yield f"outputs of {where} (evaluation)", Near(outputs.sketch)
    yield from ((f"logits of {_pass(n, passes)}", Near(seen)) for n, seen in enumerate(watch.logits))
    yield from ((name, Near(sketcher.sketch)) for name, sketcher in probabilities.items())
    (matrices,) = read_arrays(store.file("evaluation", evaluation.key, "confusion.npz"), "matrices")
    yield "images that are counted", Exact(str(len(matrices)))
    yield (
        "confusion matrix",
        CountsQuantity(tuple(tuple(int(n) for n in row) for row in matrices.sum(axis=0, dtype=np.int64))),
    )
    record = store.get("evaluation", evaluation.key)
    assert record is not None
    yield "mean IOU", ScoreQuantity(recorded(record)[MIOU.name])


def _pass(number: int, passes: int) -> str:
    return "the network" if passes == 1 else f"the network, pass {number + 1} of {passes}"


def _raise(event: Event) -> None:
    if isinstance(event, Failed):
        raise RuntimeError(event.reason)


# -- images


def _images(split: str, images: PaddedSplit) -> Iterator[tuple[str, Quantity]]:
    yield f"images of {split}", Exact(_hash(images.pixels, images.sizes))
    yield f"labels of {split}", Exact(_hash(images.labels))


def _hash(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for part in arrays:
        digest.update(f"{part.shape}{part.dtype}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:DIGITS]
