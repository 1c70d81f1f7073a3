"""Each scenario by what only it can show, and the files that ns-3's users know."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from captures import read_capture
from mesh import run_mesh

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import ScenarioError
from ns3_scenarios.reports import OUTCOMES

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

# Four devices in a line, of which each hears the next one only (12 dB SNR; the one behind it is
# 9.6 dB weaker, below preamble detection).
LINE = "placement=line num_devices=4 spacing_m=40 path_loss_exponent=3.2 shadowing_sigma_db=0"


def scenario_of(name: str, flags: str = "num_devices=4") -> NetworkScenario:
    words = [word for flag in flags.split() for word in f"--network.{flag}".split("=", 1)]
    return make_scenario(load(words, None, name))


def delivered(report: Any) -> Any:
    return report.flows.outcome == OUTCOMES.index("delivered")


def test_stations_reach_each_other_through_the_access_point(tmp_path: Path) -> None:
    # 45 m apart the two do not hear each other at this exponent; the AP in their middle hears both.
    flags = "placement=line num_devices=2 spacing_m=60 path_loss_exponent=3.2 shadowing_sigma_db=0"
    far = f"{flags} neighbour_distance_m=100"
    direct = run_mesh(scenario_of("adhoc80211", far), tmp_path, 1, payload_bytes=14_000)[0]
    assert not delivered(direct).any()
    report = run_mesh(scenario_of("infrastructure", far), tmp_path, 2, payload_bytes=14_000)[1]
    assert delivered(report).all()
    assert report.links.is_peer.tolist() == [[False, True], [True, False]]
    # Ten datagrams of 1400 bytes (1492 with headers), each on the air twice, acknowledgements too.
    assert report.links.frames[0, 1] >= 20
    assert 2 * 14_000 < report.links.received_bytes[0, 1] < 2 * 14_000 * 1.35
    assert np.nanmax(report.links.loss_ratio) < 0.3


def test_an_access_point_that_is_a_device_is_one_hop_away_and_still_relays(tmp_path: Path) -> None:
    flags = "num_devices=3 shadowing_sigma_db=0 ap_is_device ap_height_m=5"
    scenario = scenario_of("infrastructure", flags)
    np.testing.assert_allclose(
        scenario.position_m[0], [15.0, 15.0, 5.0]
    )  # between (30, 0), (0, 30)
    pairs = (np.array([0, 1, 1]), np.array([1, 0, 2]))
    report = run_mesh(scenario, tmp_path, 2, pairs=pairs, payload_bytes=14_000)[1]
    assert delivered(report).all()
    assert report.links.is_peer.sum() == 6
    # Ten datagrams and the acknowledgements of ten others; from 1 to 2 each is sent twice.
    assert report.links.frames[[0, 1], [1, 0]].tolist() == pytest.approx([11, 11], abs=4)
    assert report.links.frames[1, 2] == pytest.approx(20, abs=4)
    assert (report.energy.state_s[0] > 0).any()  # its radio is metered like any other
    np.testing.assert_allclose(report.energy.state_s.sum(axis=1), report.duration_s, rtol=1e-9)


@pytest.mark.parametrize("routing", ["olsr", "aodv"])
def test_a_routing_protocol_forwards_where_direct_neighbours_do_not_hear_each_other(
    tmp_path: Path, routing: str
) -> None:
    pairs = (np.array([0]), np.array([2]))
    flags = f"{LINE} boot_s=16 neighbour_distance_m=90"
    direct = run_mesh(scenario_of("adhoc80211", flags), tmp_path, 1, pairs=pairs)[0]
    assert direct.flows.delivered_bytes.sum() == 0
    scenario = scenario_of("adhoc80211", f"{flags} routing={routing}")
    report = run_mesh(scenario, tmp_path, 2, pairs=pairs)[1]
    assert delivered(report).all()
    assert report.links.frames[0, 1] > 50
    assert report.links.frames[1, 2] > 50
    assert report.links.frames[0, 2] == 0


def test_a_mesh_root_gives_every_device_a_path_before_anybody_has_sent(tmp_path: Path) -> None:
    nobody = (np.array([], dtype=int), np.array([], dtype=int))
    quiet = f"{LINE} neighbour_distance_m=1"  # nobody greets anybody
    reactive = run_mesh(scenario_of("mesh80211", quiet), tmp_path, 2, pairs=nobody)[1]
    assert (reactive.links.next_hop == -1).all()
    rooted = scenario_of("mesh80211", f"{quiet} mesh_root=3")
    report = run_mesh(rooted, tmp_path, 2, pairs=nobody)[1]
    assert report.links.next_hop[:3, 3].tolist() == [1, 2, 3]
    assert report.links.hops[:, 3].tolist() == [3, 2, 1, -1]


def test_pedestrians_deliver_to_those_they_meet_and_not_to_those_out_of_reach(
    tmp_path: Path,
) -> None:
    flags = "num_devices=20 disc_radius_m=300 mobility_area_m=600"
    scenario = scenario_of("d2d", flags)
    report = run_mesh(scenario, tmp_path, 2, payload_bytes=2000)[1]
    src, dst = np.nonzero(scenario.neighbours)
    apart_m = np.linalg.norm(report.position_m[src] - report.position_m[dst], axis=-1)
    bytes_ = report.flows.delivered_bytes
    assert len(src) == 380
    assert bytes_[apart_m > 400].sum() == 0
    assert (apart_m > 400).any()
    assert delivered(report)[report.links.contact_s[src, dst] > 2.9].mean() > 0.5


@pytest.mark.parametrize(
    ("name", "standard", "frames_of", "width_mhz", "channel"),
    [
        ("mesh80211", "80211ax", "HE", 80, 106),
        ("mesh80211", "80211ac", "VHT", 40, 102),
        ("adhoc80211", "80211n", "HT", 40, 102),
        ("infrastructure", "80211ax", "HE", 80, 106),
    ],
)
def test_a_capture_shows_the_standard_the_frequency_and_the_width_that_were_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    standard: str,
    frames_of: str,
    width_mhz: int,
    channel: int,
) -> None:
    monkeypatch.setenv("NS_LOG", "Ipv4L3Protocol=level_function|prefix_time")
    flags = (
        f"num_devices=4 standard={standard} channel_width_mhz={width_mhz} channel_number={channel}"
    )
    words = [word for flag in flags.split() for word in f"--network.{flag}".split("=")]
    words += ["--network.pcap", "--network.flow_monitor", "--network.netanim"]
    words += ["--network.ns3_defaults", "ns3::WifiPhy::ChannelSwitchDelay=300us"]
    scenario = make_scenario(load(words, None, name))
    run_mesh(scenario, tmp_path, 1)
    frames = read_capture(tmp_path / "pcap" / "radio-0-0.pcap")
    assert {frame.frequency_mhz for frame in frames} == {5000 + 5 * channel}
    widths = [frame.width_mhz for frame in frames if frame.standard == frames_of]
    assert len(widths) > 50
    assert {frame.standard for frame in frames} <= {frames_of, "legacy"}
    assert set(widths) == {width_mhz}
    assert ElementTree.parse(tmp_path / "flow_monitor.xml").findall("FlowStats/Flow")
    assert ElementTree.parse(tmp_path / "netanim.xml").getroot().tag == "anim"
    attributes = (tmp_path / "ns3_attributes.txt").read_text()
    assert 'ChannelSwitchDelay "+300000ns"' in attributes
    assert "s Ipv4L3Protocol:Send" in (tmp_path / "ns3.log").read_text()


def test_an_attribute_that_ns3_does_not_have_is_refused_by_its_name(tmp_path: Path) -> None:
    words = ["--network.num_devices", "4", "--network.ns3_defaults", "WifiPhy::Color=blue"]
    scenario = make_scenario(load(words, None, "mesh80211"))
    with pytest.raises(ScenarioError, match="got ns3::WifiPhy::Color = blue"):
        run_mesh(scenario, tmp_path, 1)


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("d2d", "num_devices=5 fading=nakagami"),
        ("infrastructure", "num_devices=4 mobility=gauss_markov fading=nakagami_per_frame"),
        ("adhoc80211", f"{LINE} routing=aodv path_loss=inh neighbour_distance_m=45"),
        ("mesh80211", "num_devices=4 mesh_root=0 phy=spectrum mobility=random_waypoint"),
    ],
)
def test_the_same_seed_gives_the_same_rounds(tmp_path: Path, name: str, flags: str) -> None:
    one, again = (run_mesh(scenario_of(name, flags), tmp_path, 2) for _ in range(2))
    for a, b in zip(one, again, strict=True):
        assert a.num_events == b.num_events
        np.testing.assert_array_equal(a.flows.finish_s, b.flows.finish_s)
        np.testing.assert_array_equal(a.energy.remaining_energy_j, b.energy.remaining_energy_j)
        np.testing.assert_array_equal(a.position_m, b.position_m)
    assert one[1].flows.delivered_bytes.sum() > 0
