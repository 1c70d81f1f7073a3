"""What policies decide, what they are shown, and what becomes of answers that cannot be meant."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import WatchedLearner, make_config

from cosim import cli
from cosim.config.assemble import learning_setup, open_network
from cosim.config.to_scenario import make_scenario
from cosim.loop import RoundRecord, run_rounds
from cosim.policies.policy import Decision, Policy, View
from learning.data.catalogue import load as load_data

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "cosim" / "examples" / "own_policy.py"


def run(
    decide: Callable[[View], Decision], tmp_path: Path, *flags: str
) -> tuple[list[RoundRecord], WatchedLearner]:
    config = make_config("--network.kind=analytic", *flags)
    scenario, setup = make_scenario(config), learning_setup(config)
    learner = WatchedLearner(setup, load_data(setup))
    network = open_network(config, scenario, tmp_path / "ns3.log")
    policy = Policy(decide, "a test's")
    return list(run_rounds(config, scenario, learner, network, policy=policy)), learner


def test_a_policy_that_changes_nothing_gives_the_run_of_none(tmp_path: Path) -> None:
    same, _ = run(lambda _: Decision(), tmp_path)
    config = make_config("--network.kind=analytic")
    scenario, setup = make_scenario(config), learning_setup(config)
    learner = WatchedLearner(setup, load_data(setup))
    none = list(run_rounds(config, scenario, learner, open_network(config, scenario, tmp_path)))
    for one, other in zip(same, none, strict=True):
        assert one.traffic.transmit is other.traffic.transmit is None
        assert one.traffic.asleep is other.traffic.asleep is None
        np.testing.assert_array_equal(one.traffic.payload_bytes, other.traffic.payload_bytes)
        np.testing.assert_array_equal(one.plan.iterations, other.plan.iterations)
        np.testing.assert_array_equal(one.plan.predicted_j, other.plan.predicted_j)
        np.testing.assert_array_equal(one.evaluation.accuracy, other.evaluation.accuracy)


def test_mixing_weights_stay_shares_of_one_whoever_is_left_out(tmp_path: Path) -> None:
    def decide(shown: View) -> Decision:
        return Decision(sends=shown.wanted & (shown.rng.random(shown.wanted.shape) < 0.5))

    _, learner = run(decide, tmp_path)
    for weight in learner.weights:
        assert weight.min() >= 0
        np.testing.assert_allclose(weight.sum(axis=1), 1.0, atol=1e-12)
    # Somebody was left out, and somebody was not.
    off_diagonal = learner.weights[0][~np.eye(4, dtype=np.bool_)]
    assert 0 < np.count_nonzero(off_diagonal) < off_diagonal.size


def test_a_device_is_shown_what_its_own_packets_told_it(tmp_path: Path) -> None:
    shown: list[View] = []
    records, _ = run(lambda each: shown.append(each) or Decision(), tmp_path)
    last, cost = records[1], records[1].cost
    for each in (view for view in shown if view.round == 3):
        k = each.device
        # On the 2 x 2 grid, the two beside it.
        assert each.neighbours.tolist() == [j for j in range(4) if j not in (k, 3 - k)]
        for i, j in enumerate(each.neighbours):
            assert each.sender_j_per_byte[i] == cost.sender_j_per_byte[k, j]
            assert each.receiver_j_per_byte[i] == cost.receiver_j_per_byte[j, k]
            assert each.path_snr_db[i] == pytest.approx(last.report.links.snr_db[j, k])
            assert each.rate_bps[i] == last.report.links.rate_bps[k, j]
        assert each.radio_j == last.report.energy.state_j[k].sum()
        assert each.remaining_energy_j == last.report.energy.remaining_energy_j[k]
    # Before the first round nothing was measured.
    first = shown[0]
    assert np.isnan(first.sender_j_per_byte).all()
    assert np.isnan(first.path_snr_db).all()
    assert first.memory == {}


def test_what_is_decided_is_what_the_network_is_asked_and_what_is_charged(tmp_path: Path) -> None:
    def decide(shown: View) -> Decision:
        tau = np.where(shown.available, 2, 0) if shown.device == 1 else None
        only_first = shown.wanted & (np.arange(len(shown.parts)) == 0)
        return Decision(
            sends=only_first if shown.device == 2 else None,
            tx_power_dbm=6.0 if shown.device == 3 else None,
            iterations=tau,
        )

    (*_, last), _ = run(decide, tmp_path, "--energy.radio_profile=esp32_s2")
    sent = last.traffic
    assert set(sent.part[sent.src == 2].tolist()) == {0}
    assert len(set(sent.part[sent.src == 0].tolist())) > 1
    assert sent.transmit is not None
    assert sent.transmit.power_dbm.tolist() == [16.0, 16.0, 16.0, 6.0]
    # 169 mA plus 4 mW / (3.3 V 0.19), at 3.3 V.
    assert sent.transmit.draw_w[3] == pytest.approx(3.3 * 0.169 + 10**0.6 * 1e-3 / 0.19)
    tx_s, tx_j = last.report.energy.state_s[3, 0], last.report.energy.state_j[3, 0]
    assert tx_j == pytest.approx(tx_s * sent.transmit.draw_w[3])
    assert last.plan.binding[1] == "policy"
    assert set(last.plan.iterations[1].tolist()) <= {0, 2}
    work_j = last.plan.predicted_compute_j[1]
    assert last.plan.predicted_j[1] == pytest.approx(work_j + last.communication_forecast_j[1])
    assert last.report.energy.compute_j[1] == pytest.approx(work_j)


def test_each_device_sends_by_the_codec_that_it_chose_and_nobody_foresees_the_choice(
    tmp_path: Path,
) -> None:
    def decide(shown: View) -> Decision:
        return Decision(codec="int8" if shown.device == 1 and shown.round == 2 else None)

    usual, _ = run(lambda _: Decision(), tmp_path)
    chose, learner = run(decide, tmp_path)
    assert chose[1].payload.codecs == ("float32", "int8", "float32", "float32")
    assert {record.payload.codecs for record in (chose[0], chose[2])} == {("float32",) * 4}
    one = chose[1]
    for src, part, size in zip(
        one.traffic.src, one.traffic.part, one.traffic.payload_bytes, strict=True
    ):
        codec, name = one.payload.codecs[src], one.payload.parts[part]
        assert size == len(learner.message(int(src), name, 1, 2, codec))
    # The chooser's own forecast knows; its neighbours' plans are those of the usual round.
    same = np.arange(4) != 1
    foreseen, before = (r[1].communication_forecast_j for r in (chose, usual))
    np.testing.assert_array_equal(foreseen[same], before[same])
    assert foreseen[1] < before[1]
    assert usual[1].report.energy.state_j.sum() > one.report.energy.state_j.sum()


def test_a_codec_that_is_not_the_configured_one_is_foreseen_once_it_was_heard(
    tmp_path: Path,
) -> None:
    flags = ("--learning.payload_codec=int8", "--energy.radio_profile=esp32_s2")
    records, _ = run(lambda _: Decision(codec="float32"), tmp_path, *flags)
    plain, _ = run(lambda _: Decision(), tmp_path, "--energy.radio_profile=esp32_s2")
    for record, usual in zip(records, plain, strict=True):
        np.testing.assert_array_equal(record.traffic.payload_bytes, usual.traffic.payload_bytes)
    foreseen, expected = (r[2].communication_forecast_j for r in (records, plain))
    np.testing.assert_allclose(foreseen, expected, rtol=1e-12)


def test_a_device_is_shown_what_its_own_training_takes(tmp_path: Path) -> None:
    def decide(shown: View) -> Decision:
        asked.append(shown)
        return Decision(iterations=np.where(shown.available, 2, 0))

    asked: list[View] = []
    records, _ = run(decide, tmp_path)
    energy = records[0].report.energy
    for shown in asked[:4]:
        tau = records[0].plan.iterations[[shown.device]]
        assert shown.work_j.of(tau)[0] == pytest.approx(energy.compute_j[shown.device])
        assert shown.work_s.of(tau)[0] == pytest.approx(records[0].traffic.compute_s[shown.device])
        assert shown.compute_limit_s == pytest.approx(0.4 * records[0].traffic.period_s)


QUICK = (
    *("--network.kind=analytic", "--network.num_devices=4", "--learning.dataset=made"),
    *("--learning.rounds=3", "--iteration.max_iterations=2", "--learning.batch_size=8"),
)
HEAD = """
import numpy as np
from cosim.policies.policy import Decision, Policy
def decide(view):
    if view.round < 2 or view.device != 1:
        return Decision()
    {answer}
