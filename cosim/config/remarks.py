"""What will run, but perhaps not as the user thinks, or as regulations and models have it."""

from __future__ import annotations

import numpy as np

from cosim.config.devices import overridden
from cosim.config.inert import inert
from cosim.config.model import RunConfig
from cosim.config.network import NetworkConfig
from cosim.config.placement import named_links, run_s
from cosim.config.sources import preset_values
from cosim.policies.catalogue import find_policy
from learning.methods.catalogue import topology_of
from ns3_scenarios.analytic import link_snr_db
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.catalogue import kind_of
from ns3_scenarios.description.energy import RADIO_STATES, Draws
from ns3_scenarios.description.mobility import distances_m
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.description.path_loss import PATH_LOSSES, remarks
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.surrogate import fitted

# The most that any regulation allows indoors and out without a licence: FCC 15.247 and 15.407.
MOST_EIRP_DBM = 36.0
# 25 devices that all hear each other work, 36 do not, whatever ns-3's own limit of peers says.
MOST_MESH_PEERS = 30
MOST_NAMED = 6


def warnings(config: RunConfig, scenario: NetworkScenario) -> list[str]:
    """Say what will run, but perhaps not as the user thinks."""
    said, learning = [], config.learning
    if learning.learns and learning.rounds % topology_of(learning.method).rounds_per_exchange:
        said.append(
            f"learning.rounds {learning.rounds} is odd: {learning.method} sends up"
            " in one round and down in the next, so the last evaluation is of models that were"
            " not averaged"
        )
    said += inert(config)
    said += _free_power(config, scenario.draws)
    said += _free_antennas(config)
    said += overridden(config)
    said += _outlasted(config, scenario)
    if config.iteration.schedule == "neutral" and not scenario.harvest.most_w.any():
        said.append(
            "iteration.schedule neutral spends what is harvested, and nobody harvests anything;"
            " use even, or give energy.harvest_power_w"
        )
    isolated = np.flatnonzero(~scenario.neighbours.any(axis=1))
    if isolated.size and named_links(config) is None:
        said.append(
            f"no neighbour within {scenario.settings.neighbour_distance_m:g} m"
            f" (network.neighbour_distance_m): device {', '.join(map(str, isolated))}"
        )
    said += physics_remarks(scenario) if NETWORK_KINDS[config.network.kind].has_channel else []
    if NETWORK_KINDS[config.network.kind].is_fitted:
        worth = fitted.remark(config.scenario, scenario.num_devices)
        said.append(f"network.kind {config.network.kind}: {worth}")
    kind = kind_of(scenario.name)
    if kind and kind.forwards and scenario.channel.path_loss == "log_distance":
        radio = scenario.radio
        heard_dbm = radio.noise_power_dbm + link_snr_db(scenario)
        in_range = (heard_dbm >= radio.preamble_detection_dbm).sum(axis=1)
        if in_range.max() > MOST_MESH_PEERS:
            said.append(
                f"device {in_range.argmax()} of the mesh has {in_range.max()} others in range; with"
                f" more than {MOST_MESH_PEERS} the peering of ns-3's 802.11s does not come to rest"
                " and little or nothing is delivered; use fewer devices, more distance or less"
                " power, or scenario adhoc80211"
            )
    return said


def _outlasted(config: RunConfig, scenario: NetworkScenario) -> list[str]:
    """Warn of a run that outlasts its measured links, unless these never change."""
    end_s = scenario.link_trace.end_s if scenario.link_trace else 0.0
    if not 0.0 < end_s < run_s(config):
        return []
    return [
        f"network.link_trace: its last row begins at {end_s:g} s, the run may last"
        f" {run_s(config):g} s; each link's last values hold to the end"
    ]


def _free_antennas(config: RunConfig) -> list[str]:
    """Warn of antennas whose circuits cost no joules."""
    net, energy = config.network, config.energy
    given = (energy.tx_current_a, energy.rx_current_a, energy.idle_current_a)
    if net.antennas == 1 or not NETWORK_KINDS[net.kind].has_radios or None not in given:
        return []
    return [
        f"network.antennas {net.antennas}: the radio draws what energy.radio_profile"
        f" {energy.radio_profile} draws with one; give energy.tx_current_a, energy.rx_current_a and"
        " energy.idle_current_a of a radio with as many"
    ]


