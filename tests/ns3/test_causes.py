"""What radios draw for, by ns-3's frames, checked by traffic of which the answer is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import make_traffic, run_mesh

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from cosim.planning.costs import forecast_j, last_round, measure, per_pair, unmeasured
from ns3_scenarios.description.energy import RADIO_STATES, above_idle_w
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(180)]

TX, RX, IDLE = (RADIO_STATES.index(name) for name in ("tx", "rx", "idle"))
# Each device hears the next one only.
LINE = "placement=line num_devices=5 spacing_m=40 path_loss_exponent=3.2 shadowing_sigma_db=0"


def scenario_of(name: str, flags: str = "", energy: str = "") -> NetworkScenario:
    words = [f"--network.{each}" for each in flags.split()]
    words += [f"--energy.{each}" for each in energy.split()]
    return make_scenario(load(words, None, name))


def above_idle_j(scenario: NetworkScenario, report: RoundReport) -> np.ndarray:
    idle_w = scenario.draws.state_power_w[:, IDLE]
    total: np.ndarray = report.energy.state_j.sum(axis=1) - idle_w * report.duration_s
    return total


@pytest.mark.parametrize(
    ("name", "flags", "forwards"),
    [
        ("mesh80211", "", True),
        ("mesh80211", f"{LINE} neighbour_distance_m=170", True),
        ("mesh80211", "transport=tcp", True),
        ("adhoc80211", f"{LINE} neighbour_distance_m=90 routing=aodv", True),
        ("adhoc80211", "transport=broadcast", False),
        ("infrastructure", "", False),
        ("infrastructure", "ap_is_device", True),
        ("d2d", "", False),
    ],
)
def test_named_causes_add_up_to_what_each_radio_draws_above_idling(
    tmp_path: Path, name: str, flags: str, forwards: bool
) -> None:
    # Every state draws something else, so that none can stand for another.
    energy = "rx_current_a=0.320 cca_busy_current_a=0.290"
    scenario = scenario_of(name, flags, energy)
    reports = run_mesh(scenario, tmp_path, 3, payload_bytes=20_000)
    above_w = above_idle_w(scenario.draws.state_power_w)[0]
    for report in reports:
        causes = report.causes
        named_j = sum(causes.of_devices.values())
        np.testing.assert_allclose(named_j, above_idle_j(scenario, report), rtol=0.02)
        # The air, another way: durations of frames as they are made, not as batteries count them.
        sent_s = report.energy.state_s[:, TX].sum()
        received_s = report.energy.state_s[:, RX].sum()
        all_j = above_w[TX] * sent_s + above_w[RX] * received_s
        assert sum(v.sum() for k, v in causes.of_devices.items() if k != "medium_busy_j") == (
            pytest.approx(all_j, rel=1e-6)
        )
        if name in ("adhoc80211", "d2d") and "routing" not in flags:
            # Nobody sends a beacon, so that all frames are some message's.
            assert causes.airtime_s.sum() == pytest.approx(sent_s, rel=1e-2)
        elif name == "mesh80211":
            assert 0.5 * sent_s < causes.airtime_s.sum() <= sent_s * (1 + 1e-6)
        delivered = per_pair_of(report, scenario)
        assert np.all(causes.sender_j[delivered] > 0)
        assert np.all(causes.receiver_j[delivered] > 0)
    assert (reports[-1].causes.forwarded_j.sum() > 0) == forwards


def per_pair_of(report: RoundReport, scenario: NetworkScenario) -> Any:
    """Pairs of which one's message arrived whole at the other, as indices of a table (n, n)."""
    src, dst = np.nonzero(scenario.neighbours)
    whole = np.isfinite(report.flows.finish_s)
    return src[whole], dst[whole]