POLICY = Policy(decide, "wrong")
"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("return 3", "expected a Decision of cosim.policies.policy, got int"),
        ("return Decision(sends=np.ones(2, bool))", "expected sends (k, p) = (2, "),
        ("return Decision(sends=~view.wanted)", None),
        ("return Decision(tx_power_dbm=40.0)", "from -20 to 16 dBm, got 40.0"),
        ("return Decision(tx_power_dbm=float('nan'))", "dBm, got nan"),
        ("return Decision(iterations=np.array([1]))", "expected iterations (m,) = (2,)"),
        ("return Decision(iterations=np.array([1.5, 2]))", "whole numbers"),
        ("return Decision(iterations=np.array([9, 9]))", "from 0 to 2, got [9, 9]"),
        ("return Decision(codec=np.array(['int8', 'int8']))", "int8, got ['int8' 'int8']"),
        ("return Decision(codec='mp3')", "codec one of float32, float16, int8, got mp3"),
        ("return Decision(sleeps=True)", "expected sleeps false in this network"),
        ("return view.no_such", "line 7: AttributeError"),
    ],
)
def test_an_answer_that_cannot_be_meant_is_one_line_and_keeps_finished_rounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str, said: str | None
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEAD.format(answer=answer), encoding="utf-8")
    output = tmp_path / "run"
    flags = [*QUICK, f"--policy={file}", f"--output={output}", "--no-figures"]
    if said is None:  # everybody here wants every part, so this sends nothing
        assert cli.main(flags) == 0
        return
    assert cli.main(flags) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "error" in each]
    assert "mine.py, decide, round 2, device 1" in line
    assert said in line
    kept = tmp_path / "run.partial" / "rounds.parts" / "rounds-000000.parquet"
    assert len(pd.read_parquet(kept)) == 1