def _free_power(config: RunConfig, draws: Draws) -> list[str]:
    """Warn of a transmit power other than the scenario's whose change costs no joules."""
    energy, power_dbm = config.energy, draws.tx_power_dbm
    network = preset_values(config.scenario).get("network", {})
    usual_dbm = network.get("tx_power_dbm", NetworkConfig().tx_power_dbm)
    follows = np.all(draws.tx_slope > 0)
    tx_w = draws.state_power_w[draws.tx_slope.argmin(), RADIO_STATES.index("tx")]
    free = not NETWORK_KINDS[config.network.kind].has_radios
    decides = find_policy(config.policy, config.policy_options).sets_power
    if decides and not (free or follows):
        return [
            f"policy {config.policy}: transmitting draws {tx_w:.3g} W at any power,"
            " so that less power saves no joules; give energy.tx_efficiency (ns-3's linear model)"
            " or energy.radio_profile esp32_s2"
        ]
    odd = (power_dbm != usual_dbm) & (draws.tx_slope == 0)
    if free or not odd.any() or energy.tx_current_a is not None:
        return []
    device, alike = int(odd.argmax()), np.all(power_dbm == power_dbm[0])
    of = f"tx_power_dbm {power_dbm[device]:g}"
    what = f"network.{of}" if alike else f"{of} of device {device}"
    return [
        f"{what}: transmitting draws {tx_w:.3g} W as at {usual_dbm:g} dBm, so that power costs no"
        " joules; give energy.tx_efficiency (ns-3's linear model) or energy.tx_current_a"
    ]


def out_of_range(scenario: NetworkScenario, snr_db: FloatArray) -> list[str]:
    """Name the planned neighbours that cannot hear each other by the link budget at the start.

    snr_db (n, n): of each link, nan where nothing is known. A mesh and a routing protocol find
    other ways, if there are any. Devices that move may meet later: these are named only where at
    the start no pair can.
    """
    radio = scenario.radio
    power_dbm = np.fmin(snr_db, snr_db.T) + radio.noise_power_dbm
    reach = ~(power_dbm < radio.weakest_heard_dbm)
    kind = kind_of(scenario.name)
    if (kind and kind.forwards) or scenario.settings.routing != "direct":
        for via in range(scenario.num_devices):  # Warshall's closure
            reach |= reach[:, [via]] & reach[[via], :]
    planned = np.triu(scenario.neighbours | scenario.neighbours.T)
    pairs = np.argwhere(planned & ~reach)
    moves = scenario.mobility.moves
    if not len(pairs) or (moves and len(pairs) < planned.sum()):
        return []
    named = [f"{i} and {j} ({power_dbm[i, j]:.1f} dBm)" for i, j in pairs[:MOST_NAMED]]
    more = [f"{len(pairs) - MOST_NAMED} more"] if len(pairs) > MOST_NAMED else []
    return [
        f"{len(pairs)} of {planned.sum()} planned pairs cannot hear each other, by received power"
        f" (a preamble takes {radio.weakest_heard_dbm:.1f} dBm): devices"
        f" {', '.join([*named, *more])}; what they send each other will be unreachable"
        f"{' until they meet' if moves else ''}. Raise"
        " network.tx_power_dbm, place them closer, or plan nearer neighbours with"
        " network.neighbour_distance_m"
    ]


def physics_remarks(scenario: NetworkScenario) -> list[str]:
    """Say where the radio or the channel leaves what is allowed, or what its model is for."""
    said = []
    device = int(scenario.draws.tx_power_dbm.argmax())
    tx_power_dbm = float(scenario.draws.tx_power_dbm[device])
    eirp_dbm = tx_power_dbm + scenario.radio.antenna_gain_dbi
    if eirp_dbm > MOST_EIRP_DBM:
        said.append(
            f"network.tx_power_dbm {tx_power_dbm:g} of device {device} with antenna_gain_dbi"
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
