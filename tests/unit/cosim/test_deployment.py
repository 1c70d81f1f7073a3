"""The network that a configuration describes, and what is refused or warned of."""

import math
from pathlib import Path

import numpy as np
import pytest
from made_config import make_config

from cosim.config.inert import inert
from cosim.config.remarks import warnings
from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.errors import ScenarioError

SLEEP = RADIO_STATES.index("sleep")


def test_a_star_exchanges_with_its_server_only_wherever_devices_stand() -> None:
    scenario = make_scenario(make_config("--learning.method", "fedavg_star", devices=9))
    linked = {(int(i), int(j)) for i, j in np.argwhere(scenario.neighbours)}
    assert linked == {(0, k) for k in range(1, 9)} | {(k, 0) for k in range(1, 9)}


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("--network.transport broadcast", "broadcast .* scenario adhoc80211 or d2d"),
        ("--scenario infrastructure --network.transport broadcast", "broadcast"),
        ("--scenario d2d --network.transport broadcast --network.routing aodv", "routing direct"),
        ("--network.access_category VI", "expected BE with scenario mesh80211, got VI"),
        ("--network.transport udp --network.sync oracle", "expected fixed_period .* udp"),
        (
            "--network.transport broadcast --learning.mixing push_sum",
            "arq, tcp or udp .* push_sum",
        ),
        (
            "--scenario d2d --network.transport broadcast --network.broadcast_mcs 9"
            " --network.standard 80211a",
            "broadcast_mcs: expected 0 to 7 .* got 9",
        ),
    ],
)
def test_a_transport_that_cannot_work_is_refused_with_its_reason(words: str, refusal: str) -> None:
    with pytest.raises(ScenarioError, match=refusal):
        make_scenario(make_config(*words.split()))


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (
            "--network.interferers 1 --network.interference bss",
            "interference: expected flows with scenario mesh80211, got bss .* aborts",
        ),
        ("--network.max_amsdu_bytes 1", "max_amsdu_bytes: expected 0 with .* mesh80211, got 1"),
        ("--network.max_amsdu_bytes 11398", "max_amsdu_bytes: expected 0 .* got 11398"),
    ],
)
def test_what_the_mesh_of_ns3_aborts_on_or_loses_is_refused_with_the_reason(
    words: str, refusal: str
) -> None:
    with pytest.raises(ScenarioError, match=f"network.{refusal}"):
        make_scenario(make_config(*words.split()))
    others = make_scenario(make_config("--scenario", "adhoc80211", *words.split()))
    assert others.name == "adhoc80211"
    idle = "--network.interference bss" if "interference" in words else "--seed 2"
    assert make_scenario(make_config(*idle.split())).name == "mesh80211"


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("--scenario mesh80211", "scenario mesh80211, got true .* use scenario adhoc80211 or d2d"),
        ("--scenario infrastructure", "scenario infrastructure, got true"),
        ("--scenario adhoc80211 --network.kind ideal", "network.kind ideal, got true"),
    ],
)
def test_radios_sleep_only_where_they_can(words: str, refusal: str) -> None:
    with pytest.raises(ScenarioError, match=f"energy.radio_sleep: expected false with {refusal}"):
        make_scenario(make_config(*words.split(), "--energy.radio_sleep"))


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("--network.kind analytic --energy.revival_j 5", "none .* got 5"),
        ("--energy.revival_j 126", r".* at most the smallest battery \(125 J\), got 126"),
    ],
)
def test_a_revival_that_cannot_be_is_refused(words: str, refusal: str) -> None:
    with pytest.raises(ScenarioError, match=f"energy.revival_j: expected {refusal}"):
        make_scenario(make_config(*words.split()))


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (
            "--network.transport udp",
            "network.transport: expected arq or tcp with network.kind trace",
        ),
        ("--network.mobility random_waypoint", "network.mobility: expected static"),
        (
            "--network.num_devices 3",
            "network.link_trace row 3: expected j to be a device from 0 to 2",
        ),
    ],
)
def test_what_measured_links_do_not_know_is_refused(
    tmp_path: Path, words: str, refusal: str
) -> None:
    with pytest.raises(ScenarioError, match=refusal):
        make_scenario(make_config(*measured_in(tmp_path), *words.split(), devices=4))


