"""The plain description of a network that a session builds."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ns3_scenarios.errors import ScenarioError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RADIO_STATES = ("tx", "rx", "idle", "cca_busy", "switching", "sleep", "off")


@dataclass(frozen=True)
class RadioCurrents:
    """Supply current of the radio in each state [A]; off draws nothing.

    Source of the defaults: ns-3 WifiRadioEnergyModel.
    """

    tx_a: float = 0.380
    rx_a: float = 0.313
    idle_a: float = 0.273
    cca_busy_a: float = 0.273
    switching_a: float = 0.273
    sleep_a: float = 0.033

    def power_w(self, supply_voltage_v: float) -> list[float]:
        """Return power per state in the order of RADIO_STATES [W]: P = I V."""
        currents = [getattr(self, field.name) for field in fields(self)]
        return [supply_voltage_v * current for current in [*currents, 0.0]]


@dataclass(frozen=True)
class NetworkScenario:
    """A network of n devices, in SI units.

    position_m (n, 3); shadowing_db (n, n) symmetric, added to the path loss of each link;
    boot_s: how long devices are on before the first round; neighbours (n, n): row greets column
    then, so that paths stand. initial_energy_j (at the start of the first round),
    battery_capacity_j, harvest_power_w (n). Raises ScenarioError where a field
    does not fit the others.
    """

    name: str
    position_m: FloatArray
    channel_number: int
    tx_power_dbm: float
    path_loss_exponent: float
    reference_loss_db: float
    shadowing_db: FloatArray
    noise_figure_db: float
    preamble_detection_dbm: float
    rate_manager: str
    rts_threshold_bytes: int
    segment_bytes: int
    max_window_segments: int
    mesh_max_packet_failure: int
    mesh_max_beacon_loss: int
    mesh_path_lifetime_s: float
    boot_s: float
    neighbours: BoolArray
    initial_energy_j: FloatArray
    battery_capacity_j: FloatArray
    harvest_power_w: FloatArray
    supply_voltage_v: float
    currents: RadioCurrents
    rng_seed: int
    rng_run: int
    energy_audit: bool = False

    @property
    def num_devices(self) -> int:
        """Number of devices n."""
        return len(self.position_m)

    @property
    def noise_power_dbm(self) -> float:
        """Noise of a receiver in 20 MHz, k T B F with T = 290 K [dBm]."""
        return float(10 * np.log10(1.380649e-23 * 290.0 * 20e6 / 1e-3)) + self.noise_figure_db

    def __post_init__(self) -> None:
        """Check shapes and signs once, where the scenario is made."""
        n = self.num_devices
        if n < 2:
            raise ScenarioError(f"position_m: expected at least 2 devices, got {n}; add devices")
        shapes = {
            "position_m": (n, 3),
            "shadowing_db": (n, n),
            "neighbours": (n, n),
            "initial_energy_j": (n,),
            "battery_capacity_j": (n,),
            "harvest_power_w": (n,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value.shape != shape or not np.all(np.isfinite(value)):
                raise ScenarioError(
                    f"{name}: expected finite values of shape {shape}, got shape {value.shape};"
                    " one value per device (pair)"
                )
        if not np.array_equal(self.shadowing_db, self.shadowing_db.T):
            raise ScenarioError("shadowing_db: expected a symmetric matrix; a link is reciprocal")
        for name in ("initial_energy_j", "battery_capacity_j", "harvest_power_w"):
            if np.any(getattr(self, name) < 0):
                raise ScenarioError(f"{name}: expected at least 0, got {getattr(self, name).min()}")
        if np.any(self.initial_energy_j > self.battery_capacity_j):
            raise ScenarioError("initial_energy_j: expected at most battery_capacity_j")


def grid_positions_m(num_devices: int, spacing_m: float) -> FloatArray:
    """Place devices row by row on the smallest square grid that holds them, (n, 3) [m]."""
    side = int(np.ceil(np.sqrt(num_devices)))
    index = np.arange(num_devices)
    z_m = np.zeros(num_devices)
    return np.column_stack([index % side * spacing_m, index // side * spacing_m, z_m])


def neighbours_within(position_m: FloatArray, distance_m: float) -> BoolArray:
    """Return which devices are at most distance_m apart, (n, n); none is its own neighbour."""
    apart_m = np.linalg.norm(position_m[:, None] - position_m, axis=-1)
    return np.asarray((apart_m <= distance_m) & ~np.eye(len(position_m), dtype=np.bool_))


def log_normal_shadowing_db(
    num_devices: int, sigma_db: float, rng: np.random.Generator
) -> FloatArray:
    """Draw one log-normal shadowing value per link, X_ij = X_ji ~ N(0, sigma^2), (n, n) [dB].

    Constant in time; links are independent of each other, also those that share an end.
    """
    upper = np.triu(rng.normal(0.0, sigma_db, (num_devices, num_devices)), k=1)
    return np.asarray(upper + upper.T)
