"""Reports say of trainings that did not take their batches at once what that means."""

from types import SimpleNamespace

from repro.evaluate.adaptive_batches import AdaptiveBatch, batch_remarks
from repro.report.assemble import _layout_notes
from repro.run.remarks import remarks
from repro.spec.protocol import Train
from repro.train.loop import BatchLayout


def _records(*layouts):
    done = {str(i): {"result": {"remarks": remarks(Train(batch_size=16), one)}} for i, one in enumerate(layouts)}
    trainings = dict.fromkeys(done)
    # an evaluation, and a record of before there were remarks
    done |= {"e": {"result": {"miou": 0.5}}, "old": {"result": {}}}
    planned = [SimpleNamespace(evaluations={0: SimpleNamespace(key="e"), 1: SimpleNamespace(key="f")})] * 2
    return SimpleNamespace(done=done, trainings=trainings | {"old": None, "not done": None}, planned=planned)


def test_trainings_that_took_smaller_batches_are_counted():
    small, whole = [BatchLayout(0, 2, 4)], [BatchLayout(0, 4, 4)]
    (note,) = _layout_notes(_records(small, whole, small))
    assert note.startswith("In 2 of 5 trainings, batches of 16 were computed 8 images at a time")


def test_evaluations_in_smaller_batches_are_counted_apart():
    records = _records([BatchLayout(0, 2, 4)])
    records.done["f"] = {"result": {"remarks": batch_remarks([AdaptiveBatch(0, 8), AdaptiveBatch(16, 4)], 8)}}
    _, note = _layout_notes(records)
    assert note.startswith("In 1 of 2 evaluations, from image 17 on, memory was short and 4 images were")


def test_whole_batches_need_no_note():
    assert list(_layout_notes(_records([BatchLayout(0, 1, 16)], [BatchLayout(0, 8, 2)]))) == []