def test_one_message_along_a_line_is_charged_to_its_ends_and_to_each_device_between(
    tmp_path: Path,
) -> None:
    scenario = scenario_of("mesh80211", f"{LINE} neighbour_distance_m=170")
    pairs = (np.array([0]), np.array([3]))
    report = run_mesh(scenario, tmp_path, 2, pairs=pairs, payload_bytes=60_000)[1]
    causes = report.causes
    assert np.isfinite(report.flows.finish_s).all()
    assert np.argwhere(causes.sender_j > 0).tolist() == [[0, 3]]
    assert np.argwhere(causes.receiver_j > 0).tolist() == [[0, 3]]
    between = zip(causes.forwarded_src, causes.forwarded_dst, causes.forwarded_by, strict=True)
    assert sorted((int(i), int(j), int(k)) for i, j, k in between) == [(0, 3, 1), (0, 3, 2)]
    # A relay receives all and sends all, as the two ends do together, but for lost frames.
    ends_j = causes.sender_j[0, 3] + causes.receiver_j[0, 3]
    np.testing.assert_allclose(causes.forwarded_j, ends_j, rtol=0.25)
    # 3 is heard by 4, which is sent nothing; nobody else is near without being on the path.
    assert causes.overheard_j[4] > 0
    # Sent three times, 60 kB at 8 bits and the rate of the links take this long, with headers,
    # preambles and answers some more.
    rate_bps = np.nanmax(report.links.rate_bps)
    least_s = 3 * 8 * 60_000 / rate_bps
    assert least_s < causes.airtime_s[0, 3] < 3 * least_s


def test_a_round_without_messages_costs_what_the_protocol_sends_and_nothing_else(
    tmp_path: Path,
) -> None:
    scenario = scenario_of("mesh80211")
    none = np.zeros(0, dtype=np.int64)
    report = run_mesh(scenario, tmp_path, 2, pairs=(none, none))[1]
    named = {name: float(joules.sum()) for name, joules in report.causes.of_devices.items()}
    assert named["protocol_j"] == pytest.approx(above_idle_j(scenario, report).sum(), rel=1e-6)
    assert named["protocol_j"] > 0
    # Nine devices, a beacon each half a second, for 3 s.
    frames = 9 * 2 * report.duration_s
    tx_j = above_idle_w(scenario.draws.state_power_w)[0, TX]
    sent_s = report.energy.state_s[:, TX].sum()
    assert named["protocol_j"] > tx_j * sent_s
    assert sent_s / frames < 1e-3  # some hundred microseconds at 6 Mbit/s


@pytest.mark.parametrize("name", ["mesh80211", "adhoc80211"])
def test_the_round_after_a_change_of_codec_is_foreseen_where_the_last_one_is_no_guide(
    tmp_path: Path, name: str
) -> None:
    scenario = scenario_of(name)
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    cost, last = unmeasured(scenario.num_devices), None
    usual_w = scenario.draws.state_power_w[:, TX]
    # A quarter of the bytes from the fourth round on.
    for index, size in enumerate((80_000, 80_000, 80_000, 20_000)):
        traffic = make_traffic(scenario, index, payload_bytes=size)
        offered = per_pair(traffic, traffic.payload_bytes)
        foreseen_j = None if last is None else forecast_j(last, offered, offered, usual_w, usual_w)
        before, report = last, network.run_round(traffic)
        cost = measure(cost, traffic, report)
        last = last_round(cost, traffic, report, offered, scenario.draws.tx_power_dbm)
    network.close()
    assert before is not None
    assert foreseen_j is not None
    truth_j = last.communication_j
    above_j = above_idle_j(scenario, report)
    # Of the radio's joules less than 1 % off; of those above idling, which messages are about, some
    # 15 %, since fewer frames in the air collide less. The last round's were three times as many.
    np.testing.assert_allclose(foreseen_j, truth_j, rtol=0.01)
    assert abs((foreseen_j - truth_j).sum()) < 0.2 * above_j.sum()
    assert (before.communication_j - truth_j).sum() > 2 * above_j.sum()
