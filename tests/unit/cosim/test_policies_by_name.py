"""The policies by name, and the optimizer that policies may call, by hand."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_views import chosen, view

from cosim.policies import codec, neighbours, optimizer, power
from cosim.policies.policy import Decision


def test_codec_by_cost_takes_the_longest_messages_that_it_can_pay() -> None:
    decide, known = codec.BY_COST.decide, {"options": {"share": 0.02}}
    # Three neighbours want 30, 18 or 12 bytes by float32, float16, int8; a byte that arrives costs
    # 3e-7, 1e-7 and 2e-7 / 0.4 = 5e-7 J, together 9e-7: 27, 16.2 and 10.8 uJ.
    np.testing.assert_allclose(codec.costs_j(view()), [27e-6, 16.2e-6, 10.8e-6])
    # Seven rounds are left: 0.02 of a seventh of these joules is 28, 17 and 11 uJ.
    for budget_j, expected in ((28e-6, "float32"), (17e-6, "float16"), (11e-6, "int8")):
        affordable = view(remaining_energy_j=budget_j * 7 / 0.02, **known)
        assert decide(affordable).codec == expected
    assert decide(view(remaining_energy_j=0.0, **known)).codec == "int8"
    unknown = view(sender_j_per_byte=np.full(3, np.nan), **known)
    assert decide(unknown) == Decision()
    # Nobody acknowledges: twenty times the cost, so that 27 uJ become 30 x 20 x 6e-7 J.
    lost = view(acked_share=np.zeros(3), **known)
    np.testing.assert_allclose(codec.costs_j(lost)[0], 30 * 20 * 6e-7)
    # With a transport that nobody answers, all is sent once.
    once = view(acked_share=np.zeros(3), may_choose=False, **known)
    np.testing.assert_allclose(codec.costs_j(once)[0], 30 * 6e-7)
    shown = view()
    assert {codec.RANDOM.decide(shown).codec for _ in range(50)} == {*shown.codecs}


@given(st.floats(0.0, 4.0), st.integers(1, 6), st.sampled_from(["balance", "uniform"]))
def test_the_optimizer_of_a_policy_finds_what_trying_all_iterations_does(
    budget_j: float, most: int, rule: str
) -> None:
    shown = view(max_iterations=most)
    found = optimizer.best_iterations(shown, budget_j, rule)
    # speed (0.1, 0.2): balance moves the parameters of both as far, uniform trains both as often.
    weight = shown.speed if rule == "balance" else np.ones(2)
    best, objective = np.zeros(2), 0.0
    for tau in product(range(1, most + 1), repeat=2):
        joules = 0.3 * tau[0] + 0.1 * tau[1] + 0.05 * max(tau) + 0.2
        seconds = 0.2 * tau[0] + 0.1 * tau[1] + 0.1
        reached = min(weight * tau)
        if joules <= budget_j and seconds <= 2.0 and reached > objective + 1e-12:
            best, objective = np.array(tau), reached
    if objective:
        assert min(weight * found) == pytest.approx(objective)
        assert shown.work_j.of(found[np.newaxis])[0] <= budget_j + 1e-9
    else:  # one of the modality with most speed a joule of those that fit, or none
        assert found.sum() <= 1
        assert found[1] == (budget_j >= 0.1 + 0.05 + 0.2)
    assert best.max() <= most


def test_cost_aware_sends_where_most_bytes_arrive_for_a_joule() -> None:
    # Bytes that arrive a joule: 1 / 3e-7, 1 / 1e-7, 0.4 / 2e-7; half of three neighbours is two.
    decide = neighbours.COST_AWARE.decide
    assert chosen(decide(view())) == [0, 1]
    assert chosen(decide(view(acked_share=np.array([0.1, 1.0, 0.4])))) == [1, 2]
    # What is unknown or old is measured first.
    unknown = view(sender_j_per_byte=np.array([3e-7, 1e-7, np.nan]))
    assert chosen(decide(unknown)) == [1, 2]
    assert 0 in chosen(decide(view(age_rounds=np.array([10, 0, 0]))))
    assert chosen(decide(view(options={"share": 1.0}))) == [0, 1, 2]


def test_round_robin_takes_its_neighbours_in_turn_and_the_controls_as_many_at_random() -> None:
    shown, turns = view(), []
    for _ in range(7):
        turns += chosen(neighbours.ROUND_ROBIN.decide(shown))
    assert turns == [0, 1, 2, 0, 1, 2, 0]
    # Neighbour 4 is gone: the turn passes on.
    fewer = view(
        **{
            name: getattr(shown, name)[[0, 2]]
            for name in ("neighbours", "wanted", "sender_j_per_byte")
        },
        memory={"last": 1},
    )
    assert chosen(neighbours.ROUND_ROBIN.decide(fewer)) == [1]
    one, half = neighbours.ONE_AT_RANDOM.decide, neighbours.RANDOM.decide
    drawn = [(len(chosen(one(shown))), len(chosen(half(shown)))) for _ in range(50)]
    assert set(drawn) == {(1, 2)}
    assert {chosen(one(shown))[0] for _ in range(50)} == {0, 1, 2}


def test_power_control_goes_down_while_the_rates_hold_and_up_when_one_falls() -> None:
    memory: dict[str, Any] = {}
    decide = power.POWER_CONTROL.decide
    assert decide(view(memory=memory)).tx_power_dbm == 15.0
    assert decide(view(memory=memory, tx_power_dbm=15.0)).tx_power_dbm == 14.0
    slower = np.array([50e6, 40e6, 26e6])  # below 0.9 of 30e6
    assert decide(view(memory=memory, tx_power_dbm=14.0, rate_bps=slower)).tx_power_dbm == 16.0
    assert decide(view(memory=memory, rate_bps=slower)).tx_power_dbm == 16.0  # the most
    low = view(memory=memory, tx_power_dbm=-30.0)
    assert decide(low).tx_power_dbm == -30.0  # the least
    nothing = view(memory={}, rate_bps=np.full(3, np.nan))
    assert decide(nothing) == Decision(tx_power_dbm=16.0)
    drawn = [power.RANDOM.decide(view()).tx_power_dbm for _ in range(3)]
    assert all(each is not None and 10.0 <= each <= 16.0 for each in drawn)
