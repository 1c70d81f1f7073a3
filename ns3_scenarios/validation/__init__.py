"""The network against theory.

theory_*: formulas from their sources. Each other module measures one theme on networks of the
shipped builders; CHECKS has them all.
"""

from ns3_scenarios.validation import (
    airtime,
    broadcast,
    common_shadowing,
    correlation,
    energy,
    mesh,
    propagation,
    saturation,
)

CHECKS = (
    *propagation.CHECKS,
    *correlation.CHECKS,
    *common_shadowing.CHECKS,
    *airtime.CHECKS,
    *saturation.CHECKS,
    *energy.CHECKS,
    *mesh.CHECKS,
    *broadcast.CHECKS,
)
