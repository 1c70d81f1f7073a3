"""A method of the user's own, held to the contract of learning/method.py in every step.

Whatever its functions return is checked before it is used, and an error in one of them is shown
with its own line. The checks are of shapes, names and one sum per step, and in the first step of a
round of the products that work_count.py finds, so they cost nothing that could be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from learning.data.normalise import scale_part
from learning.errors import LearningError
from learning.method import ExtraFlop, Gradient, Method, MixedRound, Round, Rules
from learning.model.encoders import Stack
from learning.model.stack import Forward, Model, part_of
from learning.model.work_count import Counter
from learning.names import check_names
from learning.own_file import run_own
from learning.topology import TOPOLOGIES

if TYPE_CHECKING:
    from learning.settings import LearningSetup

_REMEDY = "see learning/method.py"
T = TypeVar("T")


def checked(method: Method, path: str) -> Method:
    """Return the method with every function wrapped in its checks; path: of its file.

    Raises LearningError where what the method says of itself is of the wrong kind.
    """
    if method.topology not in TOPOLOGIES:
        raise _wrong(path, "topology", " | ".join(TOPOLOGIES), repr(method.topology))
    for name, value in method.options.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(path, f"options, {name}", "a number", repr(value))
    after_mixing = method.after_mixing

    def begin(round_: Round) -> Rules:
        rules = run_own(path, f"{path}, begin", method.begin, round_)
        rules = _of_type(path, "begin", rules, Rules)
        return _checked_rules(path, rules, round_, flop(round_.setup, round_.model))

    def extra_state(setup: LearningSetup, model: Model) -> Stack:
        state = run_own(path, f"{path}, extra_state", method.extra_state, setup, model)
        checked_state = _checked_extra_state(path, state, setup, model)
        for part in shared_parts(setup, model):
            if part not in {part_of(name) for name in checked_state}:
                raise _wrong(path, "shared_parts", "parts of extra_state", repr(part))
        return checked_state

    def shared_parts(setup: LearningSetup, model: Model) -> tuple[str, ...]:
        parts = run_own(path, f"{path}, shared_parts", method.shared_parts, setup, model)
        return _of_type(path, "shared_parts", parts, tuple)

    def renewed(round_: Round, mixed: MixedRound) -> Stack:
        if after_mixing is None:
            return {}
        state = run_own(path, f"{path}, after_mixing", after_mixing, round_, mixed)
        return _checked_renewal(path, "after_mixing", state, mixed.mixed)

    share = method.specific_share
    if not isinstance(share, (int, float)) or not 0 <= share < 1:
        raise _wrong(path, "specific_share", "0 to below 1", repr(share))

    def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
        return _of_type(
            path, "flop", run_own(path, f"{path}, flop", method.flop, setup, model), ExtraFlop
        )

    return replace(
        method,
        begin=begin,
        extra_state=extra_state,
        shared_parts=shared_parts,
        after_mixing=renewed if after_mixing else None,
        flop=flop,
        in_threads=False,
    )


def _checked_rules(path: str, rules: Rules, round_: Round, extra: ExtraFlop) -> Rules:
    """Wrap the functions of one round; in its first step their work is held against `extra`."""
    adjust, after_step, finish = rules.adjust, rules.after_step, rules.finish

    def call(name: str, function: Callable[..., T], *args: Any) -> T:
        *_, passed, _, step = args
        if step > 1:
            return run_own(path, f"{path}, {name}", function, *args)
        with Counter() as counter:
            result = run_own(path, f"{path}, {name}", function, *args)
        _check_charged(path, name, counter, extra, passed)
        return result

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        loss = call("objective", rules.objective, passed, label, step)
        return _checked_loss(path, loss, passed, f"step {step} of round {round_.index + 1}")

    def adjusted(
        gradients: Mapping[str, Gradient], passed: Forward, label: Tensor, step: int
    ) -> dict[str, Tensor]:
        if adjust is None:
            return {}
        changed = call("adjust", adjust, gradients, passed, label, step)
        known = {name: each.gradient for name, each in gradients.items()}
        return _checked_renewal(path, "adjust", changed, known)

    def observed(passed: Forward, label: Tensor, step: int) -> None:
        if after_step is not None:
            call("after_step", after_step, passed, label, step)

    def finished(trained: Tensor) -> Stack:
        state = {} if finish is None else run_own(path, f"{path}, finish", finish, trained)
        return _checked_renewal(path, "finish", state, round_.state)

    return Rules(
        objective,
        adjusted if adjust else None,
        observed if after_step else None,
        finished if finish else None,
    )


def _check_charged(
    path: str, name: str, counter: Counter, extra: ExtraFlop, passed: Forward
) -> None:
    """Refuse products that the method's flop does not charge; the backward pass is its own word."""
    charged = extra.per_step + len(passed.rows) * extra.per_iteration + extra.per_round
    done = counter.flop / len(passed.devices)
    if done > charged or (counter.uncounted and charged == 0):
        expected = f"at least the {done:.0f} FLOP a device of {name} in a step"
        if done <= charged:
            expected = f"more than 0 FLOP a device, for {counter.uncounted} in {name}"
        remedy = "return ExtraFlop(per_step=...) with the work of both passes"
        raise LearningError(f"{path}, flop", expected, f"{charged:.0f}", remedy)


