"""What the radio draws: its profile, and what the user gave instead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosim.config.model import RunConfig
from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.energy import RADIO_PROFILES, RadioCurrents


def supply_voltage_v(config: RunConfig) -> float:
    """Return the supply voltage of the radio [V]."""
    given = config.energy.supply_voltage_v
    return RADIO_PROFILES[config.energy.radio_profile].supply_voltage_v if given is None else given


def transmit_w(config: RunConfig, tx_power_dbm: FloatArray) -> FloatArray:
    """Return what the radio draws while it sends at each of these powers, (n,) [W]."""
    powers_dbm, which = np.unique(tx_power_dbm, return_inverse=True)
    tx_a = np.array([currents(config, float(each)).tx_a for each in powers_dbm])
    drawn_w: FloatArray = supply_voltage_v(config) * tx_a[which]
    return drawn_w


def currents(config: RunConfig, tx_power_dbm: float | None = None) -> RadioCurrents:
    """Return what the radio draws in each of its states [A], at the usual power or at another."""
    energy = config.energy
    power_dbm = config.network.tx_power_dbm if tx_power_dbm is None else tx_power_dbm
    given = {
        "tx_a": energy.tx_current_a,
        "rx_a": energy.rx_current_a,
        "idle_a": energy.idle_current_a,
        "cca_busy_a": energy.cca_busy_current_a,
        "switching_a": energy.switching_current_a,
        "sleep_a": energy.sleep_current_a,
    }
    drawn = replace(
        RADIO_PROFILES[energy.radio_profile].currents_at(power_dbm),
        **{name: value for name, value in given.items() if value is not None},
    )
    if energy.tx_efficiency is None:
        return drawn
    return drawn.with_linear_tx(power_dbm, supply_voltage_v(config), energy.tx_efficiency)
