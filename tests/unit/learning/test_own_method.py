"""A method from the user's own file: what it does, and how each mistake in it is reported."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_reference import Device, everything_arrives, make_setup, train_device
from pydantic import ValidationError
from torch.nn import functional

import learning
from learning.data.batches import draw_batch, gather_device_data
from learning.data.dealing.partition import partition_recordings
from learning.errors import LearningError
from learning.learner import Learner
from learning.methods.catalogue import find_method
from learning.own_file import begin_run, load_from

EXAMPLE = Path(learning.__file__).parent / "examples/own_method.py"
N = 4
EVERYBODY = np.ones(N, dtype=bool)

START = """
import torch
from learning.model.losses import fused_loss
from learning.method import ExtraFlop, Method, Rules

def plain(passed, label, step):
    return fused_loss(passed, label)

"""
END = """
METHOD = Method(lambda round_: Rules(objective))
"""


def own(tmp_path, text):
    file = tmp_path / "mine.py"
    file.write_text(START + text)
    return str(file)


def run(made, path):
    learner = Learner(make_setup(method=path), made)
    learner.train(3, 2 * learner.available, EVERYBODY)
    learner.mix(everything_arrives(learner), EVERYBODY)
    return learner


def refusal(made, path):
    with pytest.raises(LearningError) as refused:
        run(made, path)
    message = str(refused.value)
    assert message.startswith(path)
    assert "\n" not in message
    assert "remedy: " in message
    return message.removeprefix(path)


def test_the_example_is_label_smoothing_as_torch_has_it(made):
    options = {"smoothing": 0.3}
    learner = Learner(make_setup(method=str(EXAMPLE), method_options=options), made)
    start = learner.state()
    result = learner.train(0, 3 * learner.available, EVERYBODY)
    data = gather_device_data(made, partition_recordings(made, make_setup()), N)

    def loss(_device, outputs, label, _step):
        return functional.cross_entropy(outputs[2], label, label_smoothing=0.3)

    for k in range(N):

        def batch(step, k=k):
            rows = draw_batch(data, 8, 7, 0, step)[k]
            return {m: x[rows] for m, x in data.inputs.items()}, data.label[rows]

        twin = Device(start, k, dict.fromkeys(data.inputs, (3, 128)))
        losses = train_device(twin, batch, {"acc": 3, "gyro": 3}, loss, 2.0)
        assert result.loss[k] == pytest.approx(np.mean(losses), rel=1e-5)
        for name, value in twin.named_stack():
            torch.testing.assert_close(learner.state()[name][k], value.detach(), atol=1e-5, rtol=0)


def test_a_method_can_keep_send_and_renew_what_it_likes(made, tmp_path):
    learner = run(
        made,
        own(
            tmp_path,
            """
def begin(round_):
    def adjust(gradients, passed, label, step):
        return {"head/bias": torch.zeros_like(gradients["head/bias"].gradient)}
    def finish(trained):
        return {"steps/count": round_.state["steps/count"] + torch.arange(4.0)[:, None]}
    return Rules(plain, adjust, lambda passed, label, step: None, finish)