def test_measured_links_warn_where_they_end_early_and_have_nothing_of_a_channel(
    tmp_path: Path,
) -> None:
    # Of powers only what they draw counts.
    odd = ("--network.antenna_gain_dbi=3", "--network.tx_power_dbm=9", "--network.pcap")
    config = make_config(*measured_in(tmp_path), *odd, devices=4)
    scenario = make_scenario(config)
    assert scenario.link_trace is not None
    assert set(scenario.link_trace.links) == {(0, 1), (1, 0), (0, 3)}
    (said,) = (line for line in warnings(config, scenario) if "link_trace" in line)
    assert "last row begins at 5 s, the run may last" in said
    found = {line.split()[0] for line in inert(config)}
    assert found == {"network.pcap", "network.antenna_gain_dbi"}


def measured_in(folder: Path) -> tuple[str, ...]:
    """Flags of a network of four devices, three of whose links were measured."""
    rows = ["time_s,i,j,rate_bps,delay_s,loss", "0,0,1,1e6,0,0", "5,1,0,1e6,0,0", "0,0,3,1e6,0,0"]
    (folder / "links.csv").write_text("\n".join(rows), encoding="utf-8")
    return ("--network.kind=trace", f"--network.link_trace={folder}/links.csv")


def test_a_sleeping_radio_draws_the_current_of_its_profile_or_the_one_that_is_given() -> None:
    words = ["--scenario", "d2d", "--energy.radio_sleep", "--energy.radio_profile", "esp32_s2"]
    scenario = make_scenario(make_config(*words))
    assert scenario.energy.radio_sleep
    assert scenario.draws.state_power_w[0, SLEEP] == pytest.approx(3.3 * 0.00055)
    given = make_scenario(make_config(*words, "--energy.sleep_current_a", "0.002"))
    assert given.draws.state_power_w[0, SLEEP] == pytest.approx(3.3 * 0.002)


def test_a_seed_names_its_shadowing_and_another_seed_another() -> None:
    one, again, other = (make_scenario(make_config(f"--seed={s}", devices=9)) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.channel.shadowing_db, again.channel.shadowing_db)
    differs = one.channel.shadowing_db != other.channel.shadowing_db
    assert differs[~np.eye(9, dtype=np.bool_)].all()
    assert (one.rng_run, other.rng_run, one.rng_seed) == (5, 6, other.rng_seed)


def test_shadowing_is_symmetric_with_a_zero_diagonal_and_the_spread_of_the_config() -> None:
    config = make_config("--network.shadowing_sigma_db=8", devices=60)
    shadowing_db = make_scenario(config).channel.shadowing_db
    draws = []
    for i in range(60):
        assert shadowing_db[i, i] == 0.0
        for j in range(i):
            assert shadowing_db[i, j] == shadowing_db[j, i]
            draws.append(shadowing_db[i, j])
    # 1770 draws: the standard error of the deviation is 8 / sqrt(2 * 1770) = 0.13 dB.
    assert np.std(draws) == pytest.approx(8.0, abs=0.6)
    assert np.mean(draws) == pytest.approx(0.0, abs=0.9)
    flat = make_scenario(make_config("--network.shadowing_sigma_db=0"))
    assert not flat.channel.shadowing_db.any()


def test_the_scenario_stands_on_a_square_grid_with_the_batteries_of_the_config() -> None:
    flags = ("--network.spacing_m=12", "--energy.battery_j=50", "--energy.harvest_power_w=0.4")
    scenario = make_scenario(make_config(*flags, devices=5))
    places = [[0, 0], [12, 0], [24, 0], [0, 12], [12, 12]]
    assert scenario.position_m.tolist() == [[*place, 1.5] for place in places]
    assert scenario.initial_energy_j.tolist() == scenario.battery_capacity_j.tolist() == [50.0] * 5
    assert scenario.harvest_power_w.tolist() == [0.4] * 5


def test_transmit_current_follows_transmit_power_if_an_efficiency_is_given() -> None:
    # By hand: 20 dBm is 0.1 W; 0.1 / (3 x 0.1) + 0.273 = 0.606 A, at 3 V 1.819 W; 10 dBm 0.919 W.
    for tx_power_dbm, power_w in ((20, 1.819), (10, 0.919)):
        flags = (f"--network.tx_power_dbm={tx_power_dbm}", "--energy.tx_efficiency=0.1")
        scenario = make_scenario(make_config(*flags))
        assert scenario.draws.state_power_w[0, 0] == pytest.approx(power_w, abs=1e-3)
        assert scenario.draws.state_power_w[0, 2] == pytest.approx(0.819)


def test_a_radio_profile_sets_currents_and_voltage_and_a_given_current_goes_before_it() -> None:
    flags = ("--energy.radio_profile=esp32_s2", "--energy.idle_current_a=0.05")
    scenario = make_scenario(make_config(*flags))
    # By hand, at 3.3 V: 169 mA and 39.8 mW (16 dBm) over 0.19, 63 mA, the given 50 mA.
    assert scenario.draws.state_power_w[0, :3] == pytest.approx(
        [0.5577 + 0.0398107 / 0.19, 0.2079, 0.165]
    )