def _checked_loss(path: str, loss: Any, passed: Forward, when: str) -> Tensor:
    expected = f"one finite loss per device that trains, a float tensor ({len(passed.devices)},)"
    if not isinstance(loss, Tensor):
        raise _wrong(path, "objective", expected, f"{type(loss).__name__} in {when}")
    if loss.shape != passed.devices.shape or not loss.is_floating_point():
        got = f"{loss.dtype} {tuple(loss.shape)} in {when}"
        raise _wrong(path, "objective", expected, got.replace("torch.", ""))
    finite = loss.detach().isfinite()
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0])
        got = f"{float(loss.detach()[row])} for device {int(passed.devices[row])} in {when}"
        raise _wrong(path, "objective", expected, got)
    if not loss.requires_grad:
        got = f"one that depends on none, in {when}"
        raise _wrong(path, "objective", "a loss of the parameters", got)
    return loss


def _checked_extra_state(path: str, state: Any, setup: LearningSetup, model: Model) -> Stack:
    taken = {part_of(name) for name in model.initial} | {"pace"}
    taken |= {scale_part(m) for m in model.encoders}
    n = setup.num_devices
    state = _of_type(path, "extra_state", state, dict)
    for name, value in state.items():
        if not isinstance(name, str) or "/" not in name or part_of(name) in taken:
            expected = f"names part/name with a part besides {', '.join(sorted(taken))}"
            raise _wrong(path, "extra_state", expected, repr(name))
        if not _is_float32(value) or value.shape[:1] != (n,):
            expected = f"float32 tensors ({n}, ...), one row a device"
            raise _wrong(path, "extra_state", expected, f"{name}: {_describe(value)}")
    check_names(f"{path}, extra_state, part", dict.fromkeys(part_of(name) for name in state))
    return dict(state)


def _checked_renewal(path: str, function: str, given: Any, known: Mapping[str, Tensor]) -> Stack:
    """Check tensors by name against those that they replace."""
    for name, value in _of_type(path, function, given, dict).items():
        if name not in known:
            expected = "names of gradients" if function == "adjust" else "names of the state"
            raise _wrong(path, function, f"{expected} ({', '.join(known)})", repr(name))
        old = known[name]
        if not _is_float32(value) or value.shape != old.shape:
            raise _wrong(path, function, f"{name}: {_describe(old)}", _describe(value))
    return {name: value.detach() for name, value in given.items()}


def _is_float32(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float32


def _describe(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{value.dtype} {tuple(value.shape)}".removeprefix("torch.")


def _of_type(path: str, function: str, value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise _wrong(path, function, kind.__name__, type(value).__name__)
    return value


def _wrong(path: str, function: str, expected: str, got: str) -> LearningError:
    return LearningError(f"{path}, {function}", expected, got, _REMEDY)
