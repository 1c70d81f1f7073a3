"""Whether a policy goes by what it is shown and by nothing else: asked again where nothing else is.

A short run over the analytic network keeps each question and answer. Then each device's questions
are asked again, in a process of its own that has the file and the questions only: no other device,
no network, no learner, no run. A policy that uses more answers otherwise there, or cannot answer.
"""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from cosim.config.assemble import make_learning_side, open_network
from cosim.config.model import RunConfig
from cosim.config.to_scenario import make_scenario
from cosim.loop import run_rounds
from cosim.policies.catalogue import find_policy
from cosim.policies.policy import Decision, View
from learning.own_file import begin_run
from ns3_scenarios.conformance import Finding

LIMIT_S = 120.0
ISOLATED = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
from cosim.policies.catalogue import find_policy
questions = pickle.load(sys.stdin.buffer)
answers = []
try:
    policy = find_policy(sys.argv[2], questions[0].options if questions else {})
    for view in reversed(questions):  # what a device knows travels in its memory alone
        answers.insert(0, (policy.decide(view), view.memory))
except BaseException as error:
    answers = [f"{type(error).__name__}: {error}"]
sys.stdout.buffer.write(b"ANSWERS" + pickle.dumps(answers))
"""


@dataclass(frozen=True)
class Asked:
    """One question and its answer, with what the device remembers after it."""

    view: View
    decision: Decision
    memory: dict[str, Any]


def check_policy(config: RunConfig) -> list[Finding]:
    """Return one finding a promise of the configuration's policy; errors of answers are raised."""
    asked = _ask(config)
    path = config.policy
    wrong = [said for device in _by_device(asked).values() for said in _again(path, device)]
    return [_finding("the same answer, by what it is shown alone", wrong)]


def _finding(name: str, faults: list[str]) -> Finding:
    more = f" ({len(faults)} in all)" if len(faults) > 1 else ""
    return Finding(name, not faults, f"{faults[0]}{more}" if faults else "holds")


def _ask(config: RunConfig) -> list[Asked]:
    """Run some rounds, and keep what the policy was asked and what it answered."""
    asked: list[Asked] = []
    begin_run()
    real = find_policy(config.policy, config.policy_options)

    def decide(view: View) -> Decision:
        question = pickle.dumps(view)
        decision = real.decide(view)
        asked.append(Asked(pickle.loads(question), decision, copy.deepcopy(view.memory)))
        return decision

    scenario, (_, learner) = make_scenario(config), make_learning_side(config)
    with tempfile.TemporaryDirectory() as folder:
        network = open_network(config, scenario, Path(folder) / "ns3.log")
        watched = replace(real, decide=decide)
        try:
            for _ in run_rounds(config, scenario, learner, network, policy=watched):
                pass
        finally:
            network.close()
    return asked


def _by_device(asked: list[Asked]) -> dict[int, list[Asked]]:
    found: dict[int, list[Asked]] = {}
    for each in asked:
        found.setdefault(each.view.device, []).append(each)
    return found


def _again(path: str, asked: list[Asked]) -> list[str]:
    """Ask one device's questions where there is nothing but them; say what differs."""
    root = str(Path(__file__).resolve().parents[2])
    questions = pickle.dumps([each.view for each in asked])
    command = [sys.executable, "-c", ISOLATED, root, path]
    try:
        done = subprocess.run(
            command, input=questions, capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"device {asked[0].view.device}: expected answers within {LIMIT_S:g} s, got none"]
    _, _, said = done.stdout.rpartition(b"ANSWERS")
    answers = pickle.loads(said) if said else [f"exit code {done.returncode}"]
    faults = []
    for each, answer in zip(asked, answers, strict=False):
        where = f"round {each.view.round}, device {each.view.device}"
        if isinstance(answer, str):
            faults.append(f"{where}: expected an answer by what is shown, got {answer}")
        elif not (_same(each.decision, answer[0]) and repr(each.memory) == repr(answer[1])):
            faults.append(f"{where}: expected {_told(each.decision)} again, got {_told(answer[0])}")
    return faults


def _same(one: Decision, other: Decision) -> bool:
    return all(
        np.array_equal(np.asarray(getattr(one, name)), np.asarray(getattr(other, name)))
        for name in (field.name for field in fields(Decision))
    )


def _told(decision: Decision) -> str:
    sends = "all" if decision.sends is None else np.argwhere(decision.sends).tolist()
    tau = None if decision.iterations is None else np.asarray(decision.iterations).tolist()
    rest = f"{decision.sleeps}, {decision.codec}"
    return f"(sends {sends}, {decision.tx_power_dbm} dBm, iterations {tau}, {rest})"
