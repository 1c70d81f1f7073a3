"""Every pair of scenario, path loss, transport, rate manager and movement that can go together.

Each case also has a radio, so that every pair of a radio and one of these but the path loss occurs,
and a model of shadowing, so that every pair with it occurs. Rate manager per_station, which sends
as constant does (test_station_rates.py), occurs once.

Each case must deliver something, hold the ns-3 objects that it asked for, and show each choice in
what happened: SNR, rates, acknowledgements, peers, positions.
"""

from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from mesh import run_mesh

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.catalogue import SCENARIOS
from ns3_scenarios.description.mobility import MobilitySettings
from ns3_scenarios.description.path_loss import PATH_LOSSES
from ns3_scenarios.description.radio import RATE_MANAGERS
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.description.transport import TRANSPORTS, UNANSWERED
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.validation import theory_path_loss as theory

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(120)]

Case = tuple[str, str, str, str, str]
MOBILITIES = get_args(MobilitySettings.model_fields["mobility"].annotation)
CHOICES = (SCENARIOS, PATH_LOSSES, TRANSPORTS, RATE_MANAGERS, MOBILITIES)
RADIOS: dict[str, dict[str, Any]] = {
    "ax": {},
    "a": {"standard": "80211a"},
    "b": {"standard": "80211b", "band_ghz": 2.4, "channel_width_mhz": 22},
    "g": {"standard": "80211g", "band_ghz": 2.4},
    "p": {"standard": "80211p", "channel_width_mhz": 10},
    "n-short": {"standard": "80211n", "guard_interval_ns": 400},
    "ac-160-two": {
        "standard": "80211ac",
        "channel_width_mhz": 160,
        "antennas": 2,
        "spatial_streams": 2,
    },
    "be": {"standard": "80211be", "guard_interval_ns": 800, "antennas": 2},
}
LEGACY = {"a", "b", "g", "p"}
IN_2_4_GHZ = {"b", "g"}
# Deviation [dB]; a walk through the field shows in test_common_shadowing.py.
SHADOWING_DB = {"independent": 0.0, "network": 3.0}
SPACING_M = 16.0
SPEED_MPS = 2.0
TRACE_LOSS_DB = 78.0
# The third rate, QPSK at 3/4 from n on, and the slowest of frames to all (one stream, 0.8 us).
MCS_2_BPS = {
    "80211ax": 1.5 * 234 / 16e-6,
    "80211a": 12e6,
    "80211b": 5.5e6,
    "80211g": 12e6,
    "80211p": 6e6,
    "80211n": 1.5 * 52 / 3.6e-6,
    "80211ac": 2 * 1.5 * 468 / 4e-6,
    "80211be": 1.5 * 234 / 13.6e-6,
}
MCS_0_TO_ALL_BPS = {
    "80211ax": 0.5 * 234 / 13.6e-6,
    "80211a": 6e6,
    "80211b": 1e6,
    "80211g": 6e6,
    "80211p": 3e6,
    "80211n": 0.5 * 52 / 4e-6,
    "80211ac": 0.5 * 468 / 4e-6,
    "80211be": 0.5 * 234 / 13.6e-6,
}
AP_HEIGHT_M = {"umi": 10.0, "uma": 25.0}
MODELS = {
    "static": "ConstantPosition",
    "random_waypoint": "RandomWaypoint",
    "gauss_markov": "GaussMarkov",
    "ns2_trace": "ConstantVelocity",
}


def can_be(case: Case) -> bool:
    """Whether a configuration of these is accepted; the refusals have tests of their own."""
    scenario, path_loss, transport, rate_manager, mobility = case
    relayed = scenario == "infrastructure"
    return (
        (transport != "broadcast" or scenario in ("adhoc80211", "d2d"))
        and (path_loss != "trace" or not relayed)
        and (path_loss not in AP_HEIGHT_M or relayed)
        and (rate_manager != "per_station" or (relayed and mobility == "static"))
    )


