"""Which trainings a protocol comes down to, and what their keys depend on."""

import pytest

from repro.errors import InputError
from repro.nets.registry import build_backbone
from repro.plan.chain import Inputs, backbone_only, evaluation_of, hard_labels, training_of
from repro.plan.code import Code
from repro.spec.load import load_suite
from repro.spec.protocol import Coco, Data, Evaluate, Model, Pretrain, Protocol, SecondStage, Seeds, Train
from repro.spec.resolve import resolve

CLASSES = {"voc2012": ("background", "cat", "chair"), "coco": ("background", "cat", "chair"), "scenes": ("a", "b")}
INPUTS = Inputs(
    data=lambda data, split: f"{data.name}/{split}/{data.train_images}",
    code=lambda stage, data: Code(((stage, data.name),)),
    classes=CLASSES.__getitem__,
    weights=lambda backbone: f"weights of {backbone}",
)
NO_WEIGHTS = Inputs(INPUTS.data, INPUTS.code, INPUTS.classes, lambda _backbone: "")


def _protocol(train, **more):
    return Protocol(data=Data(classes=3), train=train, **more)


def test_a_training_from_imagenet_stands_alone_and_keeps_the_files_digest():
    training = training_of(_protocol(Train(start="imagenet")), 0, INPUTS)
    assert training.chain() == [training]
    assert training.needs_weights
    assert training.weights == "weights of resnet101s"  # the papers' stem of three convolutions
    seven = _protocol(Train(start="imagenet"), model=Model(stem="conv7"))
    assert training_of(seven, 0, INPUTS).weights == "weights of resnet101"
    other = training_of(_protocol(Train(start="imagenet")), 0, NO_WEIGHTS)
    assert other.needs_weights
    assert other.key != training.key
    random = [training_of(_protocol(Train(start="random")), 0, i) for i in (INPUTS, NO_WEIGHTS)]
    assert random[0].key == random[1].key
    assert not random[0].needs_weights


def test_coco_is_a_training_of_its_own_that_all_seeds_start_from():
    protocol = _protocol(Train(start="coco", lr=0.0001, crop=321), coco=Coco(start="presence", images=7, iterations=9))
    trainings = [training_of(protocol, seed, INPUTS) for seed in (0, 1)]
    first, coco, last = trainings[1].chain()
    assert (first.task, coco.task, last.task) == ("presence", "segment", "segment")
    assert trainings[0].chain()[1].key == coco.key
    assert trainings[0].key != last.key
    assert coco.images.config() == {"name": "coco", "split": "train", "classes": 3, "images": 7, "side": None}
    assert (coco.settings.iterations, coco.settings.lr, coco.settings.crop) == (9, 0.007, 321)
    assert coco.model == last.model
    assert (first.seed, coco.seed, last.seed) == (0, 0, 1)


def test_each_seed_may_have_first_trainings_of_its_own():
    def chains(how, train):
        protocol = _protocol(train, coco=Coco(start="presence"), seeds=Seeds(first_training=how))
        return [training_of(protocol, seed, INPUTS).chain() for seed in (0, 1)]

    for train in (Train(start="presence"), Train(start="coco")):
        shared, own = chains("shared", train), chains("own", train)
        assert [one.seed for one in own[1]] == [1] * len(own[1])
        assert [one.seed for one in shared[1]] == [0] * (len(own[1]) - 1) + [1]
        # seed 0 is the same either way, so that a run with one seed is what it was and takes as long
        assert [one.key for one in own[0]] == [one.key for one in shared[0]]
        assert not {one.key for one in own[0]} & {one.key for one in own[1]}


def test_weights_of_a_file_and_second_stages_do_not_depend_on_what_seeds_share():
    stage = SecondStage(iterations=50)
    for train in (Train(start="imagenet"), Train(start="random", second_stage=stage)):
        keys = [
            [one.key for one in training_of(_protocol(train, seeds=Seeds(first_training=how)), 1, INPUTS).chain()]
            for how in ("shared", "own")
        ]
        assert keys[0] == keys[1]


def test_coco_from_imagenet_needs_the_weights_and_what_follows_does_not():
    coco, last = training_of(_protocol(Train(start="coco")), 0, INPUTS).chain()
    assert coco.needs_weights
    assert coco.weights
    assert not last.needs_weights
    assert not last.weights


def test_a_second_stage_starts_from_the_first_with_frozen_statistics():
    stage = SecondStage(iterations=50, lr=0.002, train_split="trainval")
    protocol = _protocol(Train(start="random", second_stage=stage))
    first, second = training_of(protocol, 3, INPUTS).chain()
    alone = training_of(_protocol(Train(start="random")), 3, INPUTS)
    assert first.key == alone.key
    assert (second.settings.output_stride, second.settings.iterations, second.settings.lr) == (8, 50, 0.002)
    assert (first.settings.batch_norm, second.settings.batch_norm) == ("train", "frozen_statistics")
    assert (first.images.split, second.images.split) == ("trainaug", "trainval")
    assert (first.seed, second.seed) == (3, 3)
    assert evaluation_of(protocol, second, INPUTS).training == second


