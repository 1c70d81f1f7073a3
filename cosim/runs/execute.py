"""A run as a call: from the configuration to a folder with tables, figures and a report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from cosim import arithmetic, failures
from cosim.config import remarks
from cosim.config.assemble import check_load, make_learning_side, open_network
from cosim.config.devices import machines
from cosim.config.model import RunConfig
from cosim.config.sources import to_toml
from cosim.config.to_scenario import make_scenario
from cosim.errors import OutputError
from cosim.feedback import Feedback
from cosim.loop import Standing, repeat_rounds, run_rounds
from cosim.planning.compute import Machines
from cosim.program import PROGRAM
from cosim.records import paths
from cosim.records.folder import RunFolder, default_folder, publish
from cosim.records.layout import CONFIG, FOR_REPORT, MANIFEST
from cosim.records.manifest import is_complete, read_manifest
from cosim.records.network_record import NetworkRecord, read_record
from cosim.records.rebuilt import rebuild
from cosim.records.tables import check_repeated, network_tables, partition_table, to_tables
from cosim.records.unfinished import Unfinished, taken_up
from cosim.report import presentation
from cosim.runs import endings
from cosim.runs.keeping import keeping
from cosim.runs.log import log, logging_to
from learning.own_file import begin_run
from learning.side import LearningSide
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.description.scenario import NetworkScenario
from ns3_scenarios.errors import OtherTrafficError
from ns3_scenarios.installation import check_installation
from ns3_scenarios.network import Network
from ns3_scenarios.reports import RoundReport
from ns3_scenarios.segments import SegmentedNetwork
from ns3_scenarios.worker import Ns3Network

# What rebuilding a round from its tables takes besides them, the same for all rounds of a run.
OfRun = tuple[RunConfig, NetworkScenario, Machines, tuple[str, ...]]


@dataclass(frozen=True)
class Outcome:
    """A finished run: its folder, and whether it was there before."""

    folder: Path
    was_finished: bool = False


def begin(
    config: RunConfig,
    output: Path | None = None,
    *,
    root: Path | None = None,
    go_on: bool = False,
    formats: Sequence[str] = FOR_REPORT,
) -> Outcome:
    """Run a configuration, unless it is finished already.

    output: the folder, new or empty; none: one named by the configuration in root, where a finished
    run is not done twice. go_on: where the folder has a run of this configuration, cut short or
    finished, take it up or leave it. formats: of figures, as `presentation` has them. Raises
    OutputError where it has one of another.
    """
    folder = output or default_folder(config, root)
    partial = paths.partial_of(paths.whole_path(folder))
    if is_complete(folder) and (go_on or output is None):
        _check_same_configuration(config, folder)
        presentation.finish(folder, formats)
        return Outcome(folder, was_finished=True)
    if go_on and (partial / MANIFEST).exists():
        _check_same_configuration(config, partial)
        return Outcome(resume(folder, formats))
    return Outcome(execute(config, folder, formats=formats))


def _check_same_configuration(config: RunConfig, folder: Path) -> None:
    expected, got = to_toml(config), (folder / CONFIG).read_text(encoding="utf-8")
    if expected != got:
        lines = set(got.splitlines())
        odd = next((each for each in expected.splitlines() if each not in lines), "fewer fields")
        raise OutputError(
            f"--output: expected a run of this configuration in {folder}, got one without"
            f" `{odd}`; choose another with --output DIR"
        )


def execute(
    config: RunConfig,
    destination: Path,
    left: Unfinished | None = None,
    *,
    formats: Sequence[str] = FOR_REPORT,
) -> Path:
    """Run a configuration into a folder, with progress, figures and report; return the folder.

    left: go on with what stands in the folder. formats: of figures. Any error leaves the finished
    rounds, and the signals of `endings` ignored, since a process is to end then
    (`endings.put_back`).
    """
    started = time.perf_counter()
    arithmetic.ensure(config.learning.arithmetic)
    torch.set_num_threads(1)  # the same sums in the same order on every machine
    begin_run()
    scenario = make_scenario(config)
    if NETWORK_KINDS[config.network.kind].runs_ns3:
        check_installation()
    record = read_record(config)
    data, learner = make_learning_side(config)
    check_load(config, scenario, learner)
    folder = RunFolder(destination, config, data, left)
    try:
        with logging_to(folder.log):
            try:
                for warning in (
                    *remarks.warnings(config, scenario),
                    *learner.warnings(),
                    *arithmetic.remarks(config.learning.arithmetic),
                    *_other_processors(folder),
                    *(record.remarks() if record else ()),
                ):
                    log.warning(warning)
                folder.add_partition(partition_table(data, learner))
                _all_rounds(config, scenario, learner, folder, record, started)
                not_drawn = presentation.draw(folder.path, formats)
            except BaseException as error:
                endings.ignore()
                log.info("%s: %s", *_how_it_ended(error))
                raise
        presentation.seal(folder.path, not_drawn)
    except BaseException as error:
        endings.ignore()
        _end(folder, error)
        raise
    finally:
        folder.release()
    return folder.path


def resume(folder: Path, formats: Sequence[str] = FOR_REPORT) -> Path:
    """Go on with a run that was cut short, and finish what one left to do; return the folder."""
    folder = paths.without_partial(folder)
    # A damaged manifest under the final name says so itself.
    if not (folder / MANIFEST).exists() or read_manifest(folder).status != "complete":
        with taken_up(folder) as left:
            if left.manifest.status != "complete":
                return execute(left.config, folder, left, formats=formats)
            publish(left.path, folder)  # it was killed just before it got its name
    presentation.finish(folder, formats)
    return folder


def _all_rounds(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: LearningSide,
    folder: RunFolder,
    record: NetworkRecord | None,
    started: float,
) -> None:
    """Run the rounds that the folder lacks, then publish it."""
    timings = folder.timings
    started -= timings["total_s"]  # as if earlier attempts had ended just before
    network: Network | None = None
    try:
        of_run = config, scenario, machines(config), learner.payload().parts
        if record:
            network = record.open(*of_run[1:])
            config = record.as_recorded(config)
        else:

            def known(index: int) -> RoundReport:
                return rebuild(index, folder.round(index), *of_run).report

            network = open_network(config, scenario, folder.ns3_log, folder.num_rounds, known)
        feedback = None
        if folder.num_rounds > 0:
            feedback = _repeat(config, scenario, learner, network, folder, of_run)
        standing = Standing(folder.num_rounds, feedback, folder.memory)
        rounds = run_rounds(config, scenario, learner, network, standing)
        first = folder.num_rounds
        with keeping(folder, config.learning.rounds) as keep:
            for each in rounds:
                ns3 = network.first if isinstance(network, SegmentedNetwork) else network
                if isinstance(ns3, Ns3Network) and each.round_index == first:  # ready by now
                    timings["ns3_s"] += ns3.start_s
                    log.info("ns-3 allocates by %s", ns3.allocator or "the C library")
                    for warning in remarks.out_of_range(scenario, ns3.start_snr_db):
                        log.warning(warning)
                timings["ns3_s"] += each.ns3_s
                timings["learning_s"] += each.learning_s
                timings["waited_s"] += each.waited_s
                timings["total_s"] = time.perf_counter() - started
                keep(each, to_tables(each, scenario, learner), learner.state())
                endings.raise_if_lost()
        network.close()
    except BaseException:
        if network is not None:
            network.kill()
        raise
    finally:
        timings["total_s"] = time.perf_counter() - started
    timings["rest_s"] = timings["total_s"] - timings["waited_s"] - timings["learning_s"]
    folder.complete()
    folder.publish()


def _repeat(
    config: RunConfig,
    scenario: NetworkScenario,
    learner: LearningSide,
    network: Network,
    folder: RunFolder,
    of_run: OfRun,
) -> Feedback:
    """Take network and learner to where an unfinished run stands, at least one round on."""
    known = network.first_round if isinstance(network, SegmentedNetwork) else 0
    log.info(
        "resumed: %d finished rounds are repeated first, by the network, some %.0f s as they took"
        "%s",
        folder.num_rounds - known,
        folder.repetition_s() * (1 - known / folder.num_rounds),
        f"; {known} are of segments that are over" if known else "",
    )
    recorded = [folder.round(index) for index in range(folder.num_rounds)]
    asked = (
        (rebuild(index, tables, *of_run).traffic, tuple(tables["devices"]["codec"]))
        for index, tables in enumerate(recorded)
    )
    repeated = repeat_rounds(config, scenario, learner, network, asked)
    with tqdm(total=folder.num_rounds, unit="round", desc="repeated", disable=None) as bar:
        for index, (tables, done) in enumerate(zip(recorded, repeated, strict=True)):
            check_repeated(index, tables, network_tables(done))
            bar.update()
            folder.timings["ns3_s"] += done.wall_s
            folder.timings["waited_s"] += done.wall_s
            if index >= known:
                log.info("round %d repeated, network %.2f s", index + 1, done.wall_s)
    learner.load(folder.learner_state)
    return done.after


def _other_processors(folder: RunFolder) -> list[str]:
    """Warn where a run goes on with a processor that may round otherwise."""
    if not folder.resumed:
        return []
    hosts = (folder.origin["host"], folder.resumed[-1]["host"])
    kinds = ("processor", "torch_instructions", "arithmetic", "gpu")
    began, here = (", ".join(host[kind] for kind in kinds if host[kind]) for host in hosts)
    if began == here or all(host["arithmetic"] == "portable" and not host["gpu"] for host in hosts):
        return []
    return [
        f"resumed on another processor: {here}; begun on {began}. It may round otherwise, so that"
        " the rounds to come may differ from those of a run that was left alone"
    ]


def _end(folder: RunFolder, error: BaseException) -> None:
    """Leave what was finished readable; a new run that never got going leaves nothing.

    Never raises: the error that ended the run is the one to be shown.
    """
    status, reason = _how_it_ended(error)
    try:
        if folder.completed:
            print(f"{status}: all rounds are in {folder.path}; {_resume(folder)} draws them")
        elif not folder.resumed and _has_nothing(folder, error):
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


def _has_nothing(folder: RunFolder, error: BaseException) -> bool:
    """Tell whether nobody could go on from what is there: nothing can from a refused replay."""
    return folder.num_rounds == 0 or isinstance(error, OtherTrafficError)


def _how_it_ended(error: BaseException) -> tuple[str, str]:
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    return status, failures.said(error) or type(error).__name__


def _resume(folder: RunFolder) -> str:
    return f"`{PROGRAM} resume {folder.final}`"
