"""Fields without effect are named; the truth is read off what the two sides look at."""

from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from cosim.config.inert import conditions, fields, inert
from cosim.config.sources import load

ROOT = Path(__file__).resolve().parents[3]
# Each field with the first that it depends on; where that is the method, with the others, too.
DEPENDENT = [
    (section, name, key)
    for section, name, each in fields()
    for place, key in enumerate(conditions(each))
    if place == 0 or "method" in conditions(each)
]
# What each of these is beside which nothing of the kind is looked at.
ELSEWHERE = {
    "kind": "ideal",
    "network.kind": "ideal",
    "scenario": "adhoc80211",
    "mobility": "static",
    "placement": "line",
    "method": "dmml",
    "learning.method": "dmml",
    "traffic_file": "traffic.csv",
    "partition": "iid",
    "harvest_file": "sun.csv",
    "rule": "static",
    "device": "cuda",
}


# Flags of fields whose values are not any number or word.
GIVEN = {
    "dataset": ["--learning.dataset=made"],
    "data_path": ["--learning.dataset=uci_har", "--learning.data_path=har"],
    "modality_file": ["--learning.modality_pattern=table", "--learning.modality_file=has.csv"],
    "method_options": ["--learning.method_options", "smoothing=0.2"],
    "model": [f"--learning.model={ROOT / 'learning' / 'examples' / 'own_encoder.py'}"],
    "rule": ["--iteration.rule=uniform"],
    "ns3_defaults": ["--network.ns3_defaults", "WifiPhy::ShortSlot=true"],
}


def other_value(field: Any) -> Any:
    """A value of a field that is not its default, as a flag takes it."""
    if get_origin(field.annotation) and str(field.annotation).startswith("typing.Literal"):
        return next(v for v in get_args(field.annotation) if v != field.default)
    bounds = [getattr(b, "ge", getattr(b, "le", None)) for b in field.metadata]
    if bounds:
        return next(b for b in bounds if b != field.default)
    return "acc"


def flags(section: str, name: str, field: Any) -> list[str]:
    if field.annotation is bool:
        return [f"--{'no-' if field.default else ''}{section}.{name}"]
    if name in GIVEN:
        return GIVEN[name]
    return [f"--{section}.{name}={other_value(field)}"]


@pytest.mark.parametrize(("section", "name", "key"), DEPENDENT)
def test_a_field_that_depends_on_others_is_named_where_it_has_no_effect(
    section: str, name: str, key: str
) -> None:
    field = next(each for s, n, each in fields() if (s, n) == (section, name))
    wanted = conditions(field)[key]
    words = flags(section, name, field)
    path = key if "." in key or key == "scenario" else f"{section}.{key}"
    if key in ELSEWHERE:
        value = ELSEWHERE[key]
        if isinstance(wanted, list) and value in wanted:
            value = {"placement": "disc", "method": "local"}.get(key, "")
        if wanted == "not none":
            value = "none"
        words += [f"--{path}={value}"]
    config = load(words, None, "adhoc80211")
    said = [line for line in inert(config) if line.startswith(f"{section}.{name} ")]
    assert len(said) == 1, words
    assert " has no effect with " in said[0]


@pytest.mark.parametrize("standard", ["80211a", "80211b", "80211g", "80211p"])
def test_frames_are_not_aggregated_before_80211n(standard: str) -> None:
    words = "--network.max_ampdu_bytes=0 --network.max_amsdu_bytes=3839"
    said = inert(load([*words.split(), f"--network.standard={standard}"], None, "adhoc80211"))
    assert said == [
        f"network.{name} has no effect with network.standard {standard}"
        for name in ("max_ampdu_bytes 0", "max_amsdu_bytes 3839")
    ]
    assert inert(load([*words.split(), "--network.standard=80211n"], None, "adhoc80211")) == []


def test_what_has_an_effect_is_not_named() -> None:
    for scenario in ("mesh80211", "adhoc80211", "d2d", "infrastructure"):
        assert inert(load([], None, scenario)) == []
    words = (
        "--network.mobility=gauss_markov --network.gauss_markov_memory=0.5"
        " --network.mobility_area_m=200 --network.fading=nakagami --network.nakagami_m=2"
        " --network.coherence_time_s=1"
        " --network.rate_manager=constant --network.mcs=3 --network.interferers=1"
        " --network.interference_mbps=2 --network.transport=udp --network.pacing_mbps=9"
        " --network.mesh_root=1 --network.tx_power_dbm=9 --learning.decorrelation_weight=1"
        " --learning.payload_codec=top_k --learning.top_k_share=0.2 --learning.generator_decay=0.5"
        " --iteration.speed_metric=cumulative --energy.tx_current_a=0.2"
    )
    assert inert(load(words.split(), None, "mesh80211")) == []


def test_of_a_method_of_ones_own_every_field_may_matter(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    words = [f"--learning.method={tmp_path}/mine.py", "--learning.decorrelation_weight=1"]
    assert inert(load(words, None, None)) == []


def test_what_moves_the_analytic_network_or_a_place_is_not_named() -> None:
    analytic = ("--network.kind=analytic", "--network.channel_number=165")
    assert inert(load([*analytic], None, "adhoc80211")) == []
    raised = ("--network.kind=ideal", "--network.ap_is_device", "--network.ap_height_m=40")
    assert inert(load([*raised], None, "infrastructure")) == []
    # The short rule goes by speed under every rule that does not keep the first.
    short = ("--iteration.rule=uniform", "--iteration.speed_metric=cumulative")
    assert inert(load([*short], None, "mesh80211")) == []


def test_of_a_scenario_of_ones_own_every_field_of_the_network_may_matter() -> None:
    street = ROOT / "ns3_scenarios" / "examples" / "street.py"
    assert inert(load(["--network.nakagami_m=2", f"--scenario={street}"], None, str(street))) == []
