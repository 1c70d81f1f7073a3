"""What links have in common of the shadowing of one field, measured on a walk through it.

    3     4             0-1, 0-3, 0-4    10 m long, an end in common
    :   .               0-6              0-1 and as much again
0 - - - 1 - - - 6       2-5              beside 0-1, half a decay away
  2 - - - 5             7-8              10 decays from all
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.mobility import bounding_area_m
from ns3_scenarios.description.shadowing import draw_field
from ns3_scenarios.validation import theory_path_loss as theory
from ns3_scenarios.validation.check import LIMIT_STANDARD_ERRORS, Check, Make, Row
from ns3_scenarios.validation.child import in_child
from ns3_scenarios.validation.correlation import walked_losses_db

HEIGHT_M = 1.5
# The default of the program, and a decay that links of 10 m are several of.
SHADOWING_DB, DECAY_M = 4.0, 2.0
L_M = 10.0
PLACES_M = [
    *((0.0, 0.0), (L_M, 0.0)),
    *((0.5, -1.0), (0.0, L_M), (L_M * np.cos(np.pi / 18), L_M * np.sin(np.pi / 18))),
    *((L_M + 0.5, -1.0), (2 * L_M, 0.0)),
    *((0.0, 40.0), (L_M, 40.0)),
]
SETTINGS = {
    "num_devices": len(PLACES_M),
    "shadowing_model": "network",
    "shadowing_decay_m": DECAY_M,
    "neighbour_distance_m": 1.0,
}
LINKS = [(0, 1), (0, 3), (0, 4), (0, 6), (2, 5), (7, 8)]
CASES = [
    ("a link of 5 decays with itself", 0, 0),
    ("a link of 10 decays with itself", 3, 3),
    ("an end in common, 90 degrees", 0, 1),
    ("an end in common, 10 degrees", 0, 2),
    ("one beyond the other", 0, 3),
    ("parallel, half a decay apart", 0, 4),
    ("20 decays apart", 0, 5),
]
# From step to step of the walk everything is new: the network is 20 m wide.
STEP_M = 20.0 + 10 * DECAY_M


def common_rows(make: Make, quick: bool) -> list[Row]:
    """Compare covariances of links with the double integral of the field's covariance.

    All devices walk alike through one field; the standard error of N draws of a product of two
    Gaussians with variances V, V' and covariance C is sqrt((V V' + C^2) / N).
    """
    steps = 400 if quick else 1600
    made = make("adhoc80211", **SETTINGS)
    position_m = np.column_stack([PLACES_M, np.full(len(PLACES_M), HEIGHT_M)])
    low_x, high_x, low_y, high_y = bounding_area_m(position_m)
    area_m = (low_x, high_x + steps * STEP_M, low_y, high_y)
    channel, rng = made.channel, np.random.default_rng(made.rng_run)
    sigma_db, decay_m = channel.shadowing_sigma_db, channel.shadowing_decay_m
    field = draw_field(area_m, sigma_db, decay_m, rng)
    scenario = replace(
        made,
        position_m=position_m,
        channel=channel.model_copy(update={"shadowing_field": field}),
        mobility=made.mobility.model_copy(update={"mobility": "random_waypoint", "area_m": area_m}),
    )
    moved_m = [2 * STEP_M * step for step in range(steps)]  # both ends together
    loss_db = in_child(walked_losses_db, scenario, LINKS, moved_m, [0.0] * steps)
    ends_m = position_m[np.array(LINKS), :2]
    d_m = np.linalg.norm(ends_m[:, 0] - ends_m[:, 1], axis=1)
    x_db = loss_db - theory.log_distance_db(
        d_m, channel.path_loss_exponent, channel.reference_loss_db
    )
    return [_row(name, ends_m[[a, b]], x_db[:, [a, b]]) for name, a, b in CASES]


def _row(name: str, links_m: FloatArray, x_db: FloatArray) -> Row:
    """Return the row of two links: ends (2, 2, 2), draws (t, 2)."""
    first, second = links_m
    own, other, both = (
        SHADOWING_DB**2 * theory.field_covariance(a, b, DECAY_M)
        for a, b in ((first, first), (second, second), (first, second))
    )
    measured = float((x_db[:, 0] * x_db[:, 1]).mean())
    spread = np.sqrt((own * other + both**2) / len(x_db))
    shown = f"{both:.3f} dB^2", f"{measured:.3f} dB^2"
    return Row(name, *shown, float(abs(measured - both) / spread), LIMIT_STANDARD_ERRORS)


CHECKS = (
    Check(
        "Shadowing that links have in common: covariance (error in standard errors)",
        SETTINGS,
        "devices that walk alike through one field; the double integral of Agrawal and Patwari",
        common_rows,
    ),
)
