"""ScalarWriter for TensorBoard: loss, learning rate and images per second by step, metrics at the end."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro.errors import InputError
from repro.spec.protocol import Evaluate, Pretrain, Train
from repro.train.schedule import multiplier


class ScalarWriter:
    """Writes to a folder of TensorBoard's for one training; does nothing without a folder."""

    def __init__(self, writer: Any = None) -> None:
        self._writer = writer

    def step(self, settings: Train | Pretrain, step: int, loss: float, seconds: float) -> None:
        """Write what is known after `step` steps, the last of which took `seconds`."""
        if self._writer is None:
            return
        self._writer.add_scalar("train/loss", loss, step)
        self._writer.add_scalar("train/learning_rate", settings.lr * multiplier(settings, step - 1), step)
        self._writer.add_scalar("train/images_per_second", settings.batch_size / max(seconds, 1e-9), step)

    def evaluated(self, evaluate: Evaluate, metrics: Mapping[str, float], step: int) -> None:
        """Write metrics, in [0, 1], by name."""
        if self._writer is not None:
            for name, value in metrics.items():
                self._writer.add_scalar(f"{name}/{evaluation_tag(evaluate)}", value, step)


def evaluation_tag(evaluate: Evaluate) -> str:
    """An evaluation in few words, such as "os8_6scales_flip"."""
    parts = [f"os{evaluate.output_stride}"]
    parts += [f"{len(evaluate.scales)}scales"] if len(evaluate.scales) > 1 else []
    parts += ["flip"] if evaluate.flip else []
    parts += ["crf"] if evaluate.crf else []
    parts += [f"trimap{evaluate.trimap_px}"] if evaluate.trimap_px else []
    return "_".join(parts)


@contextmanager
def scalars(folder: Path | None, name: str) -> Iterator[ScalarWriter]:
    """ScalarWriter under `folder`, in a folder of their own called `name`, flushed at the end."""
    if folder is None:
        yield ScalarWriter()
        return
    check_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / re.sub(r"[^\w.=-]+", "_", name)))
    try:
        yield ScalarWriter(writer)
    finally:
        writer.close()


def check_tensorboard() -> None:
    """InputError if TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError('--tensorboard: TensorBoard is not installed. Install it: pip install ".[tensorboard]"')