METHOD = Method(
    begin,
    extra_state=lambda setup, model: {"steps/count": torch.zeros(4, 1)},
    shared_parts=lambda setup, model: ("steps",),
    after_mixing=lambda round_, mixed: {"steps/count": 10 * mixed.mixed["steps/count"]},
    flop=lambda setup, model: ExtraFlop(per_step=7.0),
)
""",
        ),
    )
    # On a full mesh all end at the mean of 0, 1, 2, 3; then times ten.
    assert learner.state()["steps/count"].tolist() == [[15.0]] * 4
    start = Learner(make_setup(method="dmml"), made)
    assert torch.equal(learner.state()["head/bias"], start.state()["head/bias"])
    assert (learner.work_cost().per_step_flop - start.work_cost().per_step_flop == 7).all()


def test_a_missing_file_is_named(tmp_path):
    path = str(tmp_path / "nowhere.py")
    with pytest.raises(ValidationError, match=r"method: expected dmml_kd .*nowhere\.py; choose"):
        make_setup(method=path)
    with pytest.raises(LearningError, match="expected a Python file, got nothing there"):
        find_method(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\nraise RuntimeError('no luck')\n", "line 10: RuntimeError: no luck"),
        ("def begin(round_)\n    return 1\n", "line 9: SyntaxError"),
        ("y = 2\n", "expected a definition of METHOD, got torch"),
        ("METHOD = 3\n", "METHOD: expected a learning.method.Method, got int"),
        ("METHOD = Method(plain, colour=1)\n", "line 9: TypeError: .*colour"),
        ("METHOD = Method(plain, topology='ring')\n", "topology: expected peers .*got 'ring'"),
        ("METHOD = Method(plain, options={'a': 'b'})\n", "options, a: expected a number, got 'b'"),
    ],
)
def test_a_file_that_gives_no_method_says_why_and_where(made, tmp_path, text, expected):
    assert re.search(expected, refusal(made, own(tmp_path, text)))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("plain(passed, label, step).mean()", r"float tensor \(4,\), got float32 \(\) in step 1"),
        ("plain(passed, label, step)[:2]", r"got float32 \(2,\) in step 1 of round 4"),
        ("0.5", "got float in step 1"),
        ("label.sum(1)", r"got int64 \(4,\)"),
        ("plain(passed, label, step).detach()", "expected a loss of the parameters"),
        (
            "torch.where(passed.devices == 2, torch.nan, plain(passed, label, step))",
            "got nan for device 2 in step 1 of round 4",
        ),
        ("plain(passed, label, step) / (step - 2)", "got inf for device 0 in step 2 of round 4"),
        ("passed.nonsense", "line 9: AttributeError: .*nonsense"),
        ("plain(passed, label[:, :3], step)", "line 7: .*Error"),
    ],
)
def test_an_objective_that_breaks_the_contract_is_told_what_it_returned(
    made, tmp_path, objective, expected
):
    text = f"objective = lambda passed, label, step: {objective}\n" + END
    message = refusal(made, own(tmp_path, text))
    assert message.startswith(", objective: expected")
    assert re.search(expected, message)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            "plain, lambda *a: {'head/bias': a[0]['head/bias'].gradient[0]}",
            r"adjust.*float32 \(5,\)",
        ),
        ("plain, lambda *a: {'head/scale': torch.zeros(4)}", "adjust: expected names of gradients"),
        ("plain, lambda *a: None", "adjust: expected dict, got NoneType"),
        ("plain, None, lambda *a: a[9]", "after_step: .*line 10: IndexError"),
        (
            "plain, finish=lambda t: {'own/x': torch.zeros(4)}",
            "finish: expected names of the state",
        ),
        ("plain, finish=lambda t: {'head/bias': torch.zeros(4)}", r"finish: .*got float32 \(4,\)"),
        ("objective=plain, finish=lambda t: 1 / 0", "finish: .*line 10: ZeroDivisionError"),
    ],
)
def test_rules_that_break_the_contract_are_named(made, tmp_path, rules, expected):
    text = f"def begin(round_):\n    return Rules({rules})\n\nMETHOD = Method(begin)\n"
    assert re.search(expected, refusal(made, own(tmp_path, text)))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("lambda round_: plain", "begin: expected Rules, got function"),
        ("lambda round_: 1 / 0", "begin: .*line 9: ZeroDivisionError"),
        ("begin, lambda s, m: {'own': torch.zeros(4)}", "extra_state: expected names part/name"),
        ("begin, lambda s, m: {'head/x': torch.zeros(4)}", "extra_state: .*besides encoder_acc"),
        ("begin, lambda s, m: {'own/x': torch.zeros(3)}", r"float32 tensors \(4, ...\), one row"),
        ("begin, lambda s, m: {'own/x': torch.arange(4)}", r"got own/x: int64 \(4,\)"),
        (
            "begin, shared_parts=lambda s, m: ('own',)",
            "shared_parts: expected parts of extra_state",
        ),
        ("begin, shared_parts=lambda s, m: 'own'", "shared_parts: expected tuple, got str"),
        (
            "begin, after_mixing=lambda r, m: {'a/b': 1}",
            "after_mixing: expected names of the state",
        ),
        ("begin, flop=lambda s, m: 3.0", "flop: expected ExtraFlop, got float"),
        ("begin, specific_share=-1", "specific_share: expected 0 to below 1, got -1"),
    ],
)
def test_a_method_that_breaks_the_contract_is_named(made, tmp_path, fields, expected):
    text = "begin = lambda round_: Rules(plain); METHOD = Method(" + fields + ")\n"
    assert re.search(expected, refusal(made, own(tmp_path, text)))


def test_checking_changes_no_number(made, tmp_path):
    checked = run(made, own(tmp_path, "METHOD = Method(lambda round_: Rules(plain))\n"))
    plain = run(made, "dmml")
    assert checked.parameters_digest() == plain.parameters_digest()


def test_products_that_a_method_does_not_charge_are_refused_with_their_number(made, tmp_path):
    text = """
