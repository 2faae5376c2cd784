"""A training whose loss stops being a number: it fails with a diagnosis, all others go on."""

from repro.plan.chain import training_of
from repro.run.executors.local import LocalExecutor
from repro.run.executors.loop import run
from repro.run.executors.order import Work
from repro.run.job import Job
from repro.run.progress.events import Failed, TrainingDone
from repro.run.session import EXECUTE, Options, inputs
from repro.spec.load import load_suite
from repro.spec.protocol import Data, Model, Protocol, Train
from repro.store.store import Store


def test_a_diverged_training_is_diagnosed_and_the_others_go_on(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    told = inputs(Options((), store=store.root), load_suite(), store)
    model = Model(backbone="resnet50", units=(1, 1, 1, 1), width=2, stem_width=2)
    data = Data(name="scenes", classes=9, side=33, train_images=6, val_images=3)
    work = []
    for seed, lr in enumerate((1e30, 0.01)):
        # far beyond what a spec may ask for, so that it diverges at once
        train = Train(start="random", crop=33, batch_size=2, iterations=3).model_copy(update={"lr": lr})
        training = training_of(Protocol(model=model, data=data, train=train), seed, told)
        work.append(Work(training.key, Job(training, ())))
    events = []
    outcome = run(work, LocalExecutor(EXECUTE, store, ["cpu"]), events.append)
    diverged, good = (one.key for one in work)
    assert outcome.done == (good,)
    assert outcome.failed.keys() == {diverged}
    reason = outcome.failed[diverged]
    assert reason.startswith("DivergedError: the loss is nan at step")
    assert "a smaller train.lr" in reason
    assert store.failures(diverged)[0]["reason"] == reason
    assert {type(event) for event in events if getattr(event, "key", "") == good} >= {TrainingDone}
    assert [event.key for event in events if isinstance(event, Failed)] == [diverged]
