"""From the configuration to a network's plain description, and what to warn of in it."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from cosim.batteries import batteries
from cosim.config import RunConfig
from cosim.config_network import NetworkConfig
from cosim.config_sources import preset_path, read_toml
from cosim.physics import physics_remarks
from cosim.seeds import NS3_RNG_SEED, stream
from learning import star
from learning.methods.catalogue import find_method
from ns3_scenarios import catalogue, interference, mobility
from ns3_scenarios.analytic import link_snr_db
from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.channel import Channel, log_normal_shadowing_db
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.loss_trace import LossTrace, read_loss_trace
from ns3_scenarios.mobility import neighbours_within
from ns3_scenarios.movement import Movement
from ns3_scenarios.ns2_movement import read_ns2_movement
from ns3_scenarios.path_loss import PATH_LOSSES
from ns3_scenarios.radio import Radio
from ns3_scenarios.scenario import (
    RADIO_PROFILES,
    Interference,
    MeshSettings,
    NetworkScenario,
    RadioCurrents,
    Recordings,
)
from ns3_scenarios.transport import UNANSWERED, Transport

# 25 devices that all hear each other work, 36 do not, whatever ns-3's own limit of peers says.
MOST_MESH_PEERS = 30
MOST_NAMED = 6


def make_scenario(config: RunConfig, energy_audit: bool = False) -> NetworkScenario:
    """Turn the configuration into a network's plain description."""
    net = config.network
    if net.kind != "ns3" and net.mobility != "static":
        raise ScenarioError(
            f"network.mobility: expected static with network.kind {net.kind}, got {net.mobility};"
            " only ns3 moves devices"
        )
    if net.kind == "analytic" and (net.path_loss, net.fading) != ("log_distance", "none"):
        raise ScenarioError(
            "network.path_loss: expected log_distance without fading with network.kind analytic,"
            f" got {net.path_loss} with fading {net.fading}; use --network.kind ns3"
        )
    if net.sync == "oracle" and net.transport in UNANSWERED:
        raise ScenarioError(
            f"network.sync: expected fixed_period with transport {net.transport}, got oracle"
            " (nobody can tell when what was lost would have arrived)"
        )
    if net.transport == "broadcast" and config.learning.mixing == "push_sum":
        raise ScenarioError(
            "network.transport: expected arq, tcp or udp with learning.mixing push_sum, got"
            " broadcast (each neighbour is sent totals of its own)"
        )
    if net.transport != "arq" and config.learning.late_weight > 0:
        reason = "its senders do not know what is missing"
        if net.transport == "tcp":
            reason = "its connections cannot take back what they hold"
        raise ScenarioError(
            f"learning.late_weight: expected 0 with transport {net.transport}, got"
            f" {config.learning.late_weight:g} ({reason})"
        )
    if net.kind != "ns3" and net.interferers:
        raise ScenarioError(
            f"network.interferers: expected 0 with network.kind {net.kind}, got {net.interferers};"
            " only ns3 has contention"
        )
    if net.kind != "ns3" and config.energy.radio_sleep:
        raise ScenarioError(
            f"energy.radio_sleep: expected false with network.kind {net.kind}, got true; only ns3"
            " has sleeping radios"
        )
    if net.kind != "ns3" and config.energy.revival_j is not None:
        raise ScenarioError(
            f"energy.revival_j: expected none with network.kind {net.kind}, got"
            f" {config.energy.revival_j:g}; only ns3 brings devices back"
        )
    movement = _movement(config)
    position_m = _positions_m(config) if movement is None else movement.start_m
    radio = Radio(**{field.name: getattr(net, field.name) for field in fields(Radio)})
    scenario = NetworkScenario(
        name=config.scenario,
        position_m=position_m,
        mobility=_mobility(net, position_m, movement),
        radio=radio,
        channel=_channel(config, radio),
        mesh=MeshSettings(
            max_packet_failure=net.mesh_max_packet_failure,
            max_beacon_loss=net.mesh_max_beacon_loss,
            path_lifetime_s=net.mesh_path_lifetime_s,
            metric=net.mesh_metric,
            root=net.mesh_root,
        ),
        transport=Transport(
            kind=net.transport,
            segment_bytes=net.segment_bytes,
            max_window_segments=net.max_window_segments,
            pacing_bps=0.0 if net.pacing_mbps is None else 1e6 * net.pacing_mbps,
            broadcast_mcs=net.broadcast_mcs,
        ),
        boot_s=net.boot_s,
        neighbours=_neighbours(config, position_m),
        contact_distance_m=net.neighbour_distance_m,
        **batteries(config),
        supply_voltage_v=_supply_voltage_v(config),
        currents=_currents(config),
        rng_seed=NS3_RNG_SEED,
        rng_run=config.seed,
        routing=net.routing,
        ap_height_m=net.ap_height_m,
        ap_is_device=net.ap_is_device,
        ns3_defaults={name.removeprefix("ns3::"): v for name, v in net.ns3_defaults.items()},
        interference=Interference(
            kind=net.interference,
            position_m=interference.pair_positions_m(
                net.interferers,
                mobility.bounding_area_m(position_m),
                net.interference_distance_m,
                net.device_height_m,
                stream(config.seed, "interference"),
            ),
            rate_bps=1e6 * net.interference_mbps,
            on_s=net.interference_on_s,
            off_s=net.interference_off_s,
        ),
        radio_sleep=config.energy.radio_sleep,
        board_idle_w=config.energy.board_idle_w,
        revival_j=math.inf if config.energy.revival_j is None else config.energy.revival_j,
        recordings=Recordings(net.pcap, net.flow_monitor, net.netanim),
        energy_audit=energy_audit,
    )
    catalogue.check(scenario)
    return scenario


