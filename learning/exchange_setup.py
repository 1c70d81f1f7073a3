"""How devices exchange models: what goes on the air, and how what arrived is mixed."""

from __future__ import annotations

from dataclasses import dataclass

from learning.checks import check_choices, check_numbers
from learning.codecs import CODECS
from learning.errors import LearningError

PAYLOAD_CODECS = tuple(CODECS)
MIXINGS = ("metropolis", "push_sum")


@dataclass(frozen=True)
class ExchangeSetup:
    """What decides the exchange of a run, checked when made.

    `top_k_share` of each array's elements travel with payload_codec top_k; it matters there alone.
    late_weight: factor on the mixing weight of a message whose rest comes a round later, 0: no rest
    is sent.

    Raises LearningError for an unknown name, a number out of range, and with push_sum for a codec
    other than float32 (its running totals grow, and with them what rounding takes) or a late_weight
    (its next totals hold what came too late).
    """

    mixing: str
    payload_codec: str
    top_k_share: float
    late_weight: float

    def __post_init__(self) -> None:
        check_choices(self, mixing=MIXINGS, payload_codec=PAYLOAD_CODECS)
        check_numbers(self, positive=("top_k_share",), not_negative=("late_weight",))
        if self.late_weight > 1:
            got = str(self.late_weight)
            raise LearningError("late_weight", "at most 1", got, "0.5 halves the weight")
        if self.top_k_share > 1:
            got = str(self.top_k_share)
            raise LearningError("top_k_share", "at most 1", got, "0.1 sends a tenth")
        if self.mixing == "push_sum" and self.payload_codec != "float32":
            raise LearningError(
                "payload_codec",
                "float32 with mixing push_sum",
                self.payload_codec,
                "rounding would take ever more of totals that grow; use mixing metropolis",
            )
        if self.mixing == "push_sum" and self.late_weight > 0:
            remedy = "the next totals hold what came too late; use mixing metropolis"
            raise LearningError(
                "late_weight", "0 with mixing push_sum", str(self.late_weight), remedy
            )
