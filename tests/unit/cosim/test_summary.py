"""The summary's numbers, added up again row by row."""

import json

import numpy as np
import pandas as pd
import pytest
from made_tables import RADIO_STATES, made_run

from cosim.report.summary import delay_s, render_summary, summarise


def test_joules_by_state_and_compute_add_up_to_all_that_the_devices_spent() -> None:
    run = made_run(deaths={4: 6})
    summary = summarise(run.rounds, run.devices, run.flows, run.manifest)
    spent = sum(
        row[f"{state}_j"] for row in run.devices.to_dict("records") for state in RADIO_STATES
    )
    assert sum(summary["radio_j_by_state"].values()) == pytest.approx(spent)
    assert summary["radio_j"] == pytest.approx(run.rounds["radio_j"].sum())
    # Device 4 works in rounds 0 to 6 of 12, the other eight in all, at 2 J a round.
    assert summary["compute_j"] == pytest.approx(2.0 * (8 * 12 + 7))
    assert summary["plan_share"] == pytest.approx(206.0 / (206.0 + spent))


def test_delivered_shares_leave_out_the_first_round() -> None:
    run = made_run(rounds=3)
    flows = run.flows.copy()
    first = flows["round"] == 0
    flows.loc[first, ["delivered_bytes", "outcome"]] = [0, "lost"]
    flows.loc[~first, ["delivered_bytes", "outcome"]] = [3000, "partial"]
    flows.loc[flows.index[-1], ["delivered_bytes", "outcome"]] = [4000, "delivered"]
    summary = summarise(run.rounds, run.devices, flows, run.manifest)
    count = int((~first).sum())
    share = (3000 * (count - 1) + 4000) / (4000 * count)
    assert summary["delivered_bytes_share"] == pytest.approx(share)
    assert summary["delivered_messages_share"] == pytest.approx(1 / count)
    assert summary["first_bytes_share"] == summary["first_messages_share"] == 0.0
    assert summary["messages"]["partial"] == count - 1


def test_deaths_come_in_the_order_of_time_once_each() -> None:
    run = made_run(deaths={2: 9, 7: 3, 5: 5})
    summary = summarise(run.rounds, run.devices, run.flows, run.manifest)
    assert [each["device"] for each in summary["deaths"]] == [7, 5, 2]
    assert [each["died_at_s"] for each in summary["deaths"]] == [37.5, 57.5, 97.5]
    assert summary["alive_devices"] == 6
    assert "device 7 at 37.5 s; device 5 at 57.5 s" in render_summary(summary)


def test_each_death_and_revival_of_a_device_is_told() -> None:
    run = made_run(deaths={7: 3}, rounds=12)
    mine = run.devices["device"] == 7
    later = run.devices["round"] >= 6
    run.devices.loc[mine & later, "revived_at_s"] = 62.5
    run.devices.loc[mine & (run.devices["round"] >= 8), "died_at_s"] = 81.0
    summary = summarise(run.rounds, run.devices, run.flows, run.manifest)
    assert summary["deaths"] == [
        {"device": 7, "died_at_s": 37.5},
        {"device": 7, "died_at_s": 81.0},
    ]
    assert summary["revivals"] == [{"device": 7, "revived_at_s": 62.5}]
    assert "Revivals   device 7 at 62.5 s" in render_summary(summary)


def test_many_deaths_are_shortened_to_the_first_the_last_and_a_count() -> None:
    run = made_run(deaths={k: k + 1 for k in range(9)})
    text = render_summary(summarise(run.rounds, run.devices, run.flows, run.manifest))
    (line,) = (line for line in text.splitlines() if line.startswith("Deaths"))
    assert line.count("device") + 3 == 9
    assert line.endswith("device 4 at 57.5 s; 3 more; device 8 at 97.5 s")


def test_the_text_gives_accuracy_time_and_wall_time() -> None:
    run = made_run(rounds=4)
    run.rounds.loc[3, ["accuracy_mean", "accuracy_min", "accuracy_max"]] = [0.5, 0.25, 0.75]
    text = render_summary(summarise(run.rounds, run.devices, run.flows, run.manifest))
    assert "50.0 % mean over devices, 25.0 % to 75.0 %, in round 3" in text
    assert "40.0 s in 4 rounds, 9 of 9 devices alive" in text
    assert "50.0 s: network 30.0 s (60.0 %), learning 15.0 s (30.0 %), rest 5.0 s (10.0 %)" in text
    assert "Deaths     none" in text