def warnings(config: RunConfig, scenario: NetworkScenario) -> list[str]:
    """Say what will run, but perhaps not as the user thinks."""
    said = []
    is_star = find_method(config.learning.method).topology == "star"
    if is_star and config.learning.rounds % 2:
        said.append(
            f"learning.rounds {config.learning.rounds} is odd: {config.learning.method} sends up"
            " in one round and down in the next, so the last evaluation is of models that were"
            " not averaged"
        )
    said += _free_power(config)
    isolated = np.flatnonzero(~scenario.neighbours.any(axis=1))
    if isolated.size:
        said.append(
            f"no neighbour within {scenario.contact_distance_m:g} m"
            f" (network.neighbour_distance_m): device {', '.join(map(str, isolated))}"
        )
    said += physics_remarks(scenario) if config.network.kind != "ideal" else []
    if scenario.name == "mesh80211" and scenario.channel.path_loss == "log_distance":
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


def _free_power(config: RunConfig) -> list[str]:
    """Warn of a transmit power other than the scenario's whose change costs no joules."""
    energy, power_dbm = config.energy, config.network.tx_power_dbm
    preset = preset_path(config.scenario)
    network = read_toml(preset).get("network", {}) if preset else {}
    usual_dbm = network.get("tx_power_dbm", NetworkConfig().tx_power_dbm)
    follows = energy.tx_efficiency or RADIO_PROFILES[energy.radio_profile].tx_efficiency
    if power_dbm == usual_dbm or follows or energy.tx_current_a is not None:
        return []
    tx_a = _currents(config).tx_a
    return [
        f"network.tx_power_dbm {power_dbm:g}: transmitting draws {tx_a:g} A as at"
        f" {usual_dbm:g} dBm, so that power costs no joules; give energy.tx_efficiency (ns-3's"
        " linear model) or energy.tx_current_a"
    ]


def out_of_range(scenario: NetworkScenario, snr_db: FloatArray) -> list[str]:
    """Name the planned neighbours that cannot hear each other by the link budget at the start.

    snr_db (n, n): of each link, nan where nothing is known. A mesh and a routing protocol find
    other ways, if there are any; devices that move may meet later.
    """
    if scenario.mobility.moves:
        return []
    radio = scenario.radio
    power_dbm = np.fmin(snr_db, snr_db.T) + radio.noise_power_dbm
    reach = ~(power_dbm < radio.weakest_heard_dbm)
    if scenario.name == "mesh80211" or scenario.routing != "direct":
        for via in range(scenario.num_devices):  # Warshall's closure
            reach |= reach[:, [via]] & reach[[via], :]
    planned = np.triu(scenario.neighbours | scenario.neighbours.T)
    pairs = np.argwhere(planned & ~reach)
    if not len(pairs):
        return []
    named = [f"{i} and {j} ({power_dbm[i, j]:.1f} dBm)" for i, j in pairs[:MOST_NAMED]]
    more = [f"{len(pairs) - MOST_NAMED} more"] if len(pairs) > MOST_NAMED else []
    return [
        f"{len(pairs)} of {planned.sum()} planned pairs cannot hear each other, by received power"
        f" (a preamble takes {radio.weakest_heard_dbm:.1f} dBm): devices"
        f" {', '.join([*named, *more])}; what they send each other will be unreachable. Raise"
        " network.tx_power_dbm, place them closer, or plan nearer neighbours with"
        " network.neighbour_distance_m"
    ]


def _supply_voltage_v(config: RunConfig) -> float:
    given = config.energy.supply_voltage_v
    return RADIO_PROFILES[config.energy.radio_profile].supply_voltage_v if given is None else given


def _currents(config: RunConfig) -> RadioCurrents:
    energy = config.energy
    given = {
        "tx_a": energy.tx_current_a,
        "rx_a": energy.rx_current_a,
        "idle_a": energy.idle_current_a,
        "cca_busy_a": energy.cca_busy_current_a,
        "switching_a": energy.switching_current_a,
        "sleep_a": energy.sleep_current_a,
    }
    currents = replace(
        RADIO_PROFILES[energy.radio_profile].currents_at(config.network.tx_power_dbm),
        **{name: value for name, value in given.items() if value is not None},
    )
    if energy.tx_efficiency is None:
        return currents
    return currents.with_linear_tx(
        config.network.tx_power_dbm, _supply_voltage_v(config), energy.tx_efficiency
    )


