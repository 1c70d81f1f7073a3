"""A rule of one's own for the iteration optimizer: by the root of the speed, half way to uniform.

python cosim/run.py --iteration.rule cosim/examples/own_rule.py --network.kind ideal
"""

import numpy as np

from cosim.planning.rules import Known, Rule


def weigh(known: Known) -> np.ndarray:
    """Weights > 0 (n, m): a modality with half the weight gets twice the iterations."""
    return np.sqrt(known.positive_speed)


RULE = Rule(weigh, "by the root of the speed")
