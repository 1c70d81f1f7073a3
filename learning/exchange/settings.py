"""How devices exchange models: what goes on the air, and how what arrived is mixed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from learning.data.settings import Settings
from learning.exchange.codecs import CODECS


class ExchangeSettings(Settings):
    """What goes on the air, and how what arrived is mixed.

    With push_sum a codec other than float32 is refused (its running totals grow, and with them what
    rounding takes), and a late_weight (its next totals hold what came too late).
    """

    mixing: Literal["metropolis", "push_sum"] = Field(
        "metropolis",
        description="metropolis: Metropolis-Hastings, what is lost stays with the receiver;"
        " push_sum: running sums, whose mean losses do not shift (payload_codec float32)",
    )
    payload_codec: Literal["float32", "float16", "int8", "top_k"] = Field(
        "float32",
        description="How parameters travel: float32, float16, int8 with a scale per array, or"
        " top_k: those that changed most since they were sent (generator sums: float32)",
    )
    top_k_share: float = Field(
        0.1,
        ge=1e-4,
        le=1.0,
        description="Share of an array's elements that top_k sends",
        json_schema_extra={"when": {"payload_codec": ["top_k"]}},
    )
    late_weight: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Factor on the weight of a message of which some came late and the rest is sent"
        " in the next round, in place of a new one; 0: what is late is dropped, and a new one sent",
    )

    @property
    def codecs(self) -> tuple[str, ...]:
        """Codecs by which a device may send in any round, the configured one among them.

        One that chooses needs to remember from the first round on, a rest that comes late goes on
        with the bytes that came before, and running sums are float32.
        """
        if self.mixing == "push_sum" or self.late_weight > 0:
            return (self.payload_codec,)
        return tuple(c for c in CODECS if not CODECS[c].chooses or c == self.payload_codec)

    @model_validator(mode="after")
    def _running_sums_fit(self) -> ExchangeSettings:
        if self.mixing == "push_sum" and self.payload_codec != "float32":
            raise ValueError(
                "learning.payload_codec: expected float32 with mixing push_sum, got"
                f" {self.payload_codec} (rounding would take ever more of totals that grow); use"
                " mixing metropolis"
            )
        if self.mixing == "push_sum" and self.late_weight > 0:
            raise ValueError(
                f"learning.late_weight: expected 0 with mixing push_sum, got {self.late_weight:g}"
                " (the next totals hold what came too late); use mixing metropolis"
            )
        return self
