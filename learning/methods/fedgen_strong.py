"""FedGen with all that needs no decomposition: the baseline that DMML-KD has to beat.

The loss of dmml_strong + w_k CE(W g + b, y~), with the statistics generator over the whole of z_m.
"""

from __future__ import annotations

from learning.method import Method, Round, Rules
from learning.methods.dmml_strong import adjustment
from learning.methods.fedgen import teach, teaching_flop
from learning.methods.parts.generator import STATISTICS
from learning.model.losses import strong_loss
from learning.model.stack import GENERATOR_PART


def begin(round_: Round) -> Rules:
    """Apply the loss above."""
    prior, weight = adjustment(round_), round_.setup.unimodal_weight
    return teach(
        round_,
        STATISTICS,
        STATISTICS.teacher(round_),
        lambda passed, label, step: strong_loss(passed, label, prior, weight),
        adjusted=round_.setup.logit_adjustment,
    )


METHOD = Method(
    begin,
    STATISTICS.state,
    lambda setup, model: (GENERATOR_PART,),
    specific_share=0.0,
    flop=lambda setup, model: teaching_flop(setup, model, STATISTICS),
)
