"""Where a training starts, which images it sees twice, void in the loss."""

import numpy as np
import pytest
import torch

from repro.data import augment
from repro.data.images import PaddedSplit
from repro.errors import InputError
from repro.nets.deeplab import build
from repro.spec.protocol import Model, Pretrain, Train
from repro.train.context import TrainingContext
from repro.train.training import InitialWeights, order_of, train

CPU = torch.device("cpu")
SETTINGS = Train(start="random", crop=33, batch_size=2, iterations=2, optimizer="adamw", lr=0.01, scales=(1.0,))
SMALL = {
    "resnet50": Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2, last_block=5),
    "vgg16": Model(backbone="vgg16", units=(1, 1, 1, 1), width=2, head="fc", fc_channels=4, atrous_rates=(2, 3)),
    "xception65": Model(backbone="xception65", units=(1, 1, 1, 1), width=2, stem_width=2, multi_grid=(1, 2, 4)),
}


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    labels = np.zeros((6, 33, 33), dtype=np.uint8)
    labels[[1, 4], 5:15] = 2
    labels[3, 5:15] = 1
    labels[:, ::5] = 255
    pixels = rng.integers(0, 256, (6, 33, 33, 3), dtype=np.uint8)
    return PaddedSplit(pixels, labels, np.full((6, 2), 33, dtype=np.int32), tuple("abcdef"))


def test_images_of_hard_classes_come_twice(images):
    assert order_of(images.labels, [2]).tolist() == [0, 1, 2, 3, 4, 5, 1, 4]
    assert order_of(images.labels, [1, 2]).tolist() == [0, 1, 2, 3, 4, 5, 1, 3, 4]
    assert order_of(images.labels, [7]).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_pass_draws_them_twice(images, monkeypatch):
    seen = []
    sample = augment.sample

    def spy(pixels, labels, sizes, packed, crop, **told):
        seen.extend(packed[:, 0].tolist())
        return sample(pixels, labels, sizes, packed, crop, **told)

    monkeypatch.setattr(augment, "sample", spy)
    settings = SETTINGS.model_copy(update={"iterations": 4})
    train(SMALL["resnet50"], 3, images, None, TrainingContext(settings, 0, CPU), [2])
    assert sorted(seen) == [0, 1, 1, 2, 3, 4, 4, 5]


def test_void_as_background_enters_the_loss(images):
    everything = PaddedSplit(images.pixels, np.full_like(images.labels, 255), images.sizes, images.names)
    ignored = train(SMALL["resnet50"], 3, everything, None, TrainingContext(SETTINGS, 0, CPU))
    counted = train(
        SMALL["resnet50"],
        3,
        everything,
        None,
        TrainingContext(SETTINGS.model_copy(update={"void": "background"}), 0, CPU),
    )
    assert ignored.curve.loss == [0, 0]
    assert min(counted.curve.loss) > 0.1


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_backbone_starts_from_its_presence_training(name, images):
    from repro.plan.chain import backbone_only

    model = SMALL[name]
    settings = Pretrain(crop=33, batch_size=2, iterations=1)
    first = train(backbone_only(model), 3, images, None, TrainingContext(settings, 0, CPU))
    nothing = SETTINGS.model_copy(update={"lr": 1e-12, "iterations": 1, "output_stride": 16})
    then = train(model, 3, images, InitialWeights("presence", first.state, "first"), TrainingContext(nothing, 1, CPU))
    shared = [k for k, v in first.state.items() if k.startswith("backbone.") and v.dim() == 4]
    assert len(shared) >= 5
    for key in shared:
        torch.testing.assert_close(then.state[key], first.state[key], rtol=0, atol=1e-9)


def test_a_second_stage_goes_on_with_every_weight(images):
    model = SMALL["resnet50"]
    first = train(model, 3, images, None, TrainingContext(SETTINGS, 0, CPU))
    stage = SETTINGS.model_copy(
        update={"output_stride": 8, "batch_norm": "frozen", "lr": 1e-12, "iterations": 1, "weight_decay": 0.0}
    )
    then = train(
        model, 3, images, InitialWeights("segment", first.state, "first stage"), TrainingContext(stage, 0, CPU)
    )
    for key, value in first.state.items():
        torch.testing.assert_close(then.state[key], value, rtol=0, atol=1e-9, msg=key)


def test_a_training_of_another_network_is_refused(images):
    state = build(SMALL["vgg16"], 3, 16).state_dict()
    with pytest.raises(InputError, match=r"training abc: .*another network"):
        train(
            SMALL["resnet50"],
            3,
            images,
            InitialWeights("segment", state, "training abc"),
            TrainingContext(SETTINGS, 0, CPU),
        )
