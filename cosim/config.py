"""What can be configured: every field of a run, with its unit, range and default.

`config_sources` reads them from presets, files and flags.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cosim.compute import PROFILES
from ns3_scenarios.radio import RATE_MANAGERS, WIDTHS_MHZ


def quantity(default: Any, text: str, unit: str = "", low: Any = None, high: Any = None) -> Any:
    """Return a field whose help text says unit and range, which are also checked."""
    if low is not None and high is not None:
        limits = f", {low} to {high}"
    elif low is not None:
        limits = f", at least {low}"
    else:
        limits = ""
    bracket = f" [{unit}]" if unit else ""
    return Field(default=default, ge=low, le=high, description=f"{text}{bracket}{limits}")


class Section(BaseModel):
    """A part of the configuration: unknown keys refused, immutable, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkConfig(Section):
    """The radio network: topology, channel, MAC, rounds on the simulated clock."""

    kind: Literal["ns3", "analytic", "ideal"] = Field(
        "ns3",
        description="ns3: every packet simulated; analytic: each link at its Shannon capacity,"
        " without contention or loss, as papers assume; ideal: lossless, instant, free (a control)",
    )
    num_devices: int = quantity(9, "Devices, placed row by row on a square grid", "", 2, 100)
    grid_spacing_m: float = quantity(30.0, "Distance between grid neighbours", "m", 1.0, 1000.0)
    neighbour_distance_m: float = quantity(
        35.0, "Devices up to this far apart exchange what they learn", "m", 1.0, 10000.0
    )
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
        -82.0, "Weakest preamble that a receiver detects", "dBm", -110.0, -50.0
    )
    cca_threshold_dbm: float = quantity(
        -62.0, "Energy from which on an undecoded signal makes the medium busy", "dBm", -110.0, 0.0
    )
    rx_sensitivity_dbm: float = quantity(
        -101.0, "Signals weaker than this are dropped unseen", "dBm", -150.0, -50.0
    )
    path_loss_exponent: float = quantity(3.0, "Exponent of log-distance path loss", "", 1.5, 6.0)
    reference_loss_db: float | None = quantity(
        None, "Path loss at 1 m; by default that of free space in the channel", "dB", 0.0, 100.0
    )
    shadowing_sigma_db: float = quantity(
        4.0, "Standard deviation of log-normal shadowing, one value a link", "dB", 0.0, 20.0
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
    segment_bytes: int = quantity(1400, "Payload bytes of one UDP datagram", "bytes", 100, 1430)
    max_window_segments: int = quantity(
        32, "Most unacknowledged datagrams from one device to another", "", 1, 250
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


class EnergyConfig(Section):
    """Batteries, radio currents and the computing device."""

    battery_j: float = quantity(125.0, "Full battery of each device at the start", "J", 1e-3, 1e9)
    reserve_j: float = quantity(
        2.0, "Energy that plans leave in the battery, against wrong forecasts", "J", 0.0, 1e9
    )
    harvest_power_w: float = quantity(0.0, "Harvested power, constant", "W", 0.0, 1e3)
    device_profile: Literal[tuple(PROFILES)] = Field(  # type: ignore[valid-type]
        "raspberry_pi_4", description=f"Computing device: {', '.join(PROFILES)}"
    )
    supply_voltage_v: float = quantity(3.0, "Supply voltage of the radio", "V", 0.1, 50.0)
    tx_current_a: float = quantity(0.380, "Radio current when transmitting", "A", 0.0, 10.0)
    rx_current_a: float = quantity(0.313, "Radio current when receiving", "A", 0.0, 10.0)
    idle_current_a: float = quantity(0.273, "Radio current when idle", "A", 0.0, 10.0)
    cca_busy_current_a: float = quantity(0.273, "Radio current when CCA is busy", "A", 0.0, 10.0)
    switching_current_a: float = quantity(
        0.273, "Radio current when switching channel", "A", 0.0, 10.0
    )

    @model_validator(mode="after")
    def _reserve_fits(self) -> EnergyConfig:
        if self.reserve_j >= self.battery_j:
            raise ValueError(
                f"energy.reserve_j: expected less than energy.battery_j ({self.battery_j:g} J), "
                f"got {self.reserve_j:g}; lower the reserve or use a larger battery"
            )
        return self


class LearningConfig(Section):
    """Data, method and training."""

    rounds: int = quantity(30, "Rounds to run", "", 1, 100000)
    dataset: Literal["watch", "uci_har", "made"] = Field(
        "watch",
        description="watch: embedded recordings of a smartwatch; uci_har: needs data_path;"
        " made: synthetic, for tests",
    )
    data_path: str | None = Field(None, description="Folder, zip or npz of the data set")
    method: Literal["dmml_kd", "dmml_strong", "dmml", "local"] = Field(
        "dmml_kd",
        description="dmml_kd; dmml: decentralised SGD (D-PSGD); dmml_strong: with unimodal losses"
        " and logit adjustment; local: no exchange",
    )
    partition: Literal["dirichlet", "iid", "subject"] = Field(
        "dirichlet", description="How recordings are dealt to devices"
    )
    dirichlet_alpha: float = quantity(
        0.5, "Concentration of the label mix per device; small is heterogeneous", "", 1e-3, 1e6
    )
    modality_pattern: Literal["all", "thirds"] = Field(
        "all",
        description="all: every device has both modalities; thirds: first, second or both,"
        " a third of the devices each",
    )
    batch_size: int = quantity(32, "Windows in one local step", "", 1, 4096)
    learning_rate: float = quantity(0.1, "Step size of SGD", "", 1e-6, 10.0)
    clip_norm: float = quantity(5.0, "Largest gradient norm of a device's step", "", 1e-6, 1e6)
    feature_dim: int = quantity(32, "Width of the common and of the specific features", "", 1, 1024)
    unimodal_weight: float = quantity(1.0, "Loss weight of each modality alone", "", 0.0, 100.0)
    orthogonality_weight: float = quantity(
        0.02, "Loss weight of common against specific features", "", 0.0, 100.0
    )
    distillation_weight: float = quantity(
        1.0, "Loss weight of generated common features", "", 0.0, 100.0
    )
    alignment_weight: float = quantity(
        0.1, "Loss weight of common features to the global class means", "", 0.0, 100.0
    )
    logit_adjustment: bool = Field(True, description="Correct logits by the local label prior")
    generator_samples: int = quantity(32, "Generated features per local step", "", 1, 4096)
    generator_decay: float = quantity(
        0.9, "What is left of the generator's old statistics after a round", "", 0.0, 1.0
    )
    warmup_rounds: int = quantity(5, "Rounds without generator terms", "", 0, 100000)
    ramp_rounds: int = quantity(10, "Rounds over which they grow to full weight", "", 0, 100000)

    @model_validator(mode="after")
    def _data_path_fits(self) -> LearningConfig:
        if self.dataset == "uci_har" and self.data_path is None:
            raise ValueError(
                "learning.data_path: expected the path of the UCI HAR archive, got none;"
                " add --learning.data_path PATH"
            )
        if self.dataset != "uci_har" and self.data_path is not None:
            raise ValueError(
                f"learning.data_path: expected none with dataset {self.dataset},"
                f" got {self.data_path}; remove it or use --learning.dataset uci_har"
            )
        return self


class IterationConfig(Section):
    """The iteration optimizer."""

    rule: Literal["balance", "uniform", "random", "inverse"] = Field(
        "balance",
        description="balance: modalities that train fast get fewer iterations;"
        " uniform, random, inverse: controls with the same budget",
    )
    max_iterations: int = quantity(80, "Most local iterations a round of one modality", "", 1, 1000)
    short_rule: Literal["best_modality", "idle"] = Field(
        "best_modality",
        description="When not even one iteration of each modality fits the budget",
    )
    compute_share: float = quantity(
        0.4,
        "Share of the round in which computing must end, so that messages are in time",
        "",
        0.01,
        0.99,
    )


class RunConfig(BaseSettings):
    """Co-simulate decentralised multi-modal learning over a radio network of ns-3."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        cli_implicit_flags=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
    )

    scenario: str = Field("mesh80211", description="Name of a preset")
    seed: int = quantity(1, "Seed of everything random in the run", "", 0, 2**31 - 1)
    network: NetworkConfig = Field(NetworkConfig(), description=NetworkConfig.__doc__)
    energy: EnergyConfig = Field(EnergyConfig(), description=EnergyConfig.__doc__)
    learning: LearningConfig = Field(LearningConfig(), description=LearningConfig.__doc__)
    iteration: IterationConfig = Field(IterationConfig(), description=IterationConfig.__doc__)
