"""What radios of networks that are formulas draw for; ns-3's are told apart in native/causes.h."""

import numpy as np

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.energy import RADIO_STATES, above_idle_w
from ns3_scenarios.reports import CauseReport, EnergyReport

TX, RX, CCA_BUSY = (RADIO_STATES.index(name) for name in ("tx", "rx", "cca_busy"))
AWAY = [RADIO_STATES.index(name) for name in ("switching", "sleep", "off")]


def causes_of_airtime(
    state_power_w: FloatArray, energy: EnergyReport, sent_s: FloatArray, heard_s: FloatArray
) -> CauseReport:
    """Charge all sending and receiving to messages, where nobody forwards, answers or overhears.

    state_power_w (n, states); sent_s, heard_s (n, n): seconds of messages src -> dst on the air,
    and of these while dst lived.
    A device that receives several at once, or sends besides, draws for one: what it drew is shared
    by their seconds.
    """
    above_j = energy.state_s * above_idle_w(state_power_w)
    n = len(above_j)
    none, no_index = np.zeros(n), np.zeros(0, dtype=np.int64)
    return CauseReport(
        sender_j=_shared(above_j[:, TX], sent_s),
        receiver_j=_shared(above_j[:, RX], heard_s.T).T,
        airtime_s=sent_s,
        forwarded_src=no_index,
        forwarded_dst=no_index,
        forwarded_by=no_index,
        forwarded_j=np.zeros(0),
        overheard_j=none,
        protocol_j=none,
        cut_off_j=none,
        medium_busy_j=above_j[:, CCA_BUSY],
        away_j=above_j[:, AWAY].sum(axis=1),
    )


def _shared(joules: FloatArray, seconds: FloatArray) -> FloatArray:
    """Share joules (n) by seconds (n, n), row by row."""
    total = seconds.sum(axis=1, keepdims=True)
    share = np.divide(seconds, total, out=np.zeros_like(seconds), where=total > 0)
    shared: FloatArray = share * joules[:, np.newaxis]
    return shared
