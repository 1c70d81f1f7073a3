"""A method of your own: DMML whose labels are smoothed.

    (1 - e) CE(fused, y) + e CE(fused, uniform),  e = smoothing

Copy this file, change it, and name it:

    python cosim/run.py --learning.method results/my_method.py

What a method can do besides (parts of its own that travel, changed gradients, rules after mixing)
stands in learning/method.py; each file beside that one is an example.
"""

from __future__ import annotations

from torch import Tensor

from learning.method import Method, Round, Rules
from learning.model.stack import Forward


def begin(round_: Round) -> Rules:
    """Return the rules of one round, for all devices at once; do not change round_.state."""
    smoothing = round_.options["smoothing"]

    def objective(passed: Forward, label: Tensor, step: int) -> Tensor:
        """Return one loss a device, (a,), for the `a` devices that train in this step."""
        log_probability = passed.fused_logits.log_softmax(2)  # (a, B, C)
        own = log_probability.gather(2, label[..., None]).squeeze(2)  # (a, B)
        smoothed = (1 - smoothing) * own + smoothing * log_probability.mean(2)
        return -smoothed.mean(1)

    return Rules(objective)


# The options are numbers: --learning.method_options smoothing=0.2
METHOD = Method(begin, options={"smoothing": 0.1})
