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

    Raises LearningError for an unknown name, a number out of range, or a codec other than float32
    with push_sum: its running totals grow, and with them what rounding takes.
    """

    mixing: str
    payload_codec: str
    top_k_share: float

    def __post_init__(self) -> None:
        check_choices(self, mixing=MIXINGS, payload_codec=PAYLOAD_CODECS)
        check_numbers(self, positive=("top_k_share",), not_negative=())
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