@pytest.mark.parametrize(("tx_power_dbm", "peak_a"), [(13, 0.200), (15, 0.220), (19.5, 0.310)])
def test_a_radio_with_a_data_sheet_of_several_powers_follows_it(
    tx_power_dbm: float, peak_a: float
) -> None:
    flags = ("--energy.radio_profile=esp32_s2", f"--network.tx_power_dbm={tx_power_dbm}")
    tx_w = make_scenario(make_config(*flags)).draws.state_power_w[:, 0]
    assert tx_w == pytest.approx(3.3 * peak_a, abs=3.3 * 0.002)
    given = make_scenario(make_config(*flags, "--energy.tx_current_a=0.15"))
    assert given.draws.state_power_w[:, 0] == pytest.approx(3.3 * 0.15)


@pytest.mark.parametrize(
    ("flags", "is_free"),
    [
        ((), False),
        (("--network.tx_power_dbm=8",), True),
        (("--network.tx_power_dbm=16",), False),
        (("--network.tx_power_dbm=8", "--energy.tx_efficiency=0.1"), False),
        (("--network.tx_power_dbm=8", "--energy.tx_current_a=0.2"), False),
        (("--network.tx_power_dbm=8", "--energy.radio_profile=esp32_s2"), False),
        (("--scenario=d2d",), False),
        (("--scenario=d2d", "--network.tx_power_dbm=16"), True),
        (("--scenario=infrastructure", "--network.tx_power_dbm=20"), False),
    ],
)
def test_a_power_that_costs_nothing_is_warned_of(flags: tuple[str, ...], is_free: bool) -> None:
    scenario = flags[0].removeprefix("--scenario=") if "--scenario" in "".join(flags) else None
    config = load(list(flags), None, scenario)
    said = [line for line in warnings(config, make_scenario(config)) if "tx_power_dbm" in line]
    assert len(said) == is_free


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("--energy.revival_j=1", "energy.revival_j: expected none"),
        ("--network.pcap", "network.pcap: expected false"),
        ("--network.netanim", "network.netanim: expected false"),
        ("--network.mobility=ns2_trace", "network.mobility: expected no ns2_trace"),
        ("--network.interferers=2", "network.interferers: expected 0"),
        ("--scenario=infrastructure", "network.ap_is_device: expected true"),
        ("--network.path_loss=d2d", "network.path_loss: expected one without line of sight"),
    ],
)
def test_what_cannot_go_on_in_a_new_segment_is_refused(flag: str, field: str) -> None:
    alone = make_config("--network.segment_rounds=2")
    assert make_scenario(alone).num_devices == 3
    with pytest.raises(ScenarioError, match=f"{field} with network.segment_rounds"):
        make_scenario(make_config("--network.segment_rounds=2", flag))


@pytest.mark.parametrize("flag", ["--learning.mixing=push_sum", "--learning.late_weight=0.5"])
def test_a_policy_that_chooses_codecs_is_refused_where_there_is_but_one(flag: str) -> None:
    with pytest.raises(ScenarioError, match="with policy random_codec, which chooses codecs, got"):
        make_scenario(make_config("--policy=random_codec", flag))


def test_a_mesh_with_too_many_in_range_and_devices_without_neighbours_are_warned_of() -> None:
    flags = ["--network.shadowing_sigma_db=0", "--network.spacing_m=10"]
    config = make_config(*flags, devices=36)
    dense = make_scenario(config)
    # Received at -82 dBm or more: 16 dBm - 46.3 dB (free space at 1 m, 5.18 GHz) - 30 log d.
    reach_m = 10 ** ((16 + 82 - dense.channel.reference_loss_db) / 30)
    in_range = [
        sum(0 < math.dist(a, b) <= reach_m for b in dense.position_m) for a in dense.position_m
    ]
    assert max(in_range) > 30
    assert f"has {max(in_range)} others in range" in warnings(config, dense)[0]
    config = make_config(*flags, devices=9)
    assert warnings(config, make_scenario(config)) == []
    config = make_config("--network.placement=line", "--network.spacing_m=40")
    assert "device 0, 1, 2" in warnings(config, make_scenario(config))[0]


def test_a_star_that_ends_with_a_round_up_is_warned_of() -> None:
    for rounds, said in ((5, ["learning.rounds 5 is odd"]), (6, [])):
        config = make_config("--learning.method=fedavg_star", f"--learning.rounds={rounds}")
        warned = warnings(config, make_scenario(config))
        assert [line[: len("learning.rounds 5 is odd")] for line in warned] == said


