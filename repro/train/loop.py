"""The training loop: one function from (network, images, settings, seed) to trained weights and a curve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from repro.data import augment
from repro.data.images import Images
from repro.nets.deeplab import set_resizing
from repro.nets.precision import autocast
from repro.randomness import generator
from repro.spec.protocol import Pretrain, Train
from repro.train import checkpoint
from repro.train.loss import VOID, pixel_loss, presence_loss
from repro.train.optimizer import make_optimizer, set_batch_norm
from repro.train.parts import in_parts
from repro.train.schedule import multiplier

CURVE_POINTS = 200


class DivergedError(Exception):
    """The loss stopped being a number."""


class StoppedError(Exception):
    """The training was asked to stop; its checkpoint is on disk."""


@dataclass
class Curve:
    """Loss and learning rate by step, at most about CURVE_POINTS points."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Hooks:
    """The loop's side effects: where checkpoints go, who hears of steps, who may stop it."""

    folder: Path | None = None
    checkpoint_seconds: float = 20.0
    checkpoint_steps: int | None = None
    on_start: Callable[[int], None] = lambda _step: None
    on_step: Callable[[int, float, float], None] = lambda _step, _loss, _seconds: None
    should_stop: Callable[[], bool] = lambda: False


def fit(
    network: nn.Module,
    images: Images,
    train: Train | Pretrain,
    seed: int,
    device: torch.device,
    hooks: Hooks,
    order: npt.NDArray[np.int64] | None = None,
) -> Curve:
    """Train `network` in place for `train.iterations` steps; resumes from `hooks.folder` if a checkpoint is there.

    A `Pretrain` learns which classes are present, a `Train` segments. `order` (M,) are the images of one pass, some of
    them more than once (None: each once). Raises DivergedError or StoppedError.
    """
    order = np.arange(len(images.sizes)) if order is None else order
    true_sizes = images.sizes[order]
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    set_batch_norm(network, train)
    padding = 0 if isinstance(train, Train) and train.label_padding == "background" else VOID
    if isinstance(train, Train):
        set_resizing(network, align_corners=train.align_corners)
    optimizer = make_optimizer(network, train)
    curve, start = Curve(), 0
    if hooks.folder is not None and (state := checkpoint.load(hooks.folder)) is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        curve, start = Curve(**state["curve"]), state["step"]
    pixels, labels, sizes = (torch.from_numpy(a).to(device) for a in (images.pixels, images.labels, images.sizes))
    every = max(1, train.iterations // CURVE_POINTS)
    wish = train.precision if isinstance(train, Train) else "auto"

    def save(step: int) -> None:
        if hooks.folder is not None:
            told = {"step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoint.save(hooks.folder, {**told, "curve": vars(curve)})

    hooks.on_start(start)
    saved = time.monotonic()
    for step in range(start, train.iterations):
        began = time.monotonic()
        drawn = augment.draw(
            seed,
            step,
            true_sizes,
            batch_size=train.batch_size,
            crop=train.crop,
            scales=train.scales,
            scale_per=train.scale_per if isinstance(train, Train) else "batch",
            flip=train.flip if isinstance(train, Train) else True,
            squash=train.squash if isinstance(train, Train) else None,
        )
        drawn = replace(drawn, index=order[drawn.index])
        x, y = augment.apply(pixels, labels, sizes, drawn, train.crop, label_padding=padding)
        if isinstance(train, Train) and train.void == "background":
            y = y.masked_fill(y == VOID, 0)
        for group in optimizer.param_groups:
            group["lr"] = train.lr * group["rate"] * multiplier(train, step)
        torch.manual_seed(int(generator(seed, "dropout", step).integers(2**62)))  # the only draws left to torch
        with autocast(device, wish):
            x = x.contiguous(memory_format=torch.channels_last)
            outs = in_parts(network, x, train.batch_norm_parts) if isinstance(train, Train) else (network(x),)
        if isinstance(train, Train):
            # one term, or v2's four of equal weight for multi-scale inputs
            how = {"upsample_logits": train.upsample_logits, "align_corners": train.align_corners}
            terms = [pixel_loss(out.float(), y, **how) for out in outs]
            loss = torch.stack(terms).sum()
        else:
            loss = presence_loss(outs[0], y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        last = step == train.iterations - 1
        if step % every == 0 or last:
            value = float(loss.detach())  # a wait for the device: not at every step
            if not torch.isfinite(loss):
                raise DivergedError(
                    f"the loss is {value} at step {step} of {train.iterations} (learning rate "
                    f"{train.lr * multiplier(train, step):.2g}, batch size {train.batch_size}); a smaller train.lr or "
                    "a larger train.batch_size may help"
                )
            curve.step.append(step)
            curve.loss.append(value)
            curve.lr.append(train.lr * multiplier(train, step))
            hooks.on_step(step + 1, value, time.monotonic() - began)
        stop = hooks.should_stop() and not last
        due = hooks.checkpoint_steps is not None and (step + 1) % hooks.checkpoint_steps == 0
        if stop or due or time.monotonic() - saved > hooks.checkpoint_seconds:
            save(step + 1)
            saved = time.monotonic()
        if stop:
            raise StoppedError(f"stopped after step {step + 1} of {train.iterations}")
    return curve
