"""The radio network in the configuration: placement, movement, channel, radio, rounds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cosim.config_section import Section, StoredPath, quantity
from ns3_scenarios.catalogue import ROUTINGS
from ns3_scenarios.channel import FADINGS
from ns3_scenarios.interference import INTERFERENCES
from ns3_scenarios.loss_trace import TRACE_ENDS
from ns3_scenarios.mobility import MOBILITIES, PLACEMENTS
from ns3_scenarios.path_loss import PATH_LOSSES
from ns3_scenarios.radio import ACCESS_CATEGORIES, RATE_MANAGERS, WIDTHS_MHZ
from ns3_scenarios.scenario import MESH_METRICS
from ns3_scenarios.transport import TRANSPORTS


class Placement(Section):
    """Where devices are and how they move."""

    num_devices: int = quantity(9, "Devices", "", 2, 100)
    placement: Literal[PLACEMENTS] = Field(  # type: ignore[valid-type]
        "grid",
        description="grid: row by row on a square; line: along x; disc: drawn uniformly;"
        " file: from placement_file",
    )
    spacing_m: float = quantity(30.0, "Distance between neighbours, grid and line", "m", 1.0, 1e4)
    disc_radius_m: float = quantity(60.0, "Radius of placement disc", "m", 1.0, 1e5)
    placement_file: StoredPath | None = Field(
        None,
        description="CSV file with columns x_m, y_m and, if heights differ, z_m, one row a device",
    )
    device_height_m: float = quantity(
        1.5, "Height of the antennas above the ground (Z_ of mobility_trace)", "m", 0.0, 200.0
    )
    neighbour_distance_m: float = quantity(
        35.0,
        "Devices up to this far apart exchange what they learn (where devices move: all do, and"
        " this is the distance of a contact)",
        "m",
        1.0,
        1e6,
    )
    mobility: Literal[MOBILITIES] = Field(  # type: ignore[valid-type]
        "static",
        description="static; random_waypoint; gauss_markov; ns2_trace: from mobility_trace",
    )
    min_speed_mps: float = quantity(0.5, "Lowest speed of moving devices", "m/s", 0.01, 100.0)
    max_speed_mps: float = quantity(1.5, "Highest speed of moving devices", "m/s", 0.01, 100.0)
    pause_s: float = quantity(2.0, "Pause at each waypoint", "s", 0.0, 1e6)
    gauss_markov_memory: float = quantity(
        0.85, "How much of its movement a device keeps from second to second", "", 0.0, 1.0
    )
    mobility_area_m: float | None = quantity(
        None, "Side of the square in which devices move; by default just holds them", "m", 1.0, 1e6
    )
    mobility_trace: StoredPath | None = Field(
        None,
        description="ns-2 file of movements ($node_(0) is device 0), as BonnMotion and SUMO"
        " write it; it also places the devices, and its time 0 is the start of the first round",
    )


def _sigmas() -> list[str]:
    """Say which shadowing each model has, in sight and without."""
    of: dict[str, list[str]] = {}
    for name, model in PATH_LOSSES.items():
        if name != "trace":
            of.setdefault(" / ".join(f"{x:g}" for x in dict.fromkeys(model.sigma_db)), []).append(
                name
            )
    return [f"{sigma} dB {', '.join(names)}" for sigma, names in of.items()]


class ChannelFields(Section):
    """Path loss, shadowing, fading."""

    path_loss: Literal[tuple(PATH_LOSSES)] = Field(  # type: ignore[valid-type]
        "log_distance",
        description="; ".join(f"{name}: {model.text}" for name, model in PATH_LOSSES.items()),
    )
    path_loss_exponent: float = quantity(3.0, "Exponent of log-distance path loss", "", 1.5, 6.0)
    reference_loss_db: float | None = quantity(
        None, "Path loss at 1 m; by default that of free space in the channel", "dB", 0.0, 100.0
    )
    shadowing_sigma_db: float | None = quantity(
        None,
        "Standard deviation of log-normal shadowing, one value a link; by default path_loss's own: "
        + "; ".join(_sigmas()),
        "dB",
        0.0,
        20.0,
    )
    decorrelation_distance_m: float = quantity(
        20.0,
        "Distance over which shadowing and line of sight (d2d; of others: "
        + ", ".join(f"{k} {v.sight_m:g} m" for k, v in PATH_LOSSES.items() if v.sight_m)
        + ") of moving devices change",
        "m",
        0.1,
        1e4,
    )
    fading: Literal[FADINGS] = Field(  # type: ignore[valid-type]
        "none",
        description="none; nakagami: reciprocal, constant for coherence_time_s; nakagami_per_frame:"
        " ns-3's own, drawn for every frame and receiver",
    )
    nakagami_m: float = quantity(1.0, "Nakagami's m; 1 is Rayleigh fading", "", 0.5, 100.0)
    coherence_time_s: float = quantity(0.1, "Time between two draws of fading", "s", 1e-4, 1e6)
    loss_trace: StoredPath | None = Field(
        None,
        description="CSV or Parquet file of losses: time_s (from 0, the start of the first round),"
        " i, j, loss_db (path_loss trace)",
    )
    loss_trace_end: Literal[TRACE_ENDS] = Field(  # type: ignore[valid-type]
        "hold",
        description="After the last time: hold the last losses; loop; stop: refuse a run that"
        " outlasts the trace",
    )
    phy: Literal["yans", "spectrum"] = Field(
        "yans", description="PHY model of ns-3; spectrum also models partly overlapping channels"
    )


class RadioFields(Section):
    """The 802.11 radio."""

    standard: Literal[tuple(WIDTHS_MHZ)] = Field(  # type: ignore[valid-type]
        "80211ax", description=f"IEEE 802.11 standard: {', '.join(WIDTHS_MHZ)}"
    )
    band_ghz: float = quantity(5.0, "Band: 2.4, 5 or 6, as the standard has it", "GHz", 2.4, 6.0)
    channel_width_mhz: int = quantity(
        20, "Channel width: 20, 40 or 80, as the standard has it in the band", "MHz", 20, 80
    )
    channel_number: int = quantity(
        0, "IEEE channel number; 0 takes the lowest of the band and width", "", 0, 233
    )
    tx_power_dbm: float = quantity(16.0, "Transmit power", "dBm", -20.0, 30.0)
    antenna_gain_dbi: float = quantity(0.0, "Antenna gain, each way", "dBi", -20.0, 40.0)
    noise_figure_db: float = quantity(7.0, "Receiver noise figure", "dB", 0.0, 20.0)
    preamble_detection_dbm: float = quantity(
        -82.0,
        "Weakest preamble that a receiver detects; at 20 MHz and noise_figure_db 7, -82 dBm is"
        " 12 dB over the noise, so that links that only the slowest rates could use are not heard",
        "dBm",
        -110.0,
        -50.0,
    )
    cca_threshold_dbm: float = quantity(
        -62.0, "Energy from which on an undecoded signal makes the medium busy", "dBm", -110.0, 0.0
    )
    rx_sensitivity_dbm: float = quantity(
        -101.0, "Signals weaker than this are dropped unseen", "dBm", -150.0, -50.0
    )
    rate_manager: Literal[tuple(RATE_MANAGERS)] = Field(  # type: ignore[valid-type]
        "ideal",
        description="ideal: rate from the last SNR; minstrel_ht: sampled, as deployed (802.11n and"
        " later); thompson: sampled by Thompson's rule; constant: always mcs (collapses among"
        " hidden devices if it is high)",
    )
    mcs: int = quantity(0, "Rate of rate_manager constant, counted from the slowest", "", 0, 11)
    rts_threshold_bytes: int = quantity(
        500, "Frames longer than this are protected by RTS/CTS", "bytes", 0, 4692480
    )
    max_ampdu_bytes: int = quantity(65535, "Largest A-MPDU; 0 for none", "bytes", 0, 6500631)
    max_amsdu_bytes: int = quantity(0, "Largest A-MSDU; 0 for none", "bytes", 0, 11398)
    access_category: Literal[tuple(ACCESS_CATEGORIES)] = Field(  # type: ignore[valid-type]
        "BE", description="802.11e access category of what devices exchange (not in a mesh)"
    )


class InterferenceFields(Section):
    """Other people's traffic on the same channel."""

    interferers: int = quantity(
        0, "Senders that take no part, at random places among the devices", "", 0, 100
    )
    interference: Literal[tuple(INTERFERENCES)] = Field(  # type: ignore[valid-type]
        "flows", description="; ".join(f"{name}: {text}" for name, text in INTERFERENCES.items())
    )
    interference_mbps: float = quantity(
        5.0, "Rate at which an interferer sends while it does", "Mbit/s", 1e-3, 1e4
    )
    interference_on_s: float = quantity(0.5, "Mean time of sending, exponential", "s", 1e-3, 1e6)
    interference_off_s: float = quantity(
        0.5, "Mean pause between, exponential; 0: sends all the time", "s", 0.0, 1e6
    )
    interference_distance_m: float = quantity(
        10.0, "Distance of an interferer's own receiver", "m", 0.1, 1e4
    )


