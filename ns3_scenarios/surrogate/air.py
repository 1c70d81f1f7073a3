"""What radios hear of each other, and how long their frames take: all that stays in a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ns3_scenarios.analytic import link_snr_db
from ns3_scenarios.arrays import BoolArray, FloatArray
from ns3_scenarios.description.scenario import NetworkScenario

# 802.11ax of 20 MHz, guard interval of 3.2 us (IEEE 802.11ax-2021, 27.5), as ns-3.44 plays it.
SLOT_S, SIFS_S, AIFS_S = 9e-6, 16e-6, 43e-6
# Of data and of legacy frames; ns-3's radios are cca_busy while they last.
PREAMBLE_S, HEAD_S = 44e-6, 20e-6
# Of control frames, without what is above; of a BlockAck the bitmap of 256.
RTS_BYTES, CTS_BYTES, BAR_BYTES, BLOCK_ACK_BYTES = 20, 14, 24, 56
# Rates of control frames: of the OFDM ones below 36 Mbit/s those with a rate of 802.11ax whose
# modulation and code they have, as (Mbit/s, that MCS): IEEE 802.11-2020, 10.6.6.5.
CONTROL_RATES = ((6, 0), (12, 1), (24, 3))
# From the end of an RTS to the backoff of a sender that gets no CTS: SIFS, a slot, a preamble.
CTS_TIMEOUT_S = 16e-6 + 9e-6 + 20e-6
# Until who has heard an RTS but no data takes the medium for idle: 2 SIFS, CTS, preamble, 2 slots.
NAV_RESET_S = 2 * 16e-6 + 44e-6 + 20e-6 + 2 * 9e-6 - 16e-6
CW_MIN, CW_MAX = 15, 1023
RETRY_LIMIT = 7
# Data and their frame headers of no more go without an RTS.
UNPROTECTED_BYTES = 500.0
MAX_PPDU_S = 5.484e-3
MOST_MPDUS = 42
# How long ns-3's MAC queues keep a frame.
LIFETIME_S = 0.5
# ns-3's CcaSensitivity, on the sum of all powers once a frame arrives.
CCA_SENSITIVITY_DBM = -82.0
# SNR [dB] from which on ns-3's IdealWifiManager takes each HE MCS, measured on links alone in steps
# of 0.7 dB (MCS 4 to 11); of those below, which no link alone that is heard uses, by their spacing.
MCS_SNR_DB = (1.0, 4.5, 7.0, 10.3, 13.3, 17.5, 19.0, 21.1, 24.7, 26.1, 32.5, 34.7)
# Headers of transport (32), UDP and IP (28), LLC (8), MAC (30), and the delimiter of an A-MPDU (4).
HEADER_BYTES = 102
# A fourth address and mesh control.
MESH_BYTES = 12
ANSWER_BYTES = 56 + HEADER_BYTES - 32


def legacy_s(size_bytes: int, rate_mbps: int) -> float:
    """Return how long a frame of OFDM is on the air [s]: 20 us + 4 us * symbols (17.4.3)."""
    return HEAD_S + 4e-6 * -(-(16 + 8 * size_bytes + 6) // (4 * rate_mbps))


@dataclass(frozen=True)
class Control:
    """Control frames of one rate: least SNR, and seconds of RTS, CTS or Ack, request, BlockAck."""

    snr: float
    rts_s: float
    cts_s: float
    bar_s: float
    block_ack_s: float


CONTROLS = tuple(
    Control(
        10 ** (0.1 * MCS_SNR_DB[mcs]),
        *(legacy_s(each, rate) for each in (RTS_BYTES, CTS_BYTES, BAR_BYTES, BLOCK_ACK_BYTES)),
    )
    for rate, mcs in CONTROL_RATES
)


def control_at(snr: float) -> Control:
    """Return the fastest control frames that a sender uses who was told this SNR last."""
    return next((each for each in reversed(CONTROLS) if snr >= each.snr), CONTROLS[0])


@dataclass(frozen=True)
class Air:
    """Powers between devices in units of the noise, (n, n): row sends, column receives.

    hears: column detects the preambles of row; sensed_snr_db: from which sum of powers on the
    medium is busy. rows: snr as lists. mcs_snr: least SNR of each rate, rates_bps: theirs.
    """

    snr: FloatArray
    hears: BoolArray
    mcs_snr: list[float]
    rates_bps: list[float]
    sensed_snr_db: float
    rows: list[list[float]]


def air_of(scenario: NetworkScenario) -> Air:
    """Work out a scenario's powers from its link budgets, as `analytic.link_snr_db` has them."""
    snr_db, radio = link_snr_db(scenario), scenario.radio
    # ns-3 drops what is weaker.
    weakest_db = radio.rx_sensitivity_dbm - radio.noise_power_dbm
    snr_db = np.where(snr_db >= weakest_db, snr_db, -np.inf)
    hears = snr_db + radio.noise_power_dbm >= radio.weakest_heard_dbm
    return Air(
        snr=10 ** (0.1 * snr_db),
        rows=(10 ** (0.1 * snr_db)).tolist(),
        hears=hears,
        mcs_snr=[float(10 ** (0.1 * db)) for db in MCS_SNR_DB],
        rates_bps=radio.rates_bps,
        sensed_snr_db=CCA_SENSITIVITY_DBM - radio.noise_power_dbm,
    )


def data_s(payload_bytes: float, rate_bps: float) -> float:
    """Return how long a PPDU is on the air [s]: preamble + 8 bytes / rate."""
    return PREAMBLE_S + 8.0 * payload_bytes / rate_bps