def test_hard_classes_count_twice_in_training_only():
    data = Data(classes=3, duplicated=("chair", "cat"))
    protocol = Protocol(data=data, train=Train(start="presence"))
    training = training_of(protocol, 0, INPUTS)
    assert training.images.twice == (1, 2)
    assert training.images.config()["twice"] == [1, 2]
    assert training.parent.images.twice == ()
    assert "twice" not in evaluation_of(protocol, training, INPUTS).config()["data"]
    plain = training_of(Protocol(data=Data(classes=3), train=Train(start="presence")), 0, INPUTS)
    assert plain.key != training.key
    assert plain.parent.key == training.parent.key


def test_a_network_of_ones_own_brings_its_code_and_needs_no_weights(tmp_path, monkeypatch):
    (tmp_path / "own_chain.py").write_text("def build(classes, output_stride): ...\n")
    monkeypatch.chdir(tmp_path)
    model = Model(implementation="own_chain:build")
    for start in ("imagenet", "presence", "coco"):
        protocol = _protocol(Train(start=start), model=model, coco=Coco(start="imagenet"))
        for training in training_of(protocol, 0, INPUTS).chain():
            assert "own_chain" in dict(training.code.modules)
            assert (training.weights, training.needs_weights) == ("", False)
            assert training.model == model
    before = training_of(_protocol(Train(), model=model), 0, INPUTS).key
    (tmp_path / "own_chain.py").write_text("def build(classes, output_stride): return 1\n")
    assert training_of(_protocol(Train(), model=model), 0, INPUTS).key != before


def test_other_networks_say_nothing_of_it():
    settings = training_of(_protocol(Train()), 0, INPUTS).config()["model"]
    assert not {"implementation", "depthwise_batch_norm"} & set(settings)


def test_a_class_that_is_not_there_is_told_with_its_likeness():
    with pytest.raises(InputError, match=r"data.duplicated: 'chairs' is not a class of voc2012.*chair"):
        hard_labels(Data(duplicated=("chairs",)), CLASSES["voc2012"])


def test_the_first_training_may_see_fewer_images():
    protocol = _protocol(Train(start="presence"), pretrain=Pretrain(images=5))
    training = training_of(protocol, 0, INPUTS)
    assert training.parent.images.config()["images"] == 5
    assert training.images.config()["images"] is None


def test_scoring_makes_another_evaluation_of_the_same_strategy():
    training = training_of(_protocol(Train(start="random")), 0, INPUTS)
    ways = [{}, {"trimap_px": 3}, {"void": "background"}, {"average": "image"}]
    made = [evaluation_of(_protocol(Train(), evaluate=Evaluate(**execution)), training, INPUTS) for execution in ways]
    assert len({e.key for e in made}) == 4
    assert len({e.strategy for e in made}) == 1
    flipped = evaluation_of(_protocol(Train(), evaluate=Evaluate(flip=True)), training, INPUTS)
    assert flipped.strategy != made[0].strategy


@pytest.mark.parametrize(
    "model",
    [
        Model(backbone="resnet50", stem="conv7", stride_at="first_conv", last_block=6, multi_grid=(1, 2, 1), width=4),
        Model(backbone="vgg16", head="fc", atrous_rates=(6, 12), fc_channels=8, vgg_batch_norm=True, width=4),
        Model(backbone="xception71", head="aspp", atrous_rates=(6,), decoder=("conv2",), width=4, stem_width=6),
    ],
    ids=lambda model: model.backbone,
)
def test_the_first_trainings_backbone_fits(model):
    """By name and shape, but for what the network starts elsewhere."""
    own = build_backbone(model, 8).state_dict()
    shared = build_backbone(backbone_only(model), 32).state_dict()
    elsewhere = build_backbone(model, 8).starts_elsewhere
    assert {k: v.shape for k, v in own.items() if not k.startswith(elsewhere)} == {
        k: v.shape for k, v in shared.items()
    }


@pytest.mark.parametrize("scale", ["smoke", "tiny", "small"])
def test_below_scale_paper_every_seed_has_its_own_first_training_and_at_paper_none(scale):
    suite = load_suite()
    for table in map(suite.find, ("v2/table2", "v3/table3", "v3/table6", "v3plus/table5")):
        for cell in [cell for cell in table.cells() if cell.kind == "measured"][::4]:
            small, paper = (resolve(suite, table, cell.settings, at).protocol for at in (scale, "paper"))
            assert (small.seeds.first_training, paper.seeds.first_training) == ("own", "shared"), cell.id


def test_every_measured_cell_of_every_table_can_be_planned_at_smoke():
    suite = load_suite()
    names = {n: d.classes for n, d in suite.datasets.items() if isinstance(d.classes, tuple)}
    inputs = Inputs(INPUTS.data, INPUTS.code, names.__getitem__, lambda _backbone: "")
    tasks = set()
    for table in suite.select(["all"]):
        for cell in table.cells():
            if cell.kind == "measured":
                protocol = resolve(suite, table, cell.settings, "smoke").protocol
                training = training_of(protocol, 0, inputs)
                assert not any(one.needs_weights for one in training.chain()), cell.id
                tasks.add(tuple(one.task for one in training.chain()))
    assert tasks == {("presence", "segment"), ("presence", "segment", "segment")}
