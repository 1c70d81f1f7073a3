"""The command line: read the configuration, run, report."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from cosim import check, deployment, figures, place, record, report, summary, validate
from cosim.bridge import Feedback
from cosim.config import RunConfig
from cosim.config_sources import load, preset_names, to_toml
from cosim.errors import ConfigError, OutputError
from cosim.loop import RoundRecord, repeat_rounds, run_rounds
from cosim.record import RunFolder
from cosim.tables import check_repeated, network_tables, partition_table, to_tables
from learning.data.dataset import load as load_data
from learning.data.setup import DataSetup
from learning.errors import LearningError
from learning.exchange_setup import ExchangeSetup
from learning.learner import Learner
from learning.setup import LearningSetup
from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.errors import NetworkFailedError, NetworkUnavailableError, ScenarioError
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.installation import check_installation
from ns3_scenarios.network import Network
from ns3_scenarios.scenario import NetworkScenario
from ns3_scenarios.worker import Ns3Network

EXIT_BAD_INPUT = 2
EXIT_NETWORK_FAILED = 3
EXIT_INTERRUPTED = 130

log = logging.getLogger("cosim")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    # Batch systems end a job with SIGTERM: as Ctrl-C, it keeps the finished rounds.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _main(list(sys.argv[1:] if arguments is None else arguments))
    except (ConfigError, OutputError, LearningError, ScenarioError, NetworkUnavailableError) as err:
        print(f"error: {err}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except NetworkFailedError as err:
        print(f"error: {err}", file=sys.stderr)
        return EXIT_NETWORK_FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _main(arguments: list[str]) -> int:
    # First words that ask for something else than a new run; each gets the words behind it.
    commands = {"check": check.main, "resume": resume, "validate": validate.main}
    if arguments and arguments[0] in commands:
        return commands[arguments[0]](arguments[1:])
    options, flags = own_options().parse_known_args(arguments)
    if options.scenario:
        flags += ["--scenario", options.scenario]
    config = load(flags, options.config, options.scenario, own_options())
    if options.print_config:
        print(to_toml(config), end="")
        return 0
    folder = options.output or record.default_folder(config)
    if options.output is None and place.is_complete(folder):
        print(f"This run is finished already; delete {folder} to run it again.\n")
        print(_closing_words(folder))
        return 0
    run(config, folder)
    return 0


def own_options() -> argparse.ArgumentParser:
    """Return the options that are not part of a run's configuration."""
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="read fields from a file")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of the results, new or empty"
    )
    parser.add_argument("--print-config", action="store_true", help="print the resolved TOML")
    parser.add_argument(
        "--scenario",
        metavar="NAME",
        help=f"one of: {', '.join(preset_names())}; or the Python file of an own scenario",
    )
    parser.set_defaults(config=None, output=None, print_config=False, scenario=None)
    return parser


def resume(arguments: Sequence[str]) -> int:
    """Go on with a run that was cut short; a finished one only says what it came to."""
    parser = argparse.ArgumentParser(
        prog="run.py resume",
        description="Go on with a run that failed, was interrupted or killed, from its last"
        " finished round. A fresh ns-3 first repeats the finished rounds, which must come out as"
        " recorded; the tables end up as if nothing had happened.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the run")
    folder = place.without_partial(parser.parse_args(arguments).folder)
    if place.is_complete(folder):
        print(f"This run is finished.\n\n{_closing_words(folder)}")
    else:
        run(load([], place.stored_config(folder), None), folder, take_up=True)
    return 0


def run(config: RunConfig, destination: Path, take_up: bool = False) -> None:
    """Run a configuration into a folder, with progress, summary, figures and report.

    take_up: go on with what stands in the folder.
    """
    started = time.perf_counter()
    torch.set_num_threads(1)  # the same sums in the same order on every machine
    scenario = deployment.make_scenario(config)
    if config.network.kind == "ns3":
        check_installation()
    setup = learning_setup(config)
    data = load_data(setup.data)
    learner = Learner(setup, data)
    folder = RunFolder(destination, config, data, take_up)
    timings = folder.timings
    started -= timings["total_s"]  # as if earlier attempts had ended just before
    network: Network | None = None
    with _logging_to(folder.log):
        for warning in (*deployment.warnings(config, scenario), *_other_processors(folder)):
            log.warning(warning)
        try:
            folder.add_partition(partition_table(data, learner))
            network = open_network(config, scenario, folder)
            waiting = time.perf_counter()
            network.wait_ready()
            timings["ns3_s"] += time.perf_counter() - waiting
            if isinstance(network, Ns3Network):
                for warning in deployment.out_of_range(scenario, network.start_snr_db):
                    log.warning(warning)
            feedback = None
            if folder.num_rounds > 0:
                feedback = _repeat(config, scenario, learner, network, folder)
            rounds = run_rounds(config, scenario, learner, network, folder.num_rounds, feedback)
            for each in _with_progress(rounds, config, folder.num_rounds):
                timings["ns3_s"] += each.ns3_s
                timings["learning_s"] += each.learning_s
                timings["total_s"] = time.perf_counter() - started
                folder.add(to_tables(each, scenario, learner), learner)
            network.close()
            _finish(folder, started)
        except BaseException as error:
            # A second signal must not stop the saving of what is finished.
            for each_signal in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each_signal, signal.SIG_IGN)
            if network is not None:
                network.kill()
            timings["total_s"] = time.perf_counter() - started
            _keep_finished_rounds(folder, error)
            raise
        finally:
            folder.release()
    print(_closing_words(folder.path))


