"""Where the wall time of a round goes, for the default run.

python tests/benchmarks/round_time.py [any flags of the run]

Times the steps of cosim/loop.py from outside, after the first round, and prints milliseconds and
shares; also how long ns-3 took to start. ns-3 works beside the training and its time is part of no
sum; where it takes longer, what is waited for it is in the rest. Take the ratios: the seconds are
this machine's.
"""

import sys
import tempfile
import time
from pathlib import Path

from cosim.arithmetic import may_start_again  # before anything that computes is imported

may_start_again()

import torch
from stopwatch import spent_s, timed

from cosim import arithmetic, loop
from cosim.config import to_scenario
from cosim.config.assemble import make_learner, open_network
from cosim.config.sources import load
from cosim.records.folder import RunFolder
from cosim.records.tables import to_tables


def main() -> None:
    """Run and print the table."""
    config = load(sys.argv[1:], None, None)
    arithmetic.ensure(config.learning.arithmetic)
    torch.set_num_threads(1)
    scenario = to_scenario.make_scenario(config)
    data, learner = make_learner(config)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name) / "run", config, data)
        started = time.perf_counter()
        network = open_network(config, scenario, folder.ns3_log)
        network.wait_ready()
        start_s = time.perf_counter() - started
        timed(loop, "make_plan", "plan")
        timed(learner, "train", "train")
        timed(network, "run_round", "ns-3")
        timed(learner, "mix", "mix")
        timed(learner, "evaluate", "evaluate")
        started = time.perf_counter()
        for each in loop.run_rounds(config, scenario, learner, network):
            before_record = time.perf_counter()
            folder.add(to_tables(each, scenario, learner), learner.state(), each.memory)
            spent_s["record"] += time.perf_counter() - before_record
            if each.round_index == 0:
                spent_s.clear()
                started = time.perf_counter()
        total_s = time.perf_counter() - started
        network.close()
    rounds = config.learning.rounds - 1
    ns3_s = spent_s.pop("ns-3")
    spent_s["rest (bridge)"] = total_s - sum(spent_s.values())
    spent_s["beside the training: ns-3"] = ns3_s
    print(f"ns-3 ready after {start_s:.1f} s\n\n| step | ms a round | share |\n|---|---|---|")
    for label, seconds in spent_s.items():
        print(f"| {label} | {1e3 * seconds / rounds:.0f} | {100 * seconds / total_s:.1f} % |")
    print(f"| total | {1e3 * total_s / rounds:.0f} | 100 % |")


if __name__ == "__main__":
    main()