def pairs_of(case: Case) -> set[tuple[tuple[int, str], tuple[int, str]]]:
    pairs = set(combinations(enumerate(case), 2))
    return {pair for pair in pairs if (3, "per_station") not in pair or pair[0][0] == 0}


def pairwise() -> list[Case]:
    """Choose cases, each time the one with most pairs not seen yet, until all pairs are seen."""
    possible = [case for case in product(*CHOICES) if can_be(case)]
    unseen = set().union(*(pairs_of(case) for case in possible))
    chosen = []
    while unseen:
        best = max(possible, key=lambda case: len(pairs_of(case) & unseen))
        chosen.append(best)
        unseen -= pairs_of(best)
    return chosen


def has_radio(case: Case, radio: str) -> bool:
    """Whether a radio can go with a case; the refusals have tests of their own."""
    scenario, _, _, rate_manager, _ = case
    return (
        (rate_manager != "minstrel_ht" or radio not in LEGACY)
        and (scenario != "mesh80211" or radio not in IN_2_4_GHZ)
        and (radio != "p" or scenario in ("adhoc80211", "d2d"))
    )


def with_radios(cases: list[Case]) -> list[tuple[Case, str]]:
    """Give each case the radio with most pairs not seen yet; add cases until all pairs are seen."""

    def pairs(case: Case, radio: str) -> set[tuple[str, str]]:
        return {(radio, part) for i, part in enumerate(case) if i != 1 and part != "per_station"}

    possible = [case for case in product(*CHOICES) if can_be(case)]
    unseen = {
        pair
        for case in possible
        for radio in RADIOS
        if has_radio(case, radio)
        for pair in pairs(case, radio)
    }
    chosen = []
    for case in cases:
        fitting = [radio for radio in RADIOS if has_radio(case, radio)]
        radio = max(fitting, key=lambda each: len(pairs(case, each) & unseen))
        chosen.append((case, radio))
        unseen -= pairs(case, radio)
    while unseen:
        fits = (
            (case, radio)
            for radio, _ in sorted(unseen)
            for case in possible
            if has_radio(case, radio)
        )
        best = max(fits, key=lambda each: len(pairs(*each) & unseen))
        chosen.append(best)
        unseen -= pairs(*best)
    return chosen


def with_shadowing(cases: list[tuple[Case, str]]) -> list[tuple[Case, str, str]]:
    """Give each case the model with most pairs not seen yet."""
    unseen = {
        (model, part)
        for case, radio in cases
        for part in (*case, radio)
        for model in SHADOWING_DB
        if part not in ("trace", "per_station")
    }
    chosen = []
    for case, radio in cases:
        pairs = {model: {(model, part) for part in (*case, radio)} for model in SHADOWING_DB}
        models = ["independent"] if "trace" in case else list(SHADOWING_DB)
        model = max(models, key=lambda each: len(pairs[each] & unseen))
        chosen.append((case, radio, model))
        unseen -= pairs[model]
    assert not unseen
    return chosen


