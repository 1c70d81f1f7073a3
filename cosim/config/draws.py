"""What each device's radio and board draw: by its profile, and what the user gave instead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosim.config.devices import DeviceTable
from cosim.config.model import RunConfig
from ns3_scenarios.description.energy import RADIO_PROFILES, RADIO_STATES, Draws, RadioCurrents


def draws(config: RunConfig, table: DeviceTable) -> Draws:
    """Return what devices draw; a current or voltage that is given holds for all of them."""
    kinds = [_of_profile(config, name) for name in table.texts("radio_profile")]
    fixed_w, slope, state_w = (np.array(each) for each in zip(*kinds, strict=True))
    drawn = Draws(
        tx_power_dbm=table.numbers("tx_power_dbm"),
        state_power_w=state_w,
        tx_fixed_w=fixed_w,
        tx_slope=slope,
        board_idle_w=table.numbers("board_idle_w"),
    )
    state_w[:, RADIO_STATES.index("tx")] = drawn.transmit_w(drawn.tx_power_dbm)
    return drawn


def _of_profile(config: RunConfig, name: str) -> tuple[float, float, list[float]]:
    """Return what sending draws at no power [W], its slope, and all states but sending [W].

    Source of energy.tx_efficiency, I = P / (V eta) + I_idle: LinearWifiTxCurrentModel of ns-3.
    """
    energy, profile = config.energy, RADIO_PROFILES[name]
    volt = profile.supply_voltage_v if energy.supply_voltage_v is None else energy.supply_voltage_v
    currents = _given(config, profile.currents)
    states_w = currents.power_w(volt)
    if energy.tx_efficiency is not None:
        return volt * currents.idle_a, 1.0 / energy.tx_efficiency, states_w
    if energy.tx_current_a is None and profile.tx_efficiency > 0:
        slope_a_per_w = 1.0 / (profile.supply_voltage_v * profile.tx_efficiency)
        return volt * profile.tx_overhead_a, volt * slope_a_per_w, states_w
    return volt * currents.tx_a, 0.0, states_w


def _given(config: RunConfig, currents: RadioCurrents) -> RadioCurrents:
    energy = config.energy
    given = {
        "tx_a": energy.tx_current_a,
        "rx_a": energy.rx_current_a,
        "idle_a": energy.idle_current_a,
        "cca_busy_a": energy.cca_busy_current_a,
        "switching_a": energy.switching_current_a,
        "sleep_a": energy.sleep_current_a,
    }
    return replace(currents, **{name: a for name, a in given.items() if a is not None})
