"""The command line: read the configuration, run, report."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from cosim import (
    arithmetic,
    check,
    deployment,
    failures,
    place,
    presentation,
    record,
    terminal,
    validate,
    verify,
)
from cosim.bridge import Feedback
from cosim.config import RunConfig
from cosim.config_sources import load, preset_names, to_toml
from cosim.errors import OutputError
from cosim.layout import MANIFEST
from cosim.learning_setup import learning_setup
from cosim.loop import RoundRecord, repeat_rounds, run_rounds
from cosim.manifest import is_complete, read_manifest
from cosim.record import RunFolder
from cosim.run_log import log, logging_to
from cosim.tables import check_repeated, network_tables, partition_table, to_tables
from cosim.unfinished import Unfinished, taken_up
from learning.data.dataset import load as load_data
from learning.learner import Learner
from ns3_scenarios.analytic import AnalyticNetwork
from ns3_scenarios.ideal import IdealNetwork
from ns3_scenarios.installation import check_installation
from ns3_scenarios.network import Network
from ns3_scenarios.scenario import NetworkScenario
from ns3_scenarios.worker import Ns3Network

# Batch systems end a job with SIGTERM, terminals that close with SIGHUP: as Ctrl-C does, they leave
# the finished rounds.
ENDINGS = (signal.SIGTERM, signal.SIGHUP)
MOST_DEAD = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code. Any error is one line."""
    for each in ENDINGS:
        if signal.getsignal(each) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(each, signal.default_int_handler)
    with terminal.forgiving() as output:
        try:
            return _main(list(sys.argv[1:] if arguments is None else arguments), output)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return failures.INTERRUPTED
        except failures.ONE_LINE as error:
            print(f"error: {failures.said(error)}", file=sys.stderr)
            return failures.exit_code(error)


def _main(arguments: list[str], output: terminal.Forgiving) -> int:
    # First words that ask for something else than a new run; each gets the words behind it.
    commands = {
        "check": check.main,
        "resume": resume,
        "validate": validate.main,
        "verify": verify.main,
    }
    if arguments and arguments[0] in commands:
        return commands[arguments[0]](arguments[1:])
    options, flags = own_options().parse_known_args(arguments)
    if options.scenario:
        flags += ["--scenario", options.scenario]
    config = load(flags, options.config, options.scenario, own_options())
    if options.print_config:
        print(to_toml(config), end="")
        if output.lost and output.lost.errno != errno.EPIPE:  # who closes a pipe has read enough
            raise OSError(output.lost.errno, output.lost.strerror, "the standard output")
        return 0
    folder = options.output or record.default_folder(config)
    if options.output is None and is_complete(folder):
        presentation.finish(folder)
        print(f"This run is finished already; delete {folder} to run it again.\n")
        print(presentation.closing_words(folder))
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
        prog=f"{place.PROGRAM} resume",
        description="Go on with a run that failed, was interrupted or killed, from its last"
        " finished round. A fresh ns-3 first repeats the finished rounds, which must come out as"
        " recorded; the tables end up as if nothing had happened.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the run")
    folder = place.without_partial(parser.parse_args(arguments).folder)
    # A damaged manifest under the final name says so itself.
    if not (folder / MANIFEST).exists() or read_manifest(folder).status != "complete":
        with taken_up(folder) as left:
            if left.manifest.status != "complete":
                run(left.config, folder, left)
                return 0
            record.publish(left.path, folder)  # it was killed just before it got its name
    presentation.finish(folder)
    print(f"This run is finished.\n\n{presentation.closing_words(folder)}")
    return 0