def test_accuracy_is_of_the_last_round_in_which_anybody_was_alive() -> None:
    run = made_run(devices=2, rounds=6, deaths={0: 2, 1: 3})
    assert np.isnan(run.rounds["accuracy_mean"].iloc[-1])
    summary = summarise(run.rounds, run.devices, run.flows, run.manifest)
    assert summary["accuracy_round"] == 3
    assert summary["accuracy_mean"] == run.rounds["accuracy_mean"].iloc[3]
    assert summary["alive_devices"] == 0


def test_the_living_are_told_apart_where_some_have_died() -> None:
    run = made_run(rounds=4, deaths={4: 2})
    run.rounds.loc[3, ["accuracy_mean", "accuracy_alive_mean"]] = [0.5, 0.625]
    text = render_summary(summarise(run.rounds, run.devices, run.flows, run.manifest))
    assert "50.0 % mean over devices" in text
    assert "in round 3, of the living 62.5 %" in text


def test_delays_count_what_did_not_arrive_as_infinitely_late() -> None:
    run = made_run(rounds=2)
    flows = run.flows[run.flows["round"] == 1].iloc[:10].copy()
    flows["outcome"] = ["delivered"] * 6 + ["unreachable"] * 3 + ["late"]
    flows["delay_s"] = [0.6, 0.1, 0.5, 0.2, 0.4, 0.3, *[np.inf] * 4]
    assert delay_s(flows, 0.5) == 0.5  # five of ten came within it
    assert delay_s(flows, 0.6) == 0.6
    assert delay_s(flows, 0.9) == np.inf
    assert np.isnan(delay_s(flows.iloc[:0], 0.5))
    both = pd.concat([run.flows[run.flows["round"] == 0], flows])
    text = render_summary(summarise(run.rounds, run.devices, both, run.manifest))
    assert "half of all messages within 0.50 s, 90 % not at all" in text


def test_a_run_of_one_round_has_no_delivered_share_past_the_first() -> None:
    run = made_run(rounds=1)
    summary = summarise(run.rounds, run.devices, run.flows, run.manifest)
    assert summary["delivered_bytes_share"] is None
    assert "n/a of bytes" in render_summary(summary)


def test_a_free_and_silent_run_says_so_instead_of_dividing_by_zero() -> None:
    run = made_run(rounds=2)
    joules = [name for name in run.devices if name.endswith("_j")]
    run.devices[joules] = 0.0
    summary = summarise(run.rounds, run.devices, run.flows.iloc[:0], run.manifest)
    assert summary["plan_share"] is None
    assert "0.0 J: nothing was spent" in render_summary(summary)


def test_the_summary_survives_a_trip_through_strict_json() -> None:
    run = made_run(rounds=2, deaths={0: 0})
    summary = summarise(run.rounds, run.devices, run.flows, run.manifest)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_rounds_in_any_order_give_the_same_summary() -> None:
    run = made_run()
    shuffled = run.rounds.sample(frac=1.0, random_state=1)
    assert list(shuffled["round"]) != list(run.rounds["round"])
    one = summarise(run.rounds, run.devices, run.flows, run.manifest)
    assert summarise(shuffled, run.devices, run.flows, run.manifest) == one


def test_a_run_without_a_finished_round_is_refused() -> None:
    run = made_run()
    with pytest.raises(ValueError, match="at least one finished round"):
        summarise(pd.DataFrame(run.rounds.iloc[:0]), run.devices, run.flows, run.manifest)


def test_what_was_spent_above_budgets_and_who_could_not_pay_for_all_rounds_is_told() -> None:
    run = made_run(deaths={4: 6})
    devices = run.devices
    summary = summarise(run.rounds, devices, run.flows, run.manifest)
    # Device 4 plans in rounds 0 to 6 of 12, the other eight in all, each 0.25 J too little.
    assert summary["overspent_j"] == pytest.approx(0.25 * (8 * 12 + 7))
    assert (summary["waiting_plans"], summary["fading_devices"]) == (0, 0)
    assert summary["unpaid_j"] == 0
    devices.loc[devices["round"] == 11, "paid_rounds"] = 0
    last = summarise(run.rounds, devices, run.flows, run.manifest)
    assert last["unpaid_j"] == pytest.approx(0.25 * 8)
    devices.loc[devices["round"] == 11, "paid_rounds"] = 1
    of_two = devices["device"].isin([4, 5]) & (devices["round"] < 3)
    devices.loc[of_two, "paid_rounds"] -= 1
    devices.loc[of_two, "binding"] = "waiting"
    told = render_summary(summarise(run.rounds, devices, run.flows, run.manifest))
    assert "6 times a device waited so as to train later" in told
    assert "2 of 9 devices could not pay for all rounds to come" in told