class NetworkConfig(Placement, ChannelFields, RadioFields, InterferenceFields):
    """The radio network: topology, channel, MAC, rounds on the simulated clock."""

    kind: Literal["ns3", "analytic", "ideal"] = Field(
        "ns3",
        description="ns3: every packet simulated; analytic: each link at its Shannon capacity,"
        " without contention or loss, as papers assume; ideal: lossless, instant, free (a control)",
    )
    transport: Literal[tuple(TRANSPORTS)] = Field(  # type: ignore[valid-type]
        "arq", description="; ".join(f"{name}: {text}" for name, text in TRANSPORTS.items())
    )
    segment_bytes: int = quantity(
        1400, "Payload bytes of one datagram, a chunk of a message", "bytes", 100, 1430
    )
    max_window_segments: int = quantity(
        32, "Most unacknowledged datagrams from one device to another (arq, tcp)", "", 1, 250
    )
    pacing_mbps: float | None = quantity(
        None,
        "Rate at which a device sends (udp, broadcast); by default such that it is done when 80 %"
        " of what the round has left are over",
        "Mbit/s",
        1e-3,
        1e4,
    )
    broadcast_mcs: int = quantity(
        0, "PHY rate of transport broadcast, counted from the slowest", "", 0, 11
    )
    mesh_max_packet_failure: int = quantity(
        1000, "Frames in a row that fail before a mesh peer link closes", "", 1, 65535
    )
    mesh_max_beacon_loss: int = quantity(
        4, "Beacons (0.5 s) missed before a mesh peer link closes", "", 1, 65535
    )
    mesh_path_lifetime_s: float = quantity(
        1000.0, "Lifetime of a reactive HWMP path", "s", 0.1, 3600.0
    )
    mesh_metric: Literal[MESH_METRICS] = Field(  # type: ignore[valid-type]
        "rate",
        description="Airtime metric of HWMP: by the rate that the received power allows, or also by"
        " the share of frames that the sender has seen lost",
    )
    mesh_root: int = quantity(
        -1, "Device that is the root of proactive HWMP paths; -1: reactive paths only", "", -1, 99
    )
    routing: Literal[ROUTINGS] = Field(  # type: ignore[valid-type]
        "direct",
        description="Ad hoc and d2d: direct neighbours only, or forwarding by olsr (which needs"
        " boot_s of 15 or so to find its routes) or aodv",
    )
    ap_height_m: float = quantity(3.0, "Height of the access point", "m", 0.0, 200.0)
    ap_is_device: bool = Field(
        False,
        description="Infrastructure: device 0 is the access point itself, in the middle of the"
        " others (or where placement file has it), with a battery like any other"
        " (energy.device_file); the server of a star is then one hop away",
    )
    boot_s: float = quantity(
        3.0,
        "Time before the first round, without charge to the batteries, in which devices find"
        " their peers and the paths to their neighbours",
        "s",
        1.0,
        3600.0,
    )
    sync: Literal["fixed_period", "oracle"] = Field(
        "fixed_period",
        description="fixed_period: a round lasts round_period_s, late messages are late;"
        " oracle: it ends when all is settled, which no device could know",
    )
    round_period_s: float = quantity(3.0, "Length of a round (oracle: at most)", "s", 0.1, 3600.0)
    wall_limit_s: float = quantity(
        3600.0, "A round of ns-3 that takes longer on the wall clock counts as hung", "s", 0.01, 1e6
    )
    pcap: bool = Field(False, description="Write what each radio sends and hears (folder pcap)")
    flow_monitor: bool = Field(False, description="Write ns-3's flow statistics (XML)")
    netanim: bool = Field(False, description="Write an animation for NetAnim (XML)")
    ns3_defaults: dict[str, str] = Field(
        {},
        description="Any other attribute of ns-3, as in Config::SetDefault: a table of the TOML"
        " file, or NAME=VALUE pairs",
    )