def test_a_file_without_a_policy_and_options_that_it_has_not_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.py").write_text("RULE = 1\n", encoding="utf-8")
    (tmp_path / "odd.py").write_text("POLICY = 1\n", encoding="utf-8")
    for flags, said in (
        ([f"--policy={tmp_path / 'empty.py'}"], "expected a definition of POLICY"),
        ([f"--policy={tmp_path / 'odd.py'}"], "got int"),
        (["--policy=round_robbin"], "expected default"),
        (["--policy=round_robin", "--policy_options", "share=0.5"], "(none), got share"),
        (["--policy=random_neighbours", "--policy_options", "shre=0.5"], "(share), got shre"),
        (
            ["--policy=random_neighbours", "--policy_options", "share=50"],
            "share from 0 to 1, got 50",
        ),
        (["--policy=round_robin", "--network.transport=udp"], "expected arq or tcp with policy"),
    ):
        assert cli.main([*QUICK, *flags, f"--output={tmp_path / 'run'}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
        assert not (tmp_path / "run").exists()


FAULTS = {
    # Devices tell each other their batteries by way of the module.
    "shared": "batteries[view.device] = view.remaining_energy_j; x = len(batteries)",
    # The run's own variables, up the stack.
    "frames": "import sys; f = sys._getframe(3).f_locals; x = len(f.get('feedback', '')"
    " and f['feedback'].alive.tolist())",
    # Random numbers that are not the device's.
    "random": "x = np.random.default_rng().integers(1, 1000)",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_finds_a_policy_that_uses_more_than_it_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    file = tmp_path / f"{fault}.py"
    file.write_text(
        "import numpy as np\n"
        "from cosim.policies.policy import Decision, Policy\n"
        "batteries = {}\n"
        "def decide(view):\n"
        f"    {FAULTS[fault]}\n"
        "    return Decision(tx_power_dbm=float(view.most_dbm - x / 100))\n"
        "POLICY = Policy(decide, 'knows too much')\n",
        encoding="utf-8",
    )
    assert cli.main(["check", str(file), "--network.num_devices=3", "--learning.rounds=2"]) == 1
    out = capsys.readouterr().out
    assert "FAULT  the same answer, by what it is shown alone" in out


def test_the_example_is_a_policy_that_keeps_its_promises_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_policy.py").write_bytes(EXAMPLE.read_bytes())
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 35
    flags = ["my_policy.py", "--policy_options", "least_share=0.9", "--learning.rounds=2"]
    assert cli.main(["check", *flags, "--network.num_devices=3"]) == 0
    assert "1 of 1 promises kept" in capsys.readouterr().out


@pytest.mark.usefixtures("only_the_run")
def test_a_memory_that_no_run_could_store_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.py").write_text(
        "from cosim.policies.policy import Decision, Policy\n"
        "def decide(view):\n"
        "    view.memory['cost'] = view.sender_j_per_byte\n"
        "    return Decision()\n"
        "POLICY = Policy(decide, 'keeps an array')\n",
        encoding="utf-8",
    )
    flags = ["--network.num_devices=3", "--learning.rounds=2"]
    for words in (
        ["check", str(tmp_path / "odd.py"), *flags],
        [*QUICK, f"--policy={tmp_path}/odd.py"],
    ):
        assert cli.main(words) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert "expected memory of numbers, text, lists and dicts, got ndarray" in line


def test_views_of_a_replaced_field_are_copies(tmp_path: Path) -> None:
    def vandal(shown: View) -> Decision:
        for name in ("part_bytes", "available", "speed", "wanted", "sender_j_per_byte"):
            getattr(shown, name)[...] = 0
        return replace(Decision())

    spoilt, _ = run(vandal, tmp_path)
    kept, _ = run(lambda _: Decision(), tmp_path)
    for one, other in zip(spoilt, kept, strict=True):
        np.testing.assert_array_equal(one.traffic.payload_bytes, other.traffic.payload_bytes)
        np.testing.assert_array_equal(one.plan.iterations, other.plan.iterations)