def _positions_m(config: RunConfig) -> FloatArray:
    position_m = _placed_m(config)
    if not config.network.ap_is_device or config.network.placement == "file":
        return position_m
    # In the middle of the others.
    middle_m = position_m[1:, :2].mean(axis=0)
    return np.vstack([[*middle_m, config.network.ap_height_m], position_m[1:]])


def _placed_m(config: RunConfig) -> FloatArray:
    net, n, height_m = config.network, config.network.num_devices, config.network.device_height_m
    if (net.placement == "file") != (net.placement_file is not None):
        raise ScenarioError(
            "network.placement_file: expected a CSV file with placement file and none else,"
            f" got {net.placement_file} with {net.placement}"
        )
    if net.placement == "file":
        return mobility.file_positions_m(Path(str(net.placement_file)), n, height_m)
    if net.placement == "disc":
        rng = stream(config.seed, "placement")
        return mobility.disc_positions_m(n, net.disc_radius_m, rng, height_m)
    place = mobility.line_positions_m if net.placement == "line" else mobility.grid_positions_m
    return place(n, net.spacing_m, height_m)


def _neighbours(config: RunConfig, position_m: FloatArray) -> BoolArray:
    """Say who exchanges with whom, by distance, or with the server of a star."""
    net = config.network
    if find_method(config.learning.method).topology == "star":
        return star.links(net.num_devices)
    return neighbours_within(
        position_m, net.neighbour_distance_m if net.mobility == "static" else np.inf
    )


def _run_s(config: RunConfig) -> float:
    """How long the run lasts at most, from the start of the first round on [s]."""
    return config.learning.rounds * config.network.round_period_s


def _movement(config: RunConfig) -> Movement | None:
    """Read the movements of a trace, which also places the devices."""
    net = config.network
    if (net.mobility == "ns2_trace") != (net.mobility_trace is not None):
        raise ScenarioError(
            "network.mobility_trace: expected a file with mobility ns2_trace and none else,"
            f" got {net.mobility_trace} with {net.mobility}"
        )
    if net.mobility_trace is None:
        return None
    if net.placement_file is not None:
        raise ScenarioError(
            "network.placement_file: expected none with mobility ns2_trace, got"
            f" {net.placement_file} (the trace places the devices); leave one of them out"
        )
    return read_ns2_movement(
        Path(net.mobility_trace), net.num_devices, net.device_height_m, _run_s(config)
    )


def _mobility(
    net: NetworkConfig, position_m: FloatArray, movement: Movement | None
) -> mobility.Mobility:
    low_x, high_x, low_y, high_y = mobility.bounding_area_m(position_m)
    side_m = net.mobility_area_m
    if side_m is None:
        # Outwards to whole metres, so that rounding leaves nobody outside.
        low_x, low_y = math.floor(low_x), math.floor(low_y)
        side_m = max(math.ceil(high_x) - low_x, math.ceil(high_y) - low_y, 1)
    return mobility.Mobility(
        kind=net.mobility,
        min_speed_mps=net.min_speed_mps,
        max_speed_mps=net.max_speed_mps,
        pause_s=net.pause_s,
        memory=net.gauss_markov_memory,
        area_m=(low_x, low_x + side_m, low_y, low_y + side_m),
        movement=movement,
    )


def _loss_trace(config: RunConfig) -> LossTrace | None:
    net = config.network
    if net.loss_trace is None:
        return None
    trace = read_loss_trace(Path(net.loss_trace), net.num_devices, net.loss_trace_end)
    needed_s = _run_s(config)
    if trace.end == "stop" and trace.period_s < needed_s:
        raise ScenarioError(
            f"network.loss_trace: expected at least {needed_s:g} s for"
            f" {config.learning.rounds} rounds, got {trace.period_s:g} s in {net.loss_trace};"
            " run fewer rounds, or use loss_trace_end hold or loop"
        )
    return trace


def _channel(config: RunConfig, radio: Radio) -> Channel:
    net, n = config.network, config.network.num_devices
    model, loss_db = PATH_LOSSES[net.path_loss], net.reference_loss_db
    sigma_db = net.shadowing_sigma_db
    in_sight_db, hidden_db = model.sigma_db if sigma_db is None else (sigma_db, sigma_db)
    return Channel(
        path_loss=net.path_loss,
        path_loss_exponent=net.path_loss_exponent,
        reference_loss_db=radio.free_space_loss_db if loss_db is None else loss_db,
        shadowing_db=log_normal_shadowing_db(n, in_sight_db, stream(config.seed, "shadowing")),
        shadowing_sigma_db=in_sight_db,
        hidden_sigma_db=hidden_db,
        decorrelation_distance_m=net.decorrelation_distance_m,
        sight_distance_m=model.sight_m or net.decorrelation_distance_m,
        fading=net.fading,
        nakagami_m=net.nakagami_m,
        coherence_time_s=net.coherence_time_s,
        spectrum=net.phy == "spectrum",
        trace=_loss_trace(config),
    )
