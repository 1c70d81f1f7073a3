"""Broadcasts: each receiver keeps the share of chunks that its link lets through.

0 -> 1, 2, 3, 4      one sender, receivers where some frames are lost; nothing is sent again
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ns3_scenarios.validation import theory_airtime, theory_path_loss
from ns3_scenarios.validation.check import LIMIT_STANDARD_ERRORS, Check, Make, Row, on_line
from ns3_scenarios.validation.child import in_child
from ns3_scenarios.validation.energy import run_rounds, traffic_of

# From nearly all to a third of the frames of MCS 3; the weakest is 4 dB above preamble detection.
DISTANCES_M = [57.0, 60.0, 62.0, 64.0, 66.0]
SETTINGS = {
    "num_devices": 1 + len(DISTANCES_M),
    "transport": "broadcast",
    "broadcast_mcs": 3,
    "preamble_detection_dbm": -100,
    "shadowing_sigma_db": 0,
}
HEADER_BYTES = 16 + 8 + 20  # of a chunk, UDP and IP


def received_shares(snr: list[float], mode: str, bits: int) -> list[float]:
    """Return the share of frames that ns-3's error model lets through. Runs in a child process."""
    from ns3_scenarios.session import load_ns3  # noqa: PLC0415

    ns = load_ns3(["ns3/table-based-error-rate-model.h"])
    vector = ns.WifiTxVector()
    vector.SetMode(ns.WifiMode(mode))
    vector.SetPreambleType(ns.WIFI_PREAMBLE_HE_SU)
    vector.SetChannelWidth(20)
    vector.SetNss(1)
    model = ns.CreateObject[ns.TableBasedErrorRateModel]()
    return [model.GetChunkSuccessRate(vector.GetMode(), vector, each, bits) for each in snr]


def broadcast_rows(make: Make, quick: bool) -> list[Row]:
    """Compare the chunks that arrived with what the link budget and the error model promise.

    SNR = P_tx - L(d) - N by hand; P(frame) of that SNR and the frame's length. ns-3's model is its
    table of link simulations (Patidar et al., WNS3 2017), so what is checked is all around it:
    budget, rate, length, chunks, and that neither a repetition nor a collision changes them.
    """
    chunks = 1000 if quick else 5000
    base = on_line(make("adhoc80211", **SETTINGS), [0.0, *DISTANCES_M])
    n = base.num_devices
    scenario = replace(base, neighbours=~np.eye(n, dtype=np.bool_))
    radio = scenario.radio
    chunk_bytes = scenario.transport.segment_bytes
    traffic = traffic_of(scenario, 0, [(0, i) for i in range(1, n)], chunks * chunk_bytes, 20.0)
    flows = in_child(run_rounds, scenario, [traffic])[0].flows

    # The program's default loss at 1 m is that of free space to 0.1 dB.
    reference_db = np.round(theory_path_loss.free_space_db(1.0, radio.frequency_hz), 1)
    loss_db = theory_path_loss.log_distance_db(np.array(DISTANCES_M), 3.0, reference_db)
    thermal_mw = 1e3 * 1.380649e-23 * 290 * radio.bandwidth_hz
    noise_dbm = 10 * np.log10(thermal_mw) + 7.0  # the default noise figure
    snr = 10 ** (0.1 * (radio.tx_power_dbm - loss_db - noise_dbm))
    phy = theory_airtime.ns3_format(radio.standard)
    header_bytes = HEADER_BYTES + theory_airtime.LLC_BYTES + theory_airtime.FCS_BYTES
    frame_bytes = chunk_bytes + header_bytes + phy.mac_header_bytes + phy.delimiter_bytes
    mode = radio.mode_name(scenario.transport.broadcast_mcs)
    rows = []
    for i, p in enumerate(in_child(received_shares, snr.tolist(), mode, 8 * frame_bytes)):
        measured = flows.delivered_bytes[i] / chunk_bytes / chunks
        error = float(abs(measured - p) / np.sqrt(p * (1 - p) / chunks))
        label = f"{10 * np.log10(snr[i]):.2f} dB at {DISTANCES_M[i]:g} m, {chunks} chunks"
        rows.append(Row(label, f"{p:.4f}", f"{measured:.4f}", error, LIMIT_STANDARD_ERRORS))
    return rows


CHECKS = (
    Check(
        "Broadcast: share of chunks that arrive (error in standard errors)",
        SETTINGS,
        "receivers on a line from 57 to 66 m",
        broadcast_rows,
    ),
)