def scenario_of(case: Case, radio: str, shadowing: str, folder: Path) -> NetworkScenario:
    name, path_loss, transport, rate_manager, mobility = case
    flags: dict[str, Any] = {
        "num_devices": 4,
        "placement": "grid",
        "spacing_m": SPACING_M,
        "path_loss": path_loss,
        "shadowing_sigma_db": SHADOWING_DB[shadowing],
        "shadowing_model": shadowing,
        "transport": transport,
        "rate_manager": rate_manager,
        "mcs": 2,
        "mobility": mobility,
        "min_speed_mps": 1.0,
        "max_speed_mps": SPEED_MPS,
        "pause_s": 0.0,
        "mobility_area_m": 30.0,
        "tx_power_dbm": 20.0,
        "boot_s": 2.0,
    } | RADIOS[radio]
    if name == "infrastructure":
        flags["ap_height_m"] = AP_HEIGHT_M.get(path_loss, 3.0)
    if path_loss == "trace":
        rows = [(0.0, i, j, TRACE_LOSS_DB) for i, j in combinations(range(4), 2)]
        table = pd.DataFrame(rows, columns=["time_s", "i", "j", "loss_db"])
        table.to_csv(folder / "loss.csv", index=False)
        flags["loss_trace"] = folder / "loss.csv"
    if mobility == "ns2_trace":
        walk = folder / "walk.tcl"
        start_m = SPACING_M * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        lines = [
            f"$node_({i}) set {axis}_ {value:g}"
            for i, place_m in enumerate(start_m)
            for axis, value in zip("XY", place_m, strict=True)
        ]
        lines.append('$ns_ at 0.0 "$node_(0) setdest 2.0 0.0 1.0"')
        walk.write_text("\n".join(lines) + "\n")
        flags["mobility_trace"] = walk
    words = [word for key, value in flags.items() for word in (f"--network.{key}", str(value))]
    return make_scenario(load(words, None, name))


def expected_snr_db(scenario: NetworkScenario, apart_m: float) -> tuple[float, float]:
    """Bounds of the SNR at a distance, by the formula of the path loss: hidden, in sight."""
    radio, height_m = scenario.radio, 1.5
    losses: dict[str, Any] = {
        "log_distance": lambda d, f: theory.log_distance_db(
            d, 3.0, round(theory.free_space_db(1.0, f), 1)
        ),
        "friis": theory.free_space_db,
        "two_ray": lambda d, f: theory.two_ray_db(d, f, height_m),
        "itu_p1411": lambda d, f: theory.p1411_db(d, f, height_m),
        "d2d": theory.d2d_db,
        "umi": lambda d, f: theory.umi_db(d, f, 10.0, height_m),
        "uma": lambda d, f: theory.uma_db(d, f, 25.0, height_m),
        "inh": theory.inh_db,
        # In sight, and far beyond what vehicles between can hide.
        "v2v_urban": lambda d, f: theory.v2v_urban_db(d, f)[0] + np.array([0, 40]),
        "v2v_highway": lambda d, f: theory.v2v_highway_db(d, f)[0] + np.array([0, 40]),
        "trace": lambda d, f: TRACE_LOSS_DB,
    }
    loss_db = np.atleast_1d(losses[scenario.channel.path_loss](apart_m, radio.frequency_hz))
    snr_db = radio.tx_power_dbm - loss_db - radio.noise_power_dbm
    return float(snr_db.min()), float(snr_db.max())


def check_objects(case: Case, folder: Path) -> None:
    """The objects that ns-3 really made, from its own attribute store."""
    _, path_loss, _, rate_manager, mobility = case
    made = (folder / "ns3_attributes.txt").read_text()
    assert RATE_MANAGERS[rate_manager] in made
    assert f"$ns3::{MODELS[mobility]}MobilityModel" in made
    # The store passes over P.1411, whose attribute has no getter.
    if PATH_LOSSES[path_loss].ns3_name and path_loss != "itu_p1411":
        assert f"{PATH_LOSSES[path_loss].ns3_name}PropagationLossModel" in made


def check_snr(scenario: NetworkScenario, report: RoundReport) -> None:
    """Devices that stand still hear each other as the path loss says."""
    for i, j in combinations(range(4), 2):
        apart_m = np.linalg.norm(scenario.position_m[i] - scenario.position_m[j])
        shadowing_db = [scenario.channel.shadowing_db[i, j]]
        if scenario.name == "infrastructure":
            half_m, up_m = SPACING_M / np.sqrt(2), scenario.settings.ap_height_m - 1.5
            apart_m = np.hypot(half_m, up_m)
            field, middle_m = scenario.channel.shadowing_field, np.full(2, SPACING_M / 2)
            shadowing_db = [
                field.link_db(scenario.position_m[end], middle_m) if field else 0.0
                for end in (i, j)
            ]
        hidden_db, sight_db = expected_snr_db(scenario, float(apart_m))
        heard_db = report.links.sinr_db[[i, j], [j, i]]
        for snr_db in heard_db[np.isfinite(heard_db)]:
            # The mean over frames, of which some met others; in infrastructure, over two hops.
            # Antennas beyond a frame's streams add to it; managers that sample try narrower
            # frames, too, which take in less noise.
            more_db = 10 * np.log10(scenario.radio.antennas)
            if scenario.radio.rate_manager in ("minstrel_ht", "thompson"):
                more_db += max(0.0, 10 * np.log10(scenario.radio.channel_width_mhz / 20))
            low_db, high_db = hidden_db - max(shadowing_db), sight_db - min(shadowing_db)
            assert low_db - 1.5 <= snr_db <= high_db + more_db + 0.5


