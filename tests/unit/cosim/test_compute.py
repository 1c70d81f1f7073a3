"""Every profile number is derived again from the figures that its source prints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.planning.compute import PROFILES, compute_j, compute_s

BACKWARD_AND_FORWARD = 3
FLOP_PER_MAC = 2


def test_raspberry_pi_4_reproduces_the_94_joules_of_five_epochs_of_mnist() -> None:
    convolutions = 24 * 24 * 20 * 5 * 5 * 1 + 8 * 8 * 50 * 5 * 5 * 20
    dense = 4 * 4 * 50 * 500 + 500 * 10
    mac_a_sample = convolutions + dense
    assert 100 * mac_a_sample == 229_300_000  # the constant in the fit: a batch of 100

    cycles = 100 * mac_a_sample * (100 + 6 * 5) * 600 / 1500e6
    time_s, power_w = 8.09e-4 * cycles + 9.45, 6.49 - 1.32e-4 * cycles
    flop = mac_a_sample * 600 * 5 * FLOP_PER_MAC * BACKWARD_AND_FORWARD
    pi = PROFILES["raspberry_pi_4"]
    assert compute_s(float(flop), pi) == pytest.approx(time_s, rel=0.005)
    assert compute_j(float(flop), pi) == pytest.approx(power_w * time_s, rel=0.005)
    assert compute_j(float(flop), pi) == pytest.approx(94.0, rel=0.01)


def test_raspberry_pi_5_reproduces_the_time_of_20_batches_of_resnet18() -> None:
    flop = 1.80e9 * 16 * 20 * FLOP_PER_MAC * BACKWARD_AND_FORWARD
    assert compute_s(flop, PROFILES["raspberry_pi_5"]) == pytest.approx(116.85, rel=0.005)


def test_gap9_spends_one_clock_at_370_mhz_on_0_81_mac() -> None:
    clocks = 370e6 * compute_s(0.81 * FLOP_PER_MAC * 1e6, PROFILES["gap9_mcu"])
    assert clocks == pytest.approx(1e6, rel=0.005)


@given(
    flop=st.floats(1.0, 1e15),
    parts=st.integers(2, 50),
    name=st.sampled_from(sorted(PROFILES)),
)
def test_splitting_the_work_changes_neither_seconds_nor_joules(
    flop: float, parts: int, name: str
) -> None:
    profile = PROFILES[name]
    pieces = np.full(parts, flop / parts)
    assert compute_s(pieces, profile).sum() == pytest.approx(compute_s(flop, profile))
    assert compute_j(pieces, profile).sum() == pytest.approx(compute_j(flop, profile))


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_mean_power_while_training_is_the_power_of_the_profile(name: str) -> None:
    profile = PROFILES[name]
    joules, seconds = compute_j(7e9, profile), compute_s(7e9, profile)
    assert joules / seconds == pytest.approx(profile.power_w)
    assert joules == pytest.approx(7e9 * profile.j_per_flop)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_names_itself_its_source_and_its_estimates(name: str) -> None:
    profile = PROFILES[name]
    assert profile.name == name
    assert any(where in profile.source for where in ("doi:", "arXiv", "github.com/"))
    assert "Estimates:" in profile.note
