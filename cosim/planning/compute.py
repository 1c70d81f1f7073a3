"""FLOPs of local training -> seconds and joules, by device profile.

One FLOP is one addition or one multiplication. A training step counts three forward passes: the
backward pass computes two products (by inputs and by weights) for each of the forward pass.
"""

from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

FlopCount = TypeVar("FlopCount", float, NDArray[np.float64])


@dataclass(frozen=True)
class DeviceProfile:
    """A device at work: effective speed and power of training, never the peak of a data sheet.

    - effective_flop_per_s: FLOPs of a training step over its wall time [1/s].
    - power_w: power of the whole device while it trains [W], with its base load, without the
      radio's own states (the network charges those). Between trainings a board draws
      energy.board_idle_w.
    - source: where the figures stand and how the numbers follow from them.
    - note: which step is an estimate, and where the profile does not hold.
    """

    name: str
    effective_flop_per_s: float
    power_w: float
    source: str
    note: str

    @property
    def j_per_flop(self) -> float:
        """Joules per FLOP, power_w / effective_flop_per_s."""
        return self.power_w / self.effective_flop_per_s


@dataclass(frozen=True)
class Machines:
    """The n devices at work: effective_flop_per_s (n), power_w (n) above that of an idle board."""

    effective_flop_per_s: NDArray[np.float64]
    power_w: NDArray[np.float64]


def compute_s(flop: FlopCount, machine: DeviceProfile | Machines) -> FlopCount:
    """Seconds that a device trains for this much work: t = flop / effective_flop_per_s.

    Leaves out fixed costs of a step (start, data loading) beyond their share in the effective
    speed, throttling and other load.

    Args:
        flop: work, a number or an array of any shape, (n, ...) for machines [FLOP].
        machine: the device, or each of n.

    Returns:
        Seconds, in the shape of ``flop`` [s].
    """
    return cast(FlopCount, np.transpose(np.transpose(flop) / machine.effective_flop_per_s))


def compute_j(flop: FlopCount, machine: DeviceProfile | Machines) -> FlopCount:
    """Joules that a device draws for this much work: E = power_w flop / effective_flop_per_s.

    Leaves out what compute_s leaves out, and that power depends on the load.

    Args:
        flop: work, a number or an array of any shape, (n, ...) for machines [FLOP].
        machine: the device, or each of n.

    Returns:
        Joules, in the shape of ``flop`` [J].
    """
    work_s = np.transpose(compute_s(flop, machine))
    return cast(FlopCount, np.transpose(machine.power_w * work_s))


PROFILES: dict[str, DeviceProfile] = {
    profile.name: profile
    for profile in (
        DeviceProfile(
            name="raspberry_pi_4",
            effective_flop_per_s=2.16e9,
            power_w=4.92,
            source=(
                "Ekaireb et al., ns3-fl, WNS3 2022, doi:10.1145/3532577.3532591; fit to a measured "
                "Raspberry Pi 4, MNIST, in github.com/eekaireb/ns3-fl-network, "
                "scratch/wifi_exp/fl-energy.cc. 5 epochs: x = 229.3e6 (100 + 6*5) 600 / 1500e6 = "
                "11924; time 8.09e-4 x + 9.45 = 19.1 s; power 6.49 - 1.32e-4 x = 4.92 W; 93.9 J. "
                "Work: 229.3e6 is 100 samples of 2.293e6 MAC (5x5 convolutions of 20 and 50 "
                "channels, dense 500 and 10); 600 samples, 5 epochs, 2 FLOP a MAC, 3 passes: "
                "41.3 GFLOP. 41.3e9 / 19.1 = 2.16e9 FLOP/s."
            ),
            note=(
                "Estimates: the network and the 600 samples (6 batches of 100) are read out of the "
                "constants, and a backward pass counts as two forward ones. The time holds 9.45 s "
                "of fixed cost, as a small job does; a large one runs several times faster. It "
                "fits this one row: the CIFAR-10 row of the same source costs 5.7 times more per "
                "FLOP, so that joules of computing are rather too low than too high."
            ),
        ),
        DeviceProfile(
            name="raspberry_pi_5",
            effective_flop_per_s=29.6e9,
            power_w=9.0,
            source=(
                "Time: github.com/jafermarq/federated-embedded-vision, README.md (Flower Labs), "
                "Raspberry Pi 5, PyTorch, ResNet-18 at 224x224: 20 batches of 16 in 116.85 s at "
                "1.80 GMAC an image; 2 FLOP a MAC, 3 passes: 3456e9 / 116.85 = 29.6e9 FLOP/s. "
                "Power: github.com/geerlingguy/sbc-reviews, issue 60 (the same chip and clock in "
                "a Raspberry Pi 500): 9 W at the wall under stress-ng --matrix."
            ),
            note=(
                "Estimates: the power is of another full load, not of this training. Holds for "
                "large dense convolutions; MobileNetV2 0.5 in the same table (0.10 GMAC, 73.65 s) "
                "reaches 2.6e9 FLOP/s, so small networks may cost ten times more."
            ),
        ),
        DeviceProfile(
            name="gap9_mcu",
            effective_flop_per_s=0.60e9,
            power_w=0.050,
            source=(
                "Speed: Nadalini et al., arXiv 2305.19167, abstract: 0.81 MAC per clock in end-to-"
                "end FP16 training of a keyword-spotting DS-CNN on an 8+1-core RISC-V "
                "microcontroller; 2 FLOP a MAC at 370 MHz: 0.60e9 FLOP/s. Power: Wang et al., "
                "BioTrain, arXiv 2604.13359, abstract: full-network training on GAP9 below 50 mW."
            ),
            note=(
                "Estimates: the clock (GAP9's usual maximum) and that both papers speak of the "
                "same operating point; 50 mW is an upper bound. The first paper has 3.11 MAC per "
                "clock for ResNet8. A radio at idle draws some 16 times this power."
            ),
        ),
    )
}
