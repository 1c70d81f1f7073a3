"""Radios against the tables of the standard."""

import pytest

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.errors import ScenarioError


def radio(*flags: str, scenario: str = "adhoc80211") -> Radio:
    """The default radio with some flags of the network section changed."""
    arguments = [f"--network.{flag}" for flag in flags]
    flat = [word for argument in arguments for word in argument.split("=")]
    return make_scenario(load(flat, None, scenario)).radio


@pytest.mark.parametrize(
    ("flags", "slowest_mbps", "fastest_mbps"),
    [
        # IEEE 802.11-2020, tables 17-4, 19-27, 19-31, 21-29, 21-45; 802.11ax-2021, 27-77, 27-105
        (("standard=80211a",), 6, 54),
        (("standard=80211n",), 6.5, 65),
        (("standard=80211n", "channel_width_mhz=40"), 13.5, 135),
        (("standard=80211ac",), 6.5, 78),
        (("standard=80211ac", "channel_width_mhz=80"), 29.3, 390),
        (("standard=80211ax",), 7.3, 121.9),
        (("standard=80211ax", "channel_width_mhz=80"), 30.6, 510.4),
        (("standard=80211ac", "channel_width_mhz=160"), 58.5, 780),
        (("standard=80211ax", "channel_width_mhz=160"), 61.3, 1020.8),
        # Short guard intervals and streams; 802.11be-2024, 36.5: 4096-QAM at 5/6 on top
        (("standard=80211n", "guard_interval_ns=400"), 7.2, 72.2),
        (("standard=80211n", "antennas=4", "spatial_streams=4"), 26, 260),
        (
            (
                *("standard=80211ac", "channel_width_mhz=80", "guard_interval_ns=400"),
                *("antennas=2", "spatial_streams=2"),
            ),
            *(65, 866.7),
        ),
        (("standard=80211ax", "guard_interval_ns=800"), 8.6, 143.4),
        (("standard=80211be", "guard_interval_ns=800"), 8.6, 172.1),
        (
            (
                *("standard=80211be", "channel_width_mhz=160", "guard_interval_ns=800"),
                *("antennas=2", "spatial_streams=2"),
            ),
            *(144.1, 2882.4),
        ),
        # 802.11-2020, 16.3.3; table 17-14 at 10 and 5 MHz
        (("standard=80211b", "band_ghz=2.4", "channel_width_mhz=22"), 1, 11),
        (("standard=80211p", "channel_width_mhz=10"), 3, 27),
        (("standard=80211p", "channel_width_mhz=5"), 1.5, 13.5),
    ],
)
def test_the_rates_of_a_standard_are_those_of_its_tables(
    flags: tuple[str, ...], slowest_mbps: float, fastest_mbps: float
) -> None:
    slowest_bps, *_, fastest_bps = radio(*flags).rates_bps
    assert slowest_bps / 1e6 == pytest.approx(slowest_mbps, abs=0.051)
    assert fastest_bps / 1e6 == pytest.approx(fastest_mbps, abs=0.051)


@pytest.mark.parametrize(
    ("flags", "channel", "frequency_mhz"),
    [
        ((), 36, 5180),
        (("channel_width_mhz=80",), 42, 5210),
        (("band_ghz=6", "channel_width_mhz=40", "channel_number=11"), 11, 6005),
        (("band_ghz=2.4",), 1, 2412),
        # Channel 14 is 12 MHz above 13; 802.11p has 172 to 184 at 5.86 to 5.92 GHz.
        (
            ("standard=80211b", "band_ghz=2.4", "channel_width_mhz=22", "channel_number=14"),
            *(14, 2484),
        ),
        (("standard=80211p", "channel_width_mhz=10"), 172, 5860),
        (("standard=80211p", "channel_width_mhz=10", "channel_number=184"), 184, 5920),
        (("standard=80211p", "channel_width_mhz=5"), 171, 5860),
    ],
)
def test_the_channel_is_the_asked_one_or_the_lowest_of_its_width(
    flags: tuple[str, ...], channel: int, frequency_mhz: float
) -> None:
    made = radio(*flags)
    assert made.channel == channel
    assert made.frequency_hz == frequency_mhz * 1e6


def test_noise_doubles_with_the_width() -> None:
    narrow, wide = radio(), radio("channel_width_mhz=40")
    assert narrow.noise_power_dbm == pytest.approx(-173.98 + 73.01 + 7, abs=0.01)  # kT, 20 MHz, NF
    assert wide.noise_power_dbm - narrow.noise_power_dbm == pytest.approx(3.01, abs=0.01)


