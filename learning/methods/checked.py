"""A method of the user's own, held to the contract of interface.py in every step.

Whatever its functions return is checked before it is used, and an error in one of them is shown
with its own line. The checks are of shapes, names and one sum per step, so they cost nothing that
could be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from learning.data.normalise import scale_part
from learning.encoders import Stack
from learning.errors import LearningError
from learning.methods.interface import (
    TOPOLOGIES,
    ExtraFlop,
    Gradient,
    Method,
    MixedRound,
    Round,
    Rules,
)
from learning.models import Forward, Model, part_of
from learning.own_file import run_own

if TYPE_CHECKING:
    from learning.setup import LearningSetup

_REMEDY = "see learning/methods/interface.py"
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
        return _checked_rules(path, _of_type(path, "begin", rules, Rules), round_)

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

    def specific_dim(setup: LearningSetup) -> int:
        dim = run_own(path, f"{path}, specific_dim", method.specific_dim, setup)
        if not isinstance(dim, int) or not 0 <= dim < 2 * setup.feature_dim:
            raise _wrong(path, "specific_dim", f"0 to {2 * setup.feature_dim - 1}", repr(dim))
        return dim

    def flop(setup: LearningSetup, model: Model) -> ExtraFlop:
        return _of_type(
            path, "flop", run_own(path, f"{path}, flop", method.flop, setup, model), ExtraFlop
        )

    return replace(
        method,
        begin=begin,
        extra_state=extra_state,
        shared_parts=shared_parts,
        specific_dim=specific_dim,
        after_mixing=renewed if after_mixing else None,
        flop=flop,
    )


def _checked_rules(path: str, rules: Rules, round_: Round) -> Rules:
    """Wrap the functions of one round."""
    adjust, after_step, finish = rules.adjust, rules.after_step, rules.finish

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        loss = run_own(path, f"{path}, objective", rules.objective, passed, label, step)
        return _checked_loss(path, loss, passed, f"step {step} of round {round_.index + 1}")

    def adjusted(
        gradients: Mapping[str, Gradient], passed: Forward, label: Tensor, step: int
    ) -> dict[str, Tensor]:
        if adjust is None:
            return {}
        changed = run_own(path, f"{path}, adjust", adjust, gradients, passed, label, step)
        known = {name: each.gradient for name, each in gradients.items()}
        return _checked_renewal(path, "adjust", changed, known)

    def observed(passed: Forward, label: Tensor, step: int) -> None:
        if after_step is not None:
            run_own(path, f"{path}, after_step", after_step, passed, label, step)

    def finished(trained: Tensor) -> Stack:
        state = {} if finish is None else run_own(path, f"{path}, finish", finish, trained)
        return _checked_renewal(path, "finish", state, round_.state)

    return Rules(
        objective,
        adjusted if adjust else None,
        observed if after_step else None,
        finished if finish else None,
    )


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
    for name, value in _of_type(path, "extra_state", state, dict).items():
        if not isinstance(name, str) or "/" not in name or part_of(name) in taken:
            expected = f"names part/name with a part besides {', '.join(sorted(taken))}"
            raise _wrong(path, "extra_state", expected, repr(name))
        if not _is_float32(value) or value.shape[:1] != (n,):
            expected = f"float32 tensors ({n}, ...), one row a device"
            raise _wrong(path, "extra_state", expected, f"{name}: {_describe(value)}")
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