def objective(passed, label, step):
    weight = torch.ones(5, 5)
    return fused_loss(passed, label) + (passed.fused_logits @ weight).square().mean((1, 2))

def begin(round_):
    return Rules(objective)

"""
    forward = 2 * 8 * 5 * 5  # 8 samples, 5 classes
    path = own(tmp_path, text + "METHOD = Method(begin)\n")
    expected = (
        f", flop: expected at least the {forward} FLOP a device of objective in a step, got 0"
    )
    assert refusal(made, path).startswith(expected)
    for declared in (forward - 1, forward):
        flop = f"flop=lambda setup, model: ExtraFlop(per_step={declared})"
        path = own(tmp_path, text + f"METHOD = Method(begin, {flop})\n")
        if declared < forward:
            assert f"got {declared}" in refusal(made, path)
        else:
            run(made, path)
    decomposed = text.replace("(passed.fused_logits @ weight)", "torch.linalg.qr(weight)[0].sum()")
    path = own(
        tmp_path, decomposed.replace(".square().mean((1, 2))", "") + "METHOD = Method(begin)\n"
    )
    assert "more than 0 FLOP a device, for linalg_qr in objective" in refusal(made, path)


def test_a_number_that_a_device_keeps_may_travel(made, tmp_path):
    text = """
def begin(round_):
    return Rules(plain)

METHOD = Method(
    begin,
    extra_state=lambda setup, model: {"own/count": torch.arange(4.0)},
    shared_parts=lambda setup, model: ("own",),
)
"""
    learner = run(made, own(tmp_path, text))
    # All hear all: everybody's mean of 0, 1, 2, 3.
    torch.testing.assert_close(learner.state()["own/count"], torch.full((4,), 1.5))


def test_a_file_is_run_once_a_run_and_again_when_it_has_changed_or_another_run_begins(tmp_path):
    count, path = tmp_path / "count", tmp_path / "mine.py"
    mark = f"with open({str(count)!r}, 'a') as count:\n    count.write('x')\n"
    path.write_text(mark + "METHOD = 1\n")
    begin_run()
    for _ in range(3):
        assert load_from(str(path), "METHOD", "mend it") == 1
    assert count.read_text() == "x"
    path.write_text(mark + "METHOD = 2\n")
    assert load_from(str(path), "METHOD", "mend it") == 2
    assert count.read_text() == "xx"
    begin_run()
    assert load_from(str(path), "METHOD", "mend it") == 2
    assert count.read_text() == "xxx"
