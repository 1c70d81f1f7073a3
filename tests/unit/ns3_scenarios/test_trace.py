"""The trace network against numbers by hand, and its formula against small steps of time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mesh import make_mesh, traffic_of_three

from ns3_scenarios.analytic import AnalyticNetwork, capacity_bps
from ns3_scenarios.conformance import check_network
from ns3_scenarios.description.link_trace import LinkTrace, read_link_trace
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.reports import OUTCOMES, RoundReport
from ns3_scenarios.trace import TraceNetwork

TX_W, RX_W, IDLE_W = 3 * 0.380, 3 * 0.313, 3 * 0.273
TX, RX, IDLE = 0, 1, 2
# 8 Mbit/s carry 1 MB in a second.
MBPS8, MB = 8e6, 1_000_000
Row = tuple[float, int, int, float, float, float]


def make_trace(folder: Path, *rows: Row, n: int = 3) -> LinkTrace:
    """Rows (time_s, i, j, rate_bps, delay_s, loss), through a file."""
    lines = ["time_s,i,j,rate_bps,delay_s,loss", *(",".join(map(repr, row)) for row in rows)]
    (folder / "links.csv").write_text("\n".join(lines), encoding="utf-8")
    return read_link_trace(folder / "links.csv", n)


def scenario_of(trace: LinkTrace, **changes: Any) -> NetworkScenario:
    return make_mesh(3, link_trace=trace, **changes)


def outcomes(report: RoundReport) -> list[str]:
    return [OUTCOMES[i] for i in report.flows.outcome]


def test_a_rate_that_changes_in_mid_message_and_a_loss_and_a_delay(tmp_path: Path) -> None:
    trace = make_trace(
        tmp_path,
        (0.0, 0, 1, MBPS8, 0.25, 0.0),
        (1.5, 0, 1, 2 * MBPS8, 0.5, 0.5),
        (2.0, 0, 1, 4 * MBPS8, 0.5, 0.5),
    )
    network = TraceNetwork(scenario_of(trace, battery_j=100.0))
    report = network.run_round(traffic_of_three([(0, 1, 2 * MB)]))
    # From 1 s: 0.5 MB till 1.5 s, 0.5 MB (half of 1 MB) till 2 s, the last 1 MB at 2 MB/s: 2.5 s.
    # It arrives 0.25 s later, the delay when it began.
    assert report.flows.finish_s == pytest.approx([2.75])
    assert report.flows.delay_s == pytest.approx([1.75])
    # On the air: 0.5 + 1 + 2 MB, of which 1.5 MB a second or third time, in chunks of 1400 byte.
    assert report.flows.retransmissions.tolist() == [round(1.5 * MB / 1400)]
    links = report.links
    assert (links.frames[0, 1], links.received_bytes[0, 1]) == (1, 2 * MB)
    assert links.airtime_s[0, 1] == pytest.approx(1.5)
    assert links.rate_bps[0, 1] == pytest.approx(3.5 * MBPS8 / 1.5)
    assert links.loss_ratio[0, 1] == pytest.approx(1 / 1.5 * 0.5)  # one of 1.5 s at a loss of half
    spent_j = [2.0 + 1.5 * TX_W + 2.5 * IDLE_W, 2.0 + 1.5 * RX_W + 2.5 * IDLE_W, 2.0 + 4 * IDLE_W]
    assert report.energy.remaining_energy_j == pytest.approx(100.0 - np.array(spent_j))


def test_an_outage_makes_a_message_wait_and_its_radio_idle(tmp_path: Path) -> None:
    trace = make_trace(
        tmp_path,
        *[(0.0, 0, 1, MBPS8, 0.0, 0.0), (1.5, 0, 1, 0.0, 0.0, 0.0), (3.0, 0, 1, MBPS8, 0.0, 0.0)],
        (0.0, 0, 2, MBPS8, 0.0, 0.0),
    )
    network = TraceNetwork(scenario_of(trace))
    report = network.run_round(traffic_of_three([(0, 1, MB), (0, 2, MB // 2)]))
    # Half of the first by 1.5 s, the other half from 3 to 3.5 s, and only then the second.
    assert report.flows.finish_s == pytest.approx([3.5, 4.0])
    assert report.energy.state_s[0, [TX, IDLE]] == pytest.approx([1.5, 2.5])


def test_who_is_out_of_reach_is_passed_over_until_it_is_there(tmp_path: Path) -> None:
    rows = [
        (2.5, 0, 1, MBPS8, 0.0, 0.0),
        (0.0, 0, 2, MBPS8, 0.0, 0.0),
        (0.0, 1, 0, MBPS8, 0.0, 1.0),
    ]
    network = TraceNetwork(scenario_of(make_trace(tmp_path, *rows)))
    messages = [(0, 1, MB), (0, 2, MB // 4), (0, 2, MB // 4), (1, 0, MB), (2, 0, MB)]
    report = network.run_round(traffic_of_three(messages))
    # 0 sends to 2 from 1 to 1.5 s, waits, and sends to 1 from 2.5 s on. All of what 1 sends is
    # lost, and of 2 to 0 the trace knows nothing.
    assert report.flows.finish_s == pytest.approx([3.5, 1.25, 1.5, np.inf, np.inf])
    assert outcomes(report) == ["delivered"] * 3 + ["unreachable"] * 2
    assert report.links.is_peer.nonzero()[1].tolist() == [1, 2]
    assert report.energy.state_s[1:, TX].tolist() == [0.0, 0.0]


def test_time_goes_on_from_round_to_round_and_the_last_row_holds(tmp_path: Path) -> None:
    trace = make_trace(tmp_path, (0.0, 0, 1, MBPS8, 0.0, 0.0), (5.5, 0, 1, 2 * MBPS8, 0.0, 0.0))
    network = TraceNetwork(scenario_of(trace))
    delays_s = [
        float(network.run_round(traffic_of_three([(0, 1, MB)], round_index=i)).flows.delay_s[0])
        for i in range(4)
    ]
    # The second round's message is on the air from 5 s: half of it at the old rate.
    assert delays_s == pytest.approx([1.0, 0.75, 0.5, 0.5])


def test_what_is_under_way_when_the_round_ends_or_its_receiver_dies_is_lost(tmp_path: Path) -> None:
    rows = [(0.0, 0, 1, MBPS8, 0.5, 0.0), (0.0, 2, 0, MBPS8, 0.5, 0.0)]
    trace = make_trace(tmp_path, *rows)
    # Device 0 hears 2 from 1 s on and sends itself; it is empty at 2 s.
    battery_j = np.array([2.0 + IDLE_W + TX_W, 100.0, 100.0])
    report = TraceNetwork(scenario_of(trace, battery_j=battery_j)).run_round(
        traffic_of_three([(0, 1, 4 * MB), (2, 0, 4 * MB)])
    )
    assert outcomes(report) == ["dead", "dead"]
    # What 0 has sent by 2 s arrives; of what 2 has sent by then, what it had sent by 1.5 s.
    assert report.flows.handed_bytes == pytest.approx([MB, 3 * MB], abs=1)
    assert report.flows.delivered_bytes == pytest.approx([MB, MB / 2], abs=1)
    alive = TraceNetwork(scenario_of(trace)).run_round(traffic_of_three([(0, 1, 4 * MB)]))
    assert outcomes(alive) == ["late"]
    assert alive.flows.handed_bytes == pytest.approx([3 * MB], abs=1)
    assert alive.flows.acked_bytes == pytest.approx([2.5 * MB], abs=1)


def test_the_oracle_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    trace = make_trace(tmp_path, (0.0, 0, 1, MBPS8, 0.3, 0.0))
    traffic = traffic_of_three([(0, 1, MB)], stop_when_settled=True)
    report = TraceNetwork(scenario_of(trace)).run_round(traffic)
    assert report.duration_s == pytest.approx(2.3)
    assert outcomes(report) == ["delivered"]


def test_a_trace_of_the_capacities_is_the_analytic_network(tmp_path: Path) -> None:
    plain = make_mesh(3, battery_j=10.0)
    rate_bps = capacity_bps(plain)
    rows = [(0.0, i, j, float(rate_bps[i, j]), 0.0, 0.0) for i, j in np.argwhere(rate_bps > 0)]
    trace = make_trace(tmp_path, *((t, int(i), int(j), *row) for t, i, j, *row in rows))
    messages = [(i, j, 3 * MB) for i in range(3) for j in range(3) if i != j] * 4
    for network in (
        TraceNetwork(scenario_of(trace, battery_j=10.0)),
        AnalyticNetwork(plain),
    ):
        reports = [network.run_round(traffic_of_three(messages, round_index=i)) for i in range(3)]
        last = [
            np.concatenate([each.flows.delivered_bytes for each in reports]),
            np.concatenate([each.energy.remaining_energy_j for each in reports]),
        ]
        if isinstance(network, TraceNetwork):
            ours = last
    np.testing.assert_allclose(ours[0], last[0], atol=1)
    np.testing.assert_allclose(ours[1], last[1], rtol=1e-9)


def test_bytes_agree_with_an_integration_in_small_steps(tmp_path: Path) -> None:
    rng, steps = np.random.default_rng(2), 4000
    rows = [
        (float(t), 0, j, float(rng.choice([0.0, 2e6, 9e6])), 0.0, float(rng.choice([0.0, 0.3])))
        for j in (1, 2)
        for t in np.sort(rng.uniform(0, 4, 12))
    ]
    trace = make_trace(tmp_path, *rows)
    messages = [(0, 1 + i % 2, int(size)) for i, size in enumerate(rng.uniform(1e5, 6e5, 6))]
    report = TraceNetwork(scenario_of(trace)).run_round(traffic_of_three(messages))
    sent, current = np.zeros(6), -1
    for step in range(steps):
        now_s = 4.0 * step / steps
        goodput = np.zeros(3)
        for j in (1, 2):
            known = [row for row in rows if row[2] == j and row[0] <= now_s]
            if known:
                _, _, _, rate_bps, _, loss = max(known)
                goodput[j] = rate_bps * (1 - loss) / 8
        if now_s < 1.0:
            continue
        if current < 0:
            open_ = [f for f, m in enumerate(messages) if sent[f] < m[2] and goodput[m[1]] > 0]
            current = open_[0] if open_ else -1
        if current >= 0:
            sent[current] += goodput[messages[current][1]] * 4.0 / steps
            current = current if sent[current] < messages[current][2] else -1
    size = np.array([m[2] for m in messages])
    np.testing.assert_allclose(
        report.flows.handed_bytes, np.minimum(sent, size), atol=9e6 / 8 * 0.001 * 8
    )
    assert set(outcomes(report)) == {"delivered", "late"}


def test_it_keeps_every_promise_of_a_network(tmp_path: Path) -> None:
    plain = make_mesh(4, battery_j=20.0)
    rows = [
        (time_s, int(i), int(j), rate_bps, 0.02, loss)
        for i, j in np.argwhere(plain.neighbours)
        for time_s, rate_bps, loss in ((0.0, 2e6, 0.1), (1.1, 8e6, 0.0), (5.3, 1e6, 0.4))
    ]
    trace = make_trace(tmp_path, *rows, n=4)
    findings = check_network(TraceNetwork, make_mesh(4, battery_j=20.0, link_trace=trace))
    assert [finding for finding in findings if not finding.ok] == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((0.0, 0, 3, 1e6, 0.0, 0.0), "row 2: expected j to be a device from 0 to 2, got 3"),
        ((0.0, 1, 1, 1e6, 0.0, 0.0), "row 2: expected j to be another device than i, got 1"),
        ((0.0, 0, 1, 1e6, 0.0, 0.0), "row 2: expected devices 0 and 1 once at 0 s, got them in"),
        ((-1.0, 0, 1, 1e6, 0.0, 0.0), "row 2: expected time_s of at least 0, got -1"),
        ((1.0, 0, 1, -1e6, 0.0, 0.0), "row 2: expected rate_bps of at least 0, got -1e+06"),
        ((1.0, 0, 1, 1e6, -0.1, 0.0), "row 2: expected delay_s of at least 0, got -0.1"),
        ((1.0, 0, 1, 1e6, 0.0, 1.5), "row 2: expected loss, a share, from 0 to 1, got 1.5"),
    ],
)
def test_a_row_without_sense_is_refused_by_its_number(tmp_path: Path, row: Row, said: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        make_trace(tmp_path, (0.0, 0, 1, 1e6, 0.0, 0.0), row)
    assert str(refused.value).startswith(f"network.link_trace {said}")
