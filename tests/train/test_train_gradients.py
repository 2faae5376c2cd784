"""Several processes sum up gradients, and wait for every parameter's: each step must give one to each of them."""

from __future__ import annotations

import torch

from repro.nets.init import initialise
from repro.nets.presence import PresenceNet
from repro.plan.chain import backbone_only
from repro.spec.load import load_suite
from repro.spec.protocol import Model, Pretrain, Train
from repro.spec.resolve import resolve
from repro.train.context import TrainingContext
from repro.train.distributed import SINGLE_PROCESS
from repro.train.optimizer import set_batch_norm
from repro.train.step import backward
from repro.train.training import network_of

SIDE, CLASSES = 33, 3


def _without(network: torch.nn.Module, settings: Train | Pretrain) -> list[str]:
    """Names of learned parameters that a step leaves without a gradient."""
    initialise(network, 0)
    network.train()
    set_batch_norm(network, settings)
    settings = settings.model_copy(update={"batch_size": 2, "crop": SIDE})
    x = torch.randn(2, 3, SIDE, SIDE)
    y = torch.randint(0, CLASSES, (2, SIDE, SIDE))
    backward(SINGLE_PROCESS.trainer(network, settings), x, y, TrainingContext(settings, 0, torch.device("cpu")), 0)
    return [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]


def test_a_step_of_every_measured_cell_gives_every_parameter_a_gradient() -> None:
    suite, seen = load_suite(), set()
    for table in suite.tables.values():
        for cell in table.cells():
            if cell.kind != "measured":
                continue
            protocol = resolve(suite, table, cell.settings, "smoke").protocol
            train = protocol.train.model_copy(update={"batch_norm_parts": 1})
            key = (protocol.model.model_dump_json(), train.output_stride, train.batch_norm, train.upsample_logits)
            if key in seen:
                continue
            seen.add(key)
            network = network_of(protocol.model, CLASSES, train)
            assert _without(network, train) == [], cell.id
    assert len(seen) > 30


def test_the_first_trainings_too() -> None:
    for backbone in ("resnet50", "vgg16", "xception65"):
        model = backbone_only(Model(backbone=backbone, width=2, stem_width=2))
        settings = Pretrain()
        assert _without(PresenceNet(model, CLASSES, settings.output_stride), settings) == [], backbone
