"""From the configuration to a network's plain description."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cosim.config.devices import batteries, device_table, machines, station_mcs
from cosim.config.draws import draws
from cosim.config.model import RunConfig
from cosim.config.placement import (
    make_mobility,
    planned_neighbours,
    positions_m,
    read_movement,
    run_s,
)
from cosim.config.rules import check
from cosim.config.section import part
from cosim.seeds import NS3_RNG_SEED, stream
from ns3_scenarios import catalogue
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.channel import Channel, ChannelSettings, log_normal_shadowing_db
from ns3_scenarios.description.energy import EnergySettings
from ns3_scenarios.description.interference import (
    Interference,
    InterferenceSettings,
    pair_positions_m,
)
from ns3_scenarios.description.link_trace import LinkTrace, read_link_trace
from ns3_scenarios.description.loss_trace import LossTrace, read_loss_trace
from ns3_scenarios.description.mobility import Mobility, bounding_area_m
from ns3_scenarios.description.network_kind import NETWORK_KINDS, READS
from ns3_scenarios.description.path_loss import PATH_LOSSES
from ns3_scenarios.description.radio import Radio, RadioSettings
from ns3_scenarios.description.scenario import (
    MeshSettings,
    NetworkScenario,
    RecordingSettings,
    ScenarioSettings,
)
from ns3_scenarios.description.shadowing import Area, draw_field, network_shadowing_db
from ns3_scenarios.description.transport import Transport, TransportSettings
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.surrogate import fitted


def make_scenario(config: RunConfig, energy_audit: bool = False) -> NetworkScenario:
    """Turn the configuration into a network's plain description."""
    net = config.network
    check(config)
    devices = device_table(config)
    machines(config, devices)  # refuses rows that cannot be
    movement = read_movement(config)
    position_m = positions_m(config) if movement is None else movement.start_m
    radio = Radio(**part(net, RadioSettings))
    mobility = make_mobility(net, position_m, movement)
    others_m = pair_positions_m(
        net.interferers,
        bounding_area_m(position_m),
        net.interference_distance_m,
        net.device_height_m,
        stream(config.seed, "interference"),
    )
    scenario = NetworkScenario(
        name=config.scenario,
        position_m=position_m,
        mobility=mobility,
        radio=radio,
        channel=_channel(config, radio, position_m, _ground_m(position_m, mobility, others_m)),
        mesh=MeshSettings(**part(net, MeshSettings)),
        transport=Transport(**part(net, TransportSettings)),
        settings=ScenarioSettings(**part(net, ScenarioSettings)),
        energy=EnergySettings(**part(config.energy, EnergySettings)),
        neighbours=planned_neighbours(config, position_m),
        **batteries(config, devices),
        draws=draws(config, devices),
        rng_seed=NS3_RNG_SEED,
        rng_run=config.seed,
        interference=Interference(
            **part(net, InterferenceSettings),
            position_m=others_m,
        ),
        recordings=RecordingSettings(**part(net, RecordingSettings)),
        link_trace=_link_trace(config),
        station_mcs=station_mcs(devices, radio),
        energy_audit=energy_audit,
    )
    catalogue.check(scenario)
    if NETWORK_KINDS[net.kind].is_fitted:
        fitted.check(scenario)
    return scenario


def _ground_m(position_m: FloatArray, mobility: Mobility, others_m: FloatArray) -> Area:
    """Return an area that devices and interferers never leave."""
    places_m = [position_m[:, :2], others_m[..., :2].reshape(-1, 2)]
    if mobility.movement is not None:
        places_m.append(mobility.movement.ends_m[:, :2])
    elif mobility.moves:
        places_m.append(np.reshape(mobility.area_m, (2, 2)).T)
    return bounding_area_m(np.vstack(places_m))


def _channel(config: RunConfig, radio: Radio, position_m: FloatArray, ground_m: Area) -> Channel:
    net = config.network
    model, loss_db = PATH_LOSSES[net.path_loss], net.reference_loss_db
    sigma_db = net.shadowing_sigma_db
    in_sight_db, hidden_db = model.sigma_db if sigma_db is None else (sigma_db, sigma_db)
    rng, field = stream(config.seed, "shadowing"), None
    if net.shadowing_model == "network" and net.path_loss != "trace":
        field = draw_field(ground_m, in_sight_db, net.shadowing_decay_m, rng)
        shadowing_db = network_shadowing_db(field, position_m)
    else:
        shadowing_db = log_normal_shadowing_db(len(position_m), in_sight_db, rng)
    derived = {
        "reference_loss_db": radio.free_space_loss_db if loss_db is None else loss_db,
        "shadowing_db": shadowing_db,
        "shadowing_field": field,
        "shadowing_sigma_db": in_sight_db,
        "hidden_sigma_db": hidden_db,
        "sight_distance_m": model.sight_m or net.decorrelation_distance_m,
        "trace": _loss_trace(config),
    }
    return Channel(**part(net, ChannelSettings) | derived)


def _link_trace(config: RunConfig) -> LinkTrace | None:
    net = config.network
    if net.link_trace is None or net.kind not in READS["link_trace"]:
        return None
    return read_link_trace(Path(net.link_trace), net.num_devices)


def _loss_trace(config: RunConfig) -> LossTrace | None:
    net = config.network
    if net.loss_trace is None:
        return None
    trace = read_loss_trace(Path(net.loss_trace), net.num_devices, net.loss_trace_end)
    needed_s = run_s(config)
    if trace.end == "stop" and trace.period_s < needed_s:
        raise ScenarioError(
            f"network.loss_trace: expected at least {needed_s:g} s for"
            f" {config.learning.rounds} rounds, got {trace.period_s:g} s in {net.loss_trace};"
            " run fewer rounds, or use loss_trace_end hold or loop"
        )
    return trace