def test_a_battery_larger_than_its_capacity_is_refused_by_the_names_of_the_fields() -> None:
    with pytest.raises(ScenarioError, match=r"energy.battery_j: .*energy.capacity_j 40\), got 125"):
        make_scenario(make_config("--energy.capacity_j=40"))


@pytest.mark.parametrize(
    "flag",
    ["network.shadowing_sigma_db", "network.device_height_m", "learning.decorrelation_weight"],
)
def test_a_negative_zero_is_zero(flag: str) -> None:
    config = make_config(f"--{flag}=-0.0")
    section, name = flag.split(".")
    value = getattr(getattr(config, section), name)
    assert (value, math.copysign(1, value)) == (0, 1)
    make_scenario(config)


def test_more_power_than_any_regulation_allows_is_warned_of() -> None:
    for gain_dbi, said in ((6, 0), (6.5, 1)):
        power = ("--network.tx_power_dbm=30", "--energy.tx_efficiency=0.1")
        config = make_config(*power, f"--network.antenna_gain_dbi={gain_dbi}")
        warned = warnings(config, make_scenario(config))
        assert sum("36.5 dBm EIRP" in line for line in warned) == said == len(warned)


def test_antennas_that_cost_no_joules_are_warned_of_until_currents_are_given() -> None:
    flags = ["--network.antennas=2"]
    config = make_config(*flags)
    (warned,) = warnings(config, make_scenario(config))
    assert "network.antennas 2: the radio draws what energy.radio_profile ns3 draws with" in warned
    flags += [f"--energy.{state}_current_a=0.5" for state in ("tx", "rx", "idle")]
    config = make_config(*flags)
    assert warnings(config, make_scenario(config)) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--network.path_loss=d2d --network.band_ghz=6", "d2d was made for 2 to 6 GHz (WINNER+"),
        ("--network.path_loss=itu_p1411", "itu_p1411 was made for 0.3 to 3 GHz"),
        ("--network.path_loss=friis", None),
        ("--network.path_loss=inh --network.spacing_m=1", None),
    ],
)
def test_a_model_outside_its_band_is_warned_of(flags: str, said: str | None) -> None:
    words = ["--scenario=adhoc80211", "--network.channel_number=0", *flags.split()]
    if "band_ghz" in flags:
        words.append("--network.channel_number=93")  # 6.415 GHz
    config = make_config(*words)
    warned = warnings(config, make_scenario(config))
    assert len(warned) == (said is not None)
    assert said is None or said in warned[0]


def test_devices_nearer_than_a_model_is_for_are_named_with_the_time(tmp_path: Path) -> None:
    # 1 and 2 stand at one place from the start on; 0 passes them at 5 s.
    file = tmp_path / "moves.tcl"
    lines = [f"$node_({i}) set X_ {x}\n$node_({i}) set Y_ 0" for i, x in enumerate((0, 10, 10))]
    lines.append('$ns_ at 0.0 "$node_(0) setdest 40 0.0 2.0"')
    file.write_text("\n".join(lines) + "\n")
    words = ["--scenario=d2d", "--network.mobility=ns2_trace", f"--network.mobility_trace={file}"]
    words += ["--network.path_loss=v2v_urban", "--energy.tx_efficiency=0.1"]
    config = make_config(*words, "--learning.rounds=2")
    assert warnings(config, make_scenario(config)) == [
        "devices 0 and 1 come within 0 m of each other at 5 s (so do 2 more pairs):"
        " network.path_loss v2v_urban counts less than 1 m as 1 m"
    ]
    # The run is over before 0 is there.
    config = make_config(*words, "--learning.rounds=1")
    said = warnings(config, make_scenario(config))[0]
    assert said.startswith("devices 1 and 2 come within 0 m of each other at 0 s: network")


def test_shadowing_is_the_models_own_unless_given() -> None:
    for flags, sigmas_db in (
        ("--network.path_loss=log_distance", (4, 4)),
        ("--network.path_loss=d2d", (7, 7)),
        ("--network.path_loss=inh", (3, 8.03)),
        ("--network.path_loss=v2v_highway", (3, 4)),
        ("--network.path_loss=inh --network.shadowing_sigma_db=5", (5, 5)),
    ):
        config = make_config("--scenario=adhoc80211", *flags.split())
        channel = make_scenario(config).channel
        assert (channel.shadowing_sigma_db, channel.hidden_sigma_db) == sigmas_db