def test_antennas_hear_a_weaker_preamble() -> None:
    sensitive = "preamble_detection_dbm=-110", "rx_sensitivity_dbm=-150"
    one, four = radio(*sensitive), radio(*sensitive, "antennas=4")
    assert one.weakest_heard_dbm == pytest.approx(-173.98 + 73.01 + 7 + 4, abs=0.01)
    assert one.weakest_heard_dbm - four.weakest_heard_dbm == pytest.approx(6.02, abs=0.01)


def test_free_space_costs_less_at_lower_frequencies() -> None:
    assert radio().free_space_loss_db == 46.7
    assert radio("band_ghz=2.4").free_space_loss_db == 40.1  # 20 log10(5180 / 2412) less


@pytest.mark.parametrize(
    ("flags", "scenario", "says"),
    [
        (("standard=80211a", "band_ghz=2.4"), "adhoc80211", "band_ghz: expected one of 5 with"),
        (("standard=80211ac", "band_ghz=6"), "adhoc80211", "band_ghz"),
        (("standard=80211n", "channel_width_mhz=80"), "adhoc80211", "channel_width_mhz"),
        (("band_ghz=2.4", "channel_width_mhz=80"), "adhoc80211", "channel_width_mhz"),
        (("channel_width_mhz=40", "channel_number=36"), "adhoc80211", "channel_number"),
        (("standard=80211n", "mcs=8"), "adhoc80211", "mcs: expected 0 to 7"),
        (("standard=80211ax", "mcs=12"), "adhoc80211", "mcs: expected 0 to 11"),
        (("standard=80211n", "channel_width_mhz=160"), "adhoc80211", "channel_width_mhz"),
        (
            ("standard=80211be", "band_ghz=2.4", "channel_width_mhz=160"),
            *("adhoc80211", "channel_width_mhz"),
        ),
        (
            ("standard=80211ax", "guard_interval_ns=1600"),
            *("adhoc80211", "guard_interval_ns: expected one of 3200, 800 with standard 80211ax"),
        ),
        (
            ("standard=80211ac", "guard_interval_ns=3200"),
            *("adhoc80211", "guard_interval_ns: expected one of 800, 400"),
        ),
        (("standard=80211a", "guard_interval_ns=800"), "adhoc80211", "expected none"),
        (("antennas=2", "spatial_streams=3"), "adhoc80211", "expected at most antennas"),
        (
            ("standard=80211ac", "antennas=4", "spatial_streams=3"),
            *("adhoc80211", "spatial_streams: expected one of 1, 2, 4"),
        ),
        (
            ("standard=80211a", "antennas=2", "spatial_streams=2"),
            *("adhoc80211", "spatial_streams: expected one of 1 with"),
        ),
        (("standard=80211ac", "mcs=9"), "adhoc80211", "mcs: expected 0 to 8"),
        (("band_ghz=2.4",), "mesh80211", "band_ghz: expected 5 or 6 with scenario mesh80211"),
        (("standard=80211a", "rate_manager=minstrel_ht"), "adhoc80211", "rate_manager"),
        (("standard=80211p",), "adhoc80211", "channel_width_mhz: expected one of 10, 5"),
        (
            ("standard=80211p", "channel_width_mhz=10"),
            "infrastructure",
            "standard: expected another than 80211p",
        ),
        (
            ("standard=80211p", "channel_width_mhz=10"),
            "mesh80211",
            "standard: expected another than 80211p",
        ),
        (
            ("standard=80211p", "channel_width_mhz=10", "interferers=1", "interference=bss"),
            *("adhoc80211", "interference: expected flows"),
        ),
        (
            ("standard=80211b", "band_ghz=2.4", "channel_width_mhz=22", "phy=spectrum"),
            "adhoc80211",
            "phy: expected yans",
        ),
        (
            ("standard=80211b", "band_ghz=2.4", "channel_width_mhz=22"),
            "mesh80211",
            "band_ghz: expected 5 or 6",
        ),
        (
            ("standard=80211b", "band_ghz=2.4", "channel_width_mhz=22", "rate_manager=minstrel_ht"),
            "d2d",
            "rate_manager",
        ),
        (
            ("standard=80211b", "band_ghz=2.4", "channel_width_mhz=22", "mcs=4"),
            "adhoc80211",
            "mcs: expected 0 to 3",
        ),
    ],
)
def test_what_the_standard_does_not_have_is_refused(
    flags: tuple[str, ...], scenario: str, says: str
) -> None:
    with pytest.raises(ScenarioError, match=says):
        radio(*flags, scenario=scenario)