def check_transport(scenario: NetworkScenario, report: RoundReport) -> None:
    flows, frames = report.flows, report.links.frames
    transport = scenario.transport.transport
    assert (flows.acked_bytes.sum() > 0) == (transport not in UNANSWERED)
    if transport == "broadcast":
        others = ~np.eye(4, dtype=np.bool_)
        assert all(len(set(row[other])) == 1 for row, other in zip(frames, others, strict=True))


def check_rates(case: Case, scenario: NetworkScenario, report: RoundReport) -> None:
    _, _, transport, rate_manager, _ = case
    radio = scenario.radio
    rates_bps = report.links.rate_bps[np.isfinite(report.links.rate_bps)]
    mcs_2_bps = MCS_2_BPS[radio.standard]
    if transport == "broadcast":
        assert rates_bps == pytest.approx(MCS_0_TO_ALL_BPS[radio.standard])
    elif rate_manager == "constant":
        assert rates_bps == pytest.approx(mcs_2_bps, rel=1e-3)
    else:
        assert np.abs(rates_bps / mcs_2_bps - 1).max() > 0.05


def check_peers(scenario: NetworkScenario, report: RoundReport) -> None:
    peers, hops = report.links.is_peer.sum(), report.links.next_hop
    expected = {"adhoc80211": 0, "d2d": 0, "infrastructure": 12}.get(scenario.name)
    assert peers == expected if expected is not None else peers > 0
    assert (hops >= 0).any() == (scenario.name == "mesh80211")


def check_places(case: Case, reports: list[RoundReport], start_m: Any) -> None:
    step_m = np.linalg.norm(reports[1].position_m - reports[0].position_m, axis=1)
    mobility = case[-1]
    if mobility == "static":
        np.testing.assert_allclose(reports[1].position_m, start_m, atol=1e-9)
    elif mobility == "ns2_trace":
        # 1 m/s from the start of the first round on, to 2 m from the corner.
        assert reports[1].position_m[0] == pytest.approx([2.0, 0.0, 1.5], abs=0.01)
        assert (step_m[1:] == 0).all()
    else:
        assert (step_m > 0).all()
        assert (step_m <= 2.0 * SPEED_MPS * 1.5 + 1e-6).all()


CASES = with_shadowing(with_radios(pairwise()))


@pytest.mark.parametrize(
    ("case", "radio", "shadowing"), CASES, ids=["-".join([*case, *more]) for case, *more in CASES]
)
def test_a_case_delivers_and_shows_what_it_was_asked_for(
    case: Case, radio: str, shadowing: str, tmp_path: Path
) -> None:
    scenario = scenario_of(case, radio, shadowing, tmp_path)
    reports = run_mesh(scenario, tmp_path, 2, payload_bytes=14_000, period_s=2.0)
    assert reports[1].flows.delivered_bytes.sum() > 0
    check_objects(case, tmp_path)
    check_transport(scenario, reports[1])
    check_rates(case, scenario, reports[1])
    check_peers(scenario, reports[1])
    check_places(case, reports, scenario.position_m)
    if case[-1] == "static":
        check_snr(scenario, reports[1])
