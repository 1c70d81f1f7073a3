"""What radios draw in their states."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pydantic import Field

from ns3_scenarios.arrays import FloatArray
from ns3_scenarios.description.fields import Settings, quantity

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
        """Return power per state in the order of RADIO_STATES [W]: P = I V, none when off."""
        currents_a = asdict(self) | {"off_a": 0.0}
        return [supply_voltage_v * currents_a[f"{state}_a"] for state in RADIO_STATES]


def above_idle_w(state_power_w: FloatArray) -> FloatArray:
    """Return powers above that of an idle radio, (..., states) in the order of RADIO_STATES [W]."""
    above_w: FloatArray = state_power_w - state_power_w[..., [RADIO_STATES.index("idle")]]
    return above_w


@dataclass(frozen=True)
class Draws:
    """What each device's radio and board draw, (n) but for state_power_w (n, states) [W].

    Sending at P [W] draws tx_fixed_w + tx_slope P, where 1 / tx_slope is an efficiency, and 0 a
    draw that does not follow the power; tx_power_dbm: at which a device sends unless something else
    is decided; state_power_w: in the order of RADIO_STATES, at that power; board_idle_w: in every
    second of life besides the radio.
    """

    tx_power_dbm: FloatArray
    state_power_w: FloatArray
    tx_fixed_w: FloatArray
    tx_slope: FloatArray
    board_idle_w: FloatArray

    def transmit_w(self, tx_power_dbm: FloatArray) -> FloatArray:
        """Return what radios draw while they send at these powers, (n) [W]."""
        drawn_w: FloatArray = self.tx_fixed_w + self.tx_slope * 1e-3 * 10 ** (0.1 * tx_power_dbm)
        return drawn_w


@dataclass(frozen=True)
class RadioProfile:
    """What a radio draws, and where that is from.

    tx_efficiency: where a source has several powers, I_tx = tx_overhead_a + P / (V tx_efficiency)
    in place of currents.tx_a; 0: it has one, and the current does not follow the power.
    """

    currents: RadioCurrents
    supply_voltage_v: float
    source: str
    tx_overhead_a: float = 0.0
    tx_efficiency: float = 0.0


RADIO_PROFILES = {
    "ns3": RadioProfile(
        RadioCurrents(), 3.0, "ns-3 WifiRadioEnergyModel: a laptop's 802.11n card at one antenna"
    ),
    # Transmitting is the line through the peaks at 20 MHz: 200 mA at 13 dBm (802.11n), 220 mA at 15
    # (g), 310 mA at 19.5 (b), to 2 mA (averages are over a duty cycle of one half); a receiver that
    # listens draws what it draws when it receives.
    "esp32_s2": RadioProfile(
        RadioCurrents(
            tx_a=0.200,
            rx_a=0.063,
            idle_a=0.063,
            cca_busy_a=0.063,
            switching_a=0.063,
            sleep_a=0.00055,
        ),
        3.3,
        "Espressif ESP32-S2-WROOM data sheet v1.1, tables 7 and 8; transmitting, 169 mA plus"
        " transmit power / (3.3 V x 0.19)",
        tx_overhead_a=0.169,
        tx_efficiency=0.19,
    ),
}


class EnergySettings(Settings):
    """When a device's radio sleeps, and when a device comes back."""

    radio_sleep: bool = Field(
        False,
        description="Ad hoc and d2d: a device's radio sleeps while the device computes, as soon as"
        " its frames are sent; what is sent to it meanwhile is lost or sent again",
    )
    revival_j: float | None = quantity(
        None,
        "Battery at which a device that ran empty comes back, 1 s after its death at the earliest;"
        " by default it stays dead",
        "J",
        1e-3,
        1e9,
    )