def run(config: RunConfig, destination: Path, left: Unfinished | None = None) -> None:
    """Run a configuration into a folder, with progress, summary, figures and report.

    left: go on with what stands in the folder.
    """
    started = time.perf_counter()
    arithmetic.ensure(config.learning.arithmetic)
    torch.set_num_threads(1)  # the same sums in the same order on every machine
    scenario = deployment.make_scenario(config)
    if config.network.kind == "ns3":
        check_installation()
    setup = learning_setup(config)
    data = load_data(setup.data)
    learner = Learner(setup, data)
    folder = RunFolder(destination, config, data, left)
    try:
        with logging_to(folder.log):
            try:
                for warning in (
                    *deployment.warnings(config, scenario),
                    *learner.warnings(),
                    *_other_processors(folder),
                ):
                    log.warning(warning)
                folder.add_partition(partition_table(data, learner))
                _all_rounds(config, scenario, learner, folder, started)
                not_drawn = presentation.draw(folder.path)
            except BaseException as error:
                _ignore_signals()
                log.info("%s: %s", *_how_it_ended(error))
                raise
        presentation.seal(folder.path, not_drawn)
    except BaseException as error:
        _ignore_signals()
        _end(folder, error)
        raise
    finally:
        folder.release()
    print(presentation.closing_words(folder.path))


def _ignore_signals() -> None:
    """Let no second signal stop the saving of what is finished."""
    for each in (signal.SIGINT, *ENDINGS):
        signal.signal(each, signal.SIG_IGN)


def _all_rounds(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: Learner,
    folder: RunFolder,
    started: float,
) -> None:
    """Run the rounds that the folder lacks, then publish it."""
    timings = folder.timings
    started -= timings["total_s"]  # as if earlier attempts had ended just before
    network: Network | None = None
    try:
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
    except BaseException:
        if network is not None:
            network.kill()
        raise
    finally:
        timings["total_s"] = time.perf_counter() - started
    timings["rest_s"] = timings["total_s"] - timings["ns3_s"] - timings["learning_s"]
    folder.complete()
    folder.publish()


def _other_processors(folder: RunFolder) -> list[str]:
    """Warn where a run goes on with a processor that may round otherwise."""
    if not folder.resumed:
        return []
    hosts = (folder.origin["host"], folder.resumed[-1]["host"])
    kinds = ("processor", "torch_instructions", "arithmetic")
    began, here = (", ".join(host[kind] for kind in kinds) for host in hosts)
    if began == here or all(host["arithmetic"] == "portable" for host in hosts):
        return []
    return [
        f"resumed on another processor: {here}; begun on {began}. It may round otherwise, so that"
        " the rounds to come may differ from those of a run that was left alone"
    ]


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
    learner.load(folder.learner_state)
    return done.after


def _with_progress(
    rounds: Iterator[RoundRecord], config: RunConfig, first_round: int
) -> Iterator[RoundRecord]:
    """Show a bar where a person looks on, and write one line a round into the log."""
    total, dying = config.learning.rounds, np.zeros(config.network.num_devices, dtype=np.bool_)
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
            newly = (each.evaluation.dead_feature_share > MOST_DEAD) & ~dying
            dying |= newly
            _warn_of_dead_features(each.round_index, newly)


def _warn_of_dead_features(round_index: int, devices: NDArray[np.bool_]) -> None:
    if devices.any():
        log.warning(
            "round %d: more than half of the common features are dead (one value for all samples)"
            " on device %s; lower learning.learning_rate or the weights of terms on features"
            " (learning.decorrelation_weight, learning.alignment_weight)",
            round_index + 1,
            ", ".join(map(str, np.flatnonzero(devices))),
        )


def _end(folder: RunFolder, error: BaseException) -> None:
    """Leave what was finished readable; a new run that never got going leaves nothing.

    Never raises: the error that ended the run is the one to be shown.
    """
    status, reason = _how_it_ended(error)
    try:
        if folder.completed:
            print(f"{status}: all rounds are in {folder.path}; {_resume(folder)} draws them")
        elif folder.num_rounds == 0 and not folder.resumed:
            folder.discard()
        else:
            folder.end(status, reason)
            kept = f"{folder.num_rounds} finished rounds are kept in {folder.path}; "
            left = kept if folder.num_rounds else ""
            print(f"{status}: {left}{_resume(folder)} goes on")
    except (OSError, OutputError) as also:
        print(
            f"{status}, and {folder.path} could not be written: {failures.said(also)}",
            file=sys.stderr,
        )


def _how_it_ended(error: BaseException) -> tuple[str, str]:
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    return status, failures.said(error) or type(error).__name__


def _resume(folder: RunFolder) -> str:
    return f"`{place.PROGRAM} resume {folder.final}`"
