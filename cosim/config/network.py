"""The radio network in the configuration: its description, and what only a run decides of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cosim.config.section import Section, StoredPath, described, listed
from ns3_scenarios.description.channel import ChannelSettings
from ns3_scenarios.description.fields import quantity
from ns3_scenarios.description.interference import InterferenceSettings
from ns3_scenarios.description.mobility import MobilitySettings
from ns3_scenarios.description.network_kind import NETWORK_KINDS, READS, RUNS_NS3, WITH_PACKETS
from ns3_scenarios.description.radio import RadioSettings
from ns3_scenarios.description.scenario import MeshSettings, RecordingSettings, ScenarioSettings
from ns3_scenarios.description.transport import TransportSettings


class _OwnFields(Section):
    """What only a run decides: devices and their places, files, clock and kind of network."""

    num_devices: int = quantity(9, "Devices", "", 2, 1000)
    placement: Literal["grid", "line", "disc", "file"] = Field(
        "grid",
        description="grid: row by row on a square; line: along x; disc: drawn uniformly;"
        " file: from placement_file",
    )
    spacing_m: float = quantity(
        30.0,
        "Distance between neighbours, grid and line",
        "m",
        1.0,
        1e4,
        when={
            "placement": ["grid", "line"],
            "mobility": ["static", "random_waypoint", "gauss_markov"],
        },
    )
    disc_radius_m: float = quantity(
        60.0,
        "Radius of placement disc",
        "m",
        1.0,
        1e5,
        when={"placement": ["disc"], "mobility": ["static", "random_waypoint", "gauss_markov"]},
    )
    placement_file: StoredPath | None = Field(
        None,
        description="CSV file with columns x_m, y_m and, if heights differ, z_m, one row a device",
    )
    device_height_m: float = quantity(
        1.5, "Height of the antennas above the ground (Z_ of mobility_trace)", "m", 0.0, 200.0
    )
    mobility_area_m: float | None = quantity(
        None,
        "Side of the square in which devices move; by default just holds them",
        "m",
        1.0,
        1e6,
        when={"mobility": ["random_waypoint", "gauss_markov"]},
    )
    mobility_trace: StoredPath | None = Field(
        None,
        description="ns-2 file of movements ($node_(0) is device 0), as BonnMotion and SUMO"
        " write it; it also places the devices, and its time 0 is the start of the first round",
    )
    loss_trace: StoredPath | None = Field(
        None,
        description="CSV or Parquet file of losses: time_s (from 0, the start of the first round),"
        " i, j, loss_db (path_loss trace)",
    )
    interferers: int = quantity(
        0, "Senders that take no part, at random places among the devices", "", 0, 100
    )
    interference_distance_m: float = quantity(
        10.0,
        "Distance of an interferer's own receiver",
        "m",
        0.1,
        1e4,
        when={"interferers": "positive"},
    )
    kind: Literal[tuple(NETWORK_KINDS)] = Field(  # type: ignore[valid-type]
        "ns3",
        description=listed({name: kind.text for name, kind in NETWORK_KINDS.items()}),
    )
    replay: StoredPath | None = Field(
        None,
        description="Folder of the finished run that kind replay answers from, give its"
        " config.toml as --config; all of network and energy has to be as it is there",
        json_schema_extra={"when": {"kind": READS["replay"]}},
    )
    link_trace: StoredPath | None = Field(
        None,
        description="CSV or Parquet file of kind trace: time_s (from 0, the start of the first"
        " round), i, j (from i to j), rate_bps, delay_s, loss (share of what is sent)",
        json_schema_extra={"when": {"kind": READS["link_trace"]}},
    )
    sync: Literal["fixed_period", "oracle"] = Field(
        "fixed_period",
        description="fixed_period: a round lasts round_period_s, late messages are late;"
        " oracle: it ends when all is settled, which no device could know",
    )
    round_period_s: float = quantity(3.0, "Length of a round (oracle: at most)", "s", 0.1, 3600.0)
    segment_rounds: int | None = quantity(
        None,
        "Rounds after which ns-3 begins anew from batteries, positions and clock, so that resume"
        " repeats those of one segment at most; by default never",
        "",
        1,
        10**6,
        when={"kind": WITH_PACKETS},
    )
    wall_limit_s: float = quantity(
        3600.0,
        "A round of ns-3 that takes longer on the wall clock counts as hung",
        "s",
        0.01,
        1e6,
        when={"kind": RUNS_NS3},
    )


@described
class NetworkConfig(  # --help shows the last of these first
    RecordingSettings,
    MeshSettings,
    TransportSettings,
    InterferenceSettings,
    RadioSettings,
    ChannelSettings,
    MobilitySettings,
    ScenarioSettings,
    _OwnFields,
):
    """The radio network: topology, channel, MAC, rounds on the simulated clock."""
