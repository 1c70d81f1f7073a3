"""What will run, but is not as regulations or the models of the channel have it."""

from __future__ import annotations

from ns3_scenarios.mobility import distances_m
from ns3_scenarios.path_loss import PATH_LOSSES, remarks
from ns3_scenarios.scenario import NetworkScenario

# The most that any regulation allows indoors and out without a licence: FCC 15.247 and 15.407.
MOST_EIRP_DBM = 36.0


def physics_remarks(scenario: NetworkScenario) -> list[str]:
    """Say where the radio or the channel leaves what is allowed, or what its model is for."""
    said = []
    eirp_dbm = scenario.radio.tx_power_dbm + scenario.radio.antenna_gain_dbi
    if eirp_dbm > MOST_EIRP_DBM:
        said.append(
            f"network.tx_power_dbm {scenario.radio.tx_power_dbm:g} with antenna_gain_dbi"
            f" {scenario.radio.antenna_gain_dbi:g} is {eirp_dbm:g} dBm EIRP; no regulation of"
            f" these bands allows more than {MOST_EIRP_DBM:g} dBm"
        )
    movement, path_loss = scenario.mobility.movement, scenario.channel.path_loss
    at_s = None
    if movement is not None:
        said += movement.remarks
        least_m, at_s = movement.least_distances_m(PATH_LOSSES[path_loss].on_ground)
    else:
        axes = slice(0, 2 if PATH_LOSSES[path_loss].on_ground else 3)
        least_m = distances_m(scenario.position_m[:, axes])
    return said + remarks(path_loss, scenario.radio.frequency_hz, least_m, at_s)
