"""Other programs' recipes in the protocol's words, against what these programs document."""

from __future__ import annotations

import os

import pytest

from repro.diagnose.recipe import read_recipe
from repro.errors import InputError
from repro.spec.keys import keys

IMAGES = {"train": 1464, "trainaug": 10582}
MMSEG = """
norm_cfg = dict(type='SyncBN', requires_grad=True)
crop_size = (512, 512)
model = dict(
    backbone=dict(type='ResNetV1c', depth=101, strides=(1, 2, 1, 1), norm_cfg=norm_cfg, norm_eval=False),
    decode_head=dict(type='DepthwiseSeparableASPPHead', dilations=(1, 12, 24, 36), channels=512, c1_channels=48,
                     dropout_ratio=0.1, align_corners=False, norm_cfg=norm_cfg),
    auxiliary_head=dict(type='FCNHead'), test_cfg=dict(mode='whole'))
train_pipeline = [dict(type='RandomResize', ratio_range=(0.5, 2.0)),
                  dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75), dict(type='PhotoMetricDistortion')]
train_dataloader = dict(batch_size=4, dataset=dict(type='PascalVOCDataset',
    ann_file=['ImageSets/Segmentation/train.txt', 'ImageSets/Segmentation/aug.txt']))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005))
param_scheduler = [dict(type='PolyLR', eta_min=1e-4, power=0.9)]
train_cfg = dict(max_iters=40000)
"""
TF = """
python deeplab/train.py --training_number_of_steps=30000 --train_split="train_aug" \\
  --model_variant="resnet_v1_101_beta" \\
  --atrous_rates=6 --atrous_rates=12 --atrous_rates=18 --decoder_output_stride=4 --train_batch_size=16 --num_clones=4 \\
  --base_learning_rate=0.007
python deeplab/eval.py --output_stride=8 --atrous_rates=12 --eval_scales=0.75 --eval_scales=1.0 --add_flipped_images
"""


def read(tmp_path, text, name, **more):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_recipe(path, more.get("form"), more.get("devices"), IMAGES)


def test_mmsegmentation(tmp_path):
    recipe = read(tmp_path, MMSEG, "deeplabv3plus_r101-d8_4xb4-40k_voc12aug-512x512.py")
    stated = recipe.settings
    assert set(stated) <= set(keys())
    for key, value in {
        "model.backbone": "resnet101", "model.stem": "beta", "model.separable": True, "model.decoder": ("conv2",),
        "model.atrous_rates": (6, 12, 18), "model.head_channels": 512, "train.output_stride": 8, "train.crop": 512,
        "train.scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0), "train.batch_size": 16, "train.batch_norm": "train",
        "train.batch_norm_parts": 1, "train.batch_norm_decay": 0.9, "train.weight_decay_on": "all", "train.lr": 0.01,
        "train.weight_decay": 0.0005, "train.iterations": 40000, "data.train_split": "trainaug",
        "evaluate.align_corners": False,
    }.items():  # fmt: skip
        assert stated[key] == value, key
    assert recipe.devices == 4  # by the name of the file
    assert any("auxiliary head (FCNHead)" in line for line in recipe.extras)
    assert any("ends at 0.0001" in line for line in recipe.extras)
    assert recipe.open == []


def test_a_batch_by_device_is_open_where_devices_are_not_known(tmp_path):
    recipe = read(tmp_path, MMSEG, "own.py")
    assert "train.batch_size" not in recipe.settings
    assert any("--devices" in line for line in recipe.open)
    assert read(tmp_path, MMSEG, "own.py", devices=2).settings["train.batch_size"] == 8


def test_released_flags_with_their_defaults(tmp_path):
    recipe = read(tmp_path, TF, "train.sh")
    for key, value in {
        "model.backbone": "resnet101", "model.multi_grid": (1, 1, 1), "model.separable": True, "train.lr": 0.007,
        "model.decoder": ("conv2",), "train.batch_norm_parts": 4, "train.weight_decay": 4e-5, "train.crop": 513,
        "model.atrous_rates": (6, 12, 18), "train.output_stride": 16, "evaluate.output_stride": 8,
        "evaluate.scales": (0.75, 1.0), "evaluate.flip": True, "data.train_split": "trainaug",
    }.items():  # fmt: skip
        assert recipe.settings[key] == value, key
    bare = read(tmp_path, "python train.py --train_logdir=x --model_variant=xception_65\n", "bare.sh").settings
    assert bare["train.lr"] == 0.0001
    assert bare["train.batch_size"] == 8
    assert bare["data.train_split"] == "train"


def test_torchvision(tmp_path):
    line = "torchrun --nproc_per_node=8 train.py --lr 0.02 --dataset voc -b 4 --model deeplabv3_resnet50 --epochs 30"
    recipe = read(tmp_path, line, "tv.txt")
    assert recipe.settings["train.batch_size"] == 32
    assert recipe.settings["train.iterations"] == 30 * (1464 // 32)
    assert recipe.settings["model.backbone"] == "resnet50"
    assert recipe.settings["train.crop"] == 480
    assert any("590,336" in line for line in recipe.extras)
    recipe = read(tmp_path, line.replace("--dataset voc", "--dataset voc_aug"), "sbd.txt")
    assert any("8,498" in line for line in recipe.extras)


@pytest.mark.parametrize(("more", "start"), [("", "random"), (" --weights-backbone {}.IMAGENET1K_V1", "imagenet")])
def test_torchvisions_script_starts_from_random_weights_unless_told(more, start, tmp_path):
    path = tmp_path / "train.sh"
    path.write_text("python train.py --aux-loss --foo 3 --model deeplabv3_resnet101" + more.format("ResNet101_Weights"))
    recipe = read_recipe(path, None, 1, {})
    assert recipe.settings["train.start"] == start
    assert "--foo" in recipe.open


def test_own_protocol_as_toml(tmp_path):
    recipe = read(tmp_path, '[train]\nbatch_size = 8\n"crop" = 321\n', "own.toml")
    assert recipe.settings == {"train.batch_size": 8, "train.crop": 321}


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("own.toml", "[train]\nbatchsize = 8\n", "batchsize"),
        ("own.toml", "", "no setting"),
        ("own.toml", "[train\n", "not valid TOML"),
        ("own.py", "x = 1\n", "nothing in it"),
        ("own.txt", "hello\n", "--as"),
        ("own.txt", "\x00\xff", "own.txt"),
    ],
)
def test_wrong_files(tmp_path, name, text, match):
    with pytest.raises(InputError, match=match):
        read(tmp_path, text, name)


def test_a_pipe_and_a_file_that_is_no_recipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "video.py").write_bytes(bytes(600_000))
    for name, match in (("pipe.toml", "no ordinary file"), ("video.py", "no recipe is so long")):
        with pytest.raises(InputError, match=match):
            read_recipe(tmp_path / name, None, None, IMAGES)


def test_wrong_form_and_missing_file(tmp_path):
    with pytest.raises(InputError, match="mmsegmentation"):
        read(tmp_path, "a = 1", "own.py", form="mmseg")
    with pytest.raises(InputError, match="no such file"):
        read_recipe(tmp_path / "gone.toml", None, None, IMAGES)


@pytest.mark.parametrize("value", ["nan", "1e999", "x", "6,", "[]", "513,321", ""])
def test_odd_values_are_named_and_never_crash(tmp_path, value):
    recipe = read(tmp_path, f"python train.py --train_crop_size={value} --model_variant=xception_65\n", "train.sh")
    assert "train.crop" not in recipe.settings or isinstance(recipe.settings["train.crop"], int)
