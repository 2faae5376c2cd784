"""Settings changed by hand, told from those that records leave out because they nearly always have one value."""

from repro.plan.chain import Inputs, evaluation_of, training_of
from repro.plan.code import Code
from repro.report.overridden_settings import assignments, settings_of
from repro.spec.protocol import Evaluate, Model, Protocol, Train

INPUTS = Inputs(lambda *_: "data", lambda *_: Code(()), lambda _name: ("a", "b"), lambda _backbone: "")


def test_settings_that_records_leave_out_are_known_where_records_are_matched():
    """What was set by hand is found again, whether or not the other side's record says anything of it."""
    model = Model(head="aspp", atrous_rates=(6,), separable=True)
    evaluate = Evaluate(window=(257, 257), window_stride=(129, 129))
    plain, changed = (
        evaluation_of(protocol, training_of(protocol, 0, INPUTS), INPUTS)
        for protocol in (
            Protocol(model=model, train=Train(start="random")),
            Protocol(
                model=model.model_copy(update={"depthwise_batch_norm": False}), train=Train(start="random"),
                evaluate=evaluate,
            ),
        )
    )  # fmt: skip
    there, wanted = (
        settings_of([(one.training.task, one.training.config())], one.config()) for one in (plain, changed)
    )
    assert set(assignments(wanted, there)) == {
        "model.depthwise_batch_norm=false", "evaluate.window=[257,257]", "evaluate.window_stride=[129,129]"
    }  # fmt: skip
