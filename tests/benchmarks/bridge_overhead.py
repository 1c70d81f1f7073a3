"""How much of a round lies between learning and the simulator, for the default run.

python tests/benchmarks/bridge_overhead.py [--rounds 6] [any flags of the run]

Runs the real loop with the real child process; stop watches are put around its functions from
outside, in the child too. Between the two are: the bridge (learning's payloads to messages, reports
to deliveries, costs and feedback), asking the policy and foreseeing the radio, the way to the child
and back (pickling, sockets, process switches), and in the child what surrounds Simulator::Run
(setting up messages, reading the reports). Counted against the rounds of cosim/loop.py alone;
recording them stands apart: the tables of a round keep learning waiting, their files and the
checkpoint are written beside the next round. The first round is left out: the first call of each
kind from Python to C++ takes some 0.05 s. Exits with 1 if bridge and recording are above 1 %.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from cosim.arithmetic import may_start_again  # before anything that computes is imported

may_start_again()

from stopwatch import spent_s, timed

from cosim import arithmetic
from cosim.config.model import RunConfig
from cosim.config.sources import load
from ns3_scenarios import worker

SHARE_LIMIT = 0.01
TIMES = "BRIDGE_OVERHEAD_TIMES"  # environment variable: where the child writes its seconds
BRIDGE = ("advertised_degree", "to_traffic", "to_feedback", "to_delivery")
BRIDGE += ("expected_bytes", "left_unfinished")
IN_CHILD = ("session", "native set-up", "simulator", "native reports")
SET_UP = ("SetTransmitPower", "BeginRound", "Sleep", "Compute", "AddMessage")
REPORTS = ("Messages", "Chunks", "Links", "Batteries", "StaleDatagrams", "Positions", "NextHops")
REPORTS += ("MessageCauses", "DeviceCauses", "Relayed")


def child() -> None:
    """Serve as the worker does, and write what each round took."""
    from ns3_scenarios.session import Session

    attach, run_round = Session._attach, Session.run_round

    def attach_timed(session: Any, *built: Any) -> Any:
        network = attach(session, *built)
        labels = {"Run": "simulator"} | dict.fromkeys(SET_UP, "native set-up")
        for name, label in (labels | dict.fromkeys(REPORTS, "native reports")).items():
            timed(type(network), name, label)
        return network

    def run_round_told(session: Any, traffic: Any) -> Any:
        spent_s.clear()
        started = time.perf_counter()
        report = run_round(session, traffic)
        spent_s["session"] = time.perf_counter() - started
        with open(os.environ[TIMES], "a", encoding="ascii") as file:
            file.write(json.dumps(spent_s) + "\n")
        return report

    setattr(Session, "_attach", attach_timed)  # noqa: B010
    setattr(Session, "run_round", run_round_told)  # noqa: B010
    worker.main()


class ChildOfOurs(subprocess.Popen):  # type: ignore[type-arg]
    """The worker's child by way of `child`."""

    def __init__(self, command: list[str], **options: Any) -> None:
        super().__init__([command[0], __file__, command[-1]], **options)


def run_loop(config: RunConfig, folder: Path) -> tuple[list[dict[str, float]], int]:
    """Return the seconds of each round by part, and the messages of a round."""
    import torch

    from cosim import ask_policy, bridge, loop
    from cosim.config import to_scenario
    from cosim.config.assemble import make_learner
    from cosim.records.folder import RunFolder
    from cosim.records.tables import to_tables

    torch.set_num_threads(1)
    scenario = to_scenario.make_scenario(config)
    data, learner = make_learner(config)
    record = RunFolder(folder / "run", config, data)
    os.environ[TIMES] = str(folder / "times.jsonl")
    with mock.patch.object(subprocess, "Popen", ChildOfOurs):
        network = worker.Ns3Network(scenario, folder / "ns3.log")
    network.wait_ready()
    for name in BRIDGE:
        timed(bridge, name, "bridge")
    timed(ask_policy.Asker, "ask", "policy")
    timed(loop, "radio_forecast_j", "forecast")
    timed(network, "run_round", "network")
    rounds: list[dict[str, float]] = []
    num_messages = 0
    spent_s.clear()
    started = time.perf_counter()
    for each in loop.run_rounds(config, scenario, learner, network):
        rounds.append({"round": time.perf_counter() - started} | spent_s)
        num_messages = len(each.traffic.src)
        spent_s.clear()
        started = time.perf_counter()
        tables, state = to_tables(each, scenario, learner), learner.state()
        rounds[-1]["record"] = time.perf_counter() - started
        record.add(tables, state, each.memory)  # a run does so in a thread beside the next round
        rounds[-1]["store"] = time.perf_counter() - started - rounds[-1]["record"]
        started = time.perf_counter()
    network.close()
    lines = (folder / "times.jsonl").read_text(encoding="ascii").splitlines()
    for here, line in zip(rounds, lines, strict=True):
        here.update(json.loads(line))
    return rounds, num_messages


def parts_s(spent: dict[str, float]) -> dict[str, float]:
    """Split one round: what lies between learning and the simulator, and the two [s]."""
    between = {
        "bridge functions": spent["bridge"],
        "asking the policy": spent["policy"],
        "forecast of the radio": spent["forecast"],
        "to the child and back": spent["network"] - spent["session"],
        "setting up messages (C++ calls)": spent["native set-up"],
        "reading reports (C++ calls)": spent["native reports"],
        "rest of the session (Python)": spent["session"]
        - sum(spent[name] for name in IN_CHILD[1:]),
    }
    return between | {
        "between, in all": sum(between.values()),
        "Simulator::Run": spent["simulator"],
        "learning and planning": spent["round"] - spent["network"] - spent["bridge"],
        "round": spent["round"],
        "recording: tables, state": spent["record"],
        "beside the next round: files, checkpoint": spent["store"],
    }


def main() -> int:
    """Run, print the table, hold the share against the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    options, flags = parser.parse_known_args()
    config = load(["--learning.rounds", str(options.rounds), *flags], None, None)
    arithmetic.ensure(config.learning.arithmetic)
    with tempfile.TemporaryDirectory() as name:
        rounds, num_messages = run_loop(config, Path(name))
    every = [parts_s(spent) for spent in rounds]
    total_s = sum(parts["round"] for parts in every[1:])
    print(f"{len(every) - 1} rounds after the first, {num_messages} messages in the last\n")
    print("| part | ms a round | share | first round, ms |\n|---|---|---|---|")
    for part, first_s in every[0].items():
        mean_s = sum(parts[part] for parts in every[1:]) / (len(every) - 1)
        share = 100 * mean_s * (len(every) - 1) / total_s
        print(f"| {part} | {1e3 * mean_s:.2f} | {share:.2f} % | {1e3 * first_s:.1f} |")
    names = ("between, in all", "recording: tables, state")
    share = sum(parts[name] for parts in every[1:] for name in names) / total_s
    verdict = "met" if share <= SHARE_LIMIT else "MISSED"
    print(f"\nbetween learning and simulator, and recording: {100 * share:.2f} %, 1 % {verdict}")
    return 0 if share <= SHARE_LIMIT else 1


if __name__ == "__main__":
    if TIMES in os.environ:
        child()
    else:
        sys.exit(main())
