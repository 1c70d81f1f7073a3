"""Gives an access point and its stations the rates of rate_manager per_station."""

from __future__ import annotations

from typing import Any

import numpy as np

from ns3_scenarios.description.scenario import NetworkScenario


def give(ns: Any, scenario: NetworkScenario, radios: list[Any], ap: int) -> None:
    """Let each station and the access point, radios[ap], send each other at rates of their own.

    Both ways at the station's station_mcs, or, without these, each way at the highest MCS whose
    least SNR, where a bit error rate of 1e-6 is met, lies rate_margin_db or more below that of the
    link's budget: power of the sender and gains, path loss and shadowing at the start, noise, and
    10 log10(antennas / streams); where none does, at MCS 0.
    """
    native, radio = ns.cosim_native, scenario.radio
    modes = [radio.mode_name(mcs) for mcs in range(len(radio.rates_bps))]
    power_dbm = np.append(scenario.draws.tx_power_dbm, radio.tx_power_dbm)  # at last, of a relay
    least_db = np.array(native.LeastSnrsDb(radios[ap], modes, radio.spatial_streams))
    more_db = float(10 * np.log10(radio.antennas / radio.spatial_streams))

    def planned(sender: int, receiver: int) -> int:
        heard_dbm = native.PlannedPowerDbm(
            radios[sender], radios[receiver], float(power_dbm[sender])
        )
        snr_db = heard_dbm - radio.noise_power_dbm + more_db
        carried = np.flatnonzero(least_db + radio.rate_margin_db <= snr_db)
        return int(carried.max(initial=0))

    given = scenario.station_mcs
    for station in range(len(radios)):
        for sender, receiver in ((station, ap), (ap, station)):
            if station != ap:
                mcs = planned(sender, receiver) if given is None else int(given[station])
                native.SetStationMode(radios[sender], radios[receiver], modes[mcs])