def _other_processors(folder: RunFolder) -> list[str]:
    """Warn where a run goes on with a processor that may round otherwise."""
    if not folder.resumed:
        return []
    kinds = ("processor", "torch_instructions")
    began, here = (
        ", ".join(host[kind] for kind in kinds)
        for host in (folder.origin["host"], folder.resumed[-1]["host"])
    )
    if began == here:
        return []
    return [
        f"resumed on another processor: {here}; begun on {began}. It may round otherwise, so that"
        " the rounds to come may differ from those of a run that was left alone"
    ]


def learning_setup(config: RunConfig) -> LearningSetup:
    """Turn the configuration into the learning side's own."""
    given = config.learning.model_dump(exclude={"rounds", "evaluate_every"})
    given |= {"num_devices": config.network.num_devices, "seed": config.seed}
    data, exchange = (
        {field.name: given.pop(field.name) for field in fields(kind)}
        for kind in (DataSetup, ExchangeSetup)
    )
    return LearningSetup(data=DataSetup(**data), exchange=ExchangeSetup(**exchange), **given)


def open_network(config: RunConfig, scenario: NetworkScenario, folder: RunFolder) -> Network:
    """Start the network that the configuration names; it gets ready while the caller goes on."""
    if config.network.kind == "ideal":
        return IdealNetwork(scenario)
    if config.network.kind == "analytic":
        return AnalyticNetwork(scenario)
    return Ns3Network(scenario, folder.ns3_log, config.network.wall_limit_s)


def _repeat(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: Learner,
    network: Network,
    folder: RunFolder,
) -> Feedback:
    """Take network and learner to where an unfinished run stands, at least one round on."""
    log.info("resumed: %d finished rounds are repeated first, by the network", folder.num_rounds)
    recorded = [folder.round(index) for index in range(folder.num_rounds)]
    busy_s = [tables["devices"]["compute_s"].to_numpy() for tables in recorded]
    repeated = repeat_rounds(config, scenario, learner, network, busy_s)
    with tqdm(total=folder.num_rounds, unit="round", desc="repeated", disable=None) as bar:
        for index, (tables, done) in enumerate(zip(recorded, repeated, strict=True)):
            check_repeated(index, tables, network_tables(done))
            bar.update()
            folder.timings["ns3_s"] += done.wall_s
            log.info("round %d repeated, ns-3 %.2f s", index + 1, done.wall_s)
    learner.load(folder.learner_state())
    return done.after


def _with_progress(
    rounds: Iterator[RoundRecord], config: RunConfig, first_round: int
) -> Iterator[RoundRecord]:
    """Show a bar where a person looks on, and write one line a round into the log."""
    total = config.learning.rounds
    with tqdm(total=total, initial=first_round, unit="round", disable=None) as bar:
        for each in rounds:
            yield each
            flows, energy = each.report.flows, each.report.energy
            offered = int(each.traffic.payload_bytes.sum())
            share = float(flows.delivered_bytes.sum()) / offered if offered else 1.0
            measured = each.evaluation.accuracy
            measured = measured[np.isfinite(measured)]  # a server has no data of its own
            accuracy = f"accuracy {measured.mean():.3f}" if measured.size else "not evaluated"
            left_j = np.maximum(energy.remaining_energy_j, 0.0).sum()
            line = f"{accuracy}, delivered {share:.3f}, left {left_j:.0f} J"
            bar.set_postfix_str(line)
            bar.update()
            log.info(
                "round %d of %d: %s, ns-3 %.2f s, learning %.2f s",
                each.round_index + 1,
                config.learning.rounds,
                line,
                each.ns3_s,
                each.learning_s,
            )


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Write the log into the run folder, and to the terminal where no bar is shown."""
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if not sys.stderr.isatty():
        handlers.append(logging.StreamHandler())
    log.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def _keep_finished_rounds(folder: RunFolder, error: BaseException) -> None:
    """Leave what was finished readable; a new run that never got going leaves nothing."""
    if folder.path == folder.final:  # complete, and has its name
        return
    if folder.num_rounds == 0 and not folder.resumed:
        shutil.rmtree(folder.path)
        return
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    reason = " ".join(str(error).split()) or type(error).__name__
    log.info("%s: %s", status, reason)
    try:
        folder.finish(record.make_manifest(folder, status, reason))
    except OutputError as also:
        log.info("the manifest could not be written: %s", also)
    print(
        f"{status}: {folder.num_rounds} finished rounds are kept in {folder.path};"
        f" `run.py resume {folder.final}` goes on"
    )


def _finish(folder: RunFolder, started: float) -> None:
    """Draw, report and publish a complete run."""
    tables = folder.tables() | {"partition": folder.partition()}
    figures.draw_all(tables, folder.path / "figures")
    timings = folder.timings
    timings["total_s"] = time.perf_counter() - started
    timings["rest_s"] = timings["total_s"] - timings["ns3_s"] - timings["learning_s"]
    folder.finish(record.make_manifest(folder, "complete"))
    report.write_report(folder.path)
    folder.publish()


def _closing_words(folder: Path) -> str:
    tables = {
        name: pd.read_parquet(folder / f"{name}.parquet") for name in ("rounds", "devices", "flows")
    }
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    words = summary.render_summary(summary.summarise(**tables, manifest=manifest))
    return f"{words}\nReport     {folder / 'report.html'}"
