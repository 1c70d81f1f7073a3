"""The real script, from another folder, as a user starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import torch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).resolve().parents[2] / "cosim" / "run.py"
TABLES = ("rounds", "devices", "links", "flows")
IDEAL = ("--network.kind=ideal", "--learning.dataset=made", "--network.num_devices=4")
SHORT = ("--learning.rounds=3", "--iteration.max_iterations=4")
# Long rounds and small plans: most of the wall time is ns-3's.
LONG = ("--learning.dataset=made", "--network.num_devices=4", "--learning.rounds=200")
LONG += ("--network.round_period_s=60", "--energy.battery_j=1e6", "--iteration.max_iterations=4")


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one command and one with another seed: folders one, two, other."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("one", "1"), ("two", "1"), ("other", "2")):
        done = run_script(folder, *IDEAL, *SHORT, "--seed", seed, "--output", name)
        assert done.returncode == 0, done.stderr
        (folder / f"{name}.out").write_text(done.stdout, encoding="utf-8")
    return folder


def test_a_run_leaves_one_complete_folder_and_says_what_it_came_to(three_runs: Path) -> None:
    files = {path.name for path in (three_runs / "one").iterdir()}
    tables = {f"{name}.parquet" for name in TABLES}
    assert files >= tables | {"config.toml", "manifest.json", "report.html", "log.txt", "figures"}
    assert not list(three_runs.glob("*.partial"))
    words = (three_runs / "one.out").read_text(encoding="utf-8")
    for first_word in ("Accuracy", "Simulated", "Energy", "Plan", "Delivered", "Deaths"):
        assert re.search(rf"^{first_word} ", words, re.MULTILINE), first_word
    assert words.splitlines()[-1].split() == ["Report", str(three_runs / "one" / "report.html")]
    rounds = pd.read_parquet(three_runs / "one" / "rounds.parquet")
    assert f"{100 * rounds['accuracy_mean'].iloc[-1]:.1f} % mean over devices" in words
    assert "9.0 s in 3 rounds, 4 of 4 devices alive" in words
    log = (three_runs / "one" / "log.txt").read_text(encoding="utf-8")
    assert re.findall(r"round (\d) of 3", log) == ["1", "2", "3"]


class Loads(HTMLParser):
    """Collects what a browser would fetch for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.others: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag in ("script", "iframe", "object")
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "poster"):
                (self.images if tag == "img" else self.others).append(value or "")


def test_the_report_loads_nothing_from_outside_itself(three_runs: Path) -> None:
    page = (three_runs / "one" / "report.html").read_text(encoding="utf-8")
    loads = Loads()
    loads.feed(page)
    assert len(loads.images) == len(list((three_runs / "one" / "figures").glob("*.png"))) > 3
    assert all(source.startswith("data:image/") for source in loads.images)
    assert all(target.startswith("#") for target in loads.others)
    assert loads.scripts == 0
    assert not re.search(r"@import|url\(\s*['\"]?(?!data:)", page)
    rounds = pd.read_parquet(three_runs / "one" / "rounds.parquet")
    assert f"{100 * rounds['accuracy_mean'].iloc[-1]:.1f} %" in page


def test_the_stored_configuration_reads_back_to_the_same_text(three_runs: Path) -> None:
    stored = three_runs / "one" / "config.toml"
    printed = run_script(three_runs, "--config", str(stored), "--print-config")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout == stored.read_text(encoding="utf-8")
    assert "num_devices = 4" in printed.stdout


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(three_runs: Path) -> None:
    for name in TABLES:
        one, two, other = (
            (three_runs / run / f"{name}.parquet").read_bytes() for run in ("one", "two", "other")
        )
        assert one == two
        # The ideal network has no links to measure, so these say the same for any seed.
        assert (one != other) == (name != "links")
    hashes = [
        [
            json.loads((three_runs / run / "manifest.json").read_text(encoding="utf-8"))[
                "files_sha256"
            ][f"{name}.parquet"]
            for name in TABLES
        ]
        for run in ("one", "two", "other")
    ]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--scenario", "mesh80221"), "did you mean mesh80211?"),
        (("--network.num_devicez", "4"), "did you mean network.num_devices?"),
        (("--network.tx_power_dbm", "99"), "network.tx_power_dbm: expected less than or equal"),
        (
            ("--learning.dataset=uci_har", "--learning.data_path=missing.zip"),
            "data_path of uci_har: expected a file or folder, got nothing at missing.zip",
        ),
    ],
)
def test_a_bad_input_costs_one_line_and_writes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    ideal = ("--network.kind=ideal", "--output", "out")
    done = run_script(tmp_path, *ideal, *arguments)
    assert_refused(done, expected)
    assert os.listdir(tmp_path) == []


def assert_refused(done: subprocess.CompletedProcess[str], expected: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert expected in line


def test_a_folder_that_holds_a_run_is_left_alone(three_runs: Path) -> None:
    def stamps() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in three_runs.rglob("*")}

    before = stamps()
    done = run_script(three_runs, *IDEAL, *SHORT, "--output", "one")
    assert_refused(done, f"got {three_runs / 'one'}, which holds a finished run")
    assert stamps() == before


def test_a_run_that_never_got_going_leaves_no_folder_above_it(tmp_path: Path) -> None:
    missing = ("--learning.dataset=uci_har", "--learning.data_path=missing.zip")
    done = run_script(tmp_path, "--network.kind=ideal", *missing, "--output", "new/deep/out")
    assert_refused(done, "missing.zip")
    assert os.listdir(tmp_path) == []


@pytest.mark.ns3
def test_ns3_accounts_for_every_byte_and_delivers_from_the_second_round_on(
    tmp_path: Path,
) -> None:
    arguments = ("--scenario", "mesh80211", "--learning.dataset", "watch", "--learning.rounds", "2")
    done = run_script(tmp_path, *arguments, "--output", "run")
    assert done.returncode == 0, done.stderr
    flows = pd.read_parquet(tmp_path / "run" / "flows.parquet")
    # 12 sides of the 3 x 3 grid, both ways, six parts, two rounds.
    assert len(flows) == 12 * 2 * 6 * 2
    for row in flows.to_dict("records"):
        assert row["handed_bytes"] + row["unsent_bytes"] == row["payload_bytes"]
        assert 0 <= row["delivered_bytes"] <= row["handed_bytes"]
        whole = row["delivered_bytes"] == row["payload_bytes"]
        assert (row["outcome"] == "delivered") == (whole and row["finish_s"] <= 3.0)
    second = flows[flows["round"] == 2]
    for _, sent in second.groupby("src"):
        assert (sent["outcome"] == "delivered").any()
    assert second["delivered_bytes"].sum() > 0.7 * second["payload_bytes"].sum()
    devices = pd.read_parquet(tmp_path / "run" / "devices.parquet")
    spent_j = devices["radio_j"] + devices["compute_j"]
    left_j = devices["start_energy_j"] - spent_j
    assert left_j.to_numpy() == pytest.approx(devices["remaining_energy_j"].to_numpy(), abs=1e-6)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["network_kind"]) == ("complete", "ns3")


@pytest.mark.ns3
def test_a_run_in_which_everybody_dies_ends_without_a_warning(tmp_path: Path) -> None:
    # 4 J last an idle radio of 0.82 W for less than 5 s of the 9 s.
    poor = ("--network.num_devices=2", "--energy.battery_j=4", "--learning.rounds=3")
    done = run_script(tmp_path, "--learning.dataset=made", *poor, "--output", "run")
    assert done.returncode == 0
    assert "0 of 2 devices alive" in done.stdout
    assert "Warning" not in done.stderr


def children_of(parent: int) -> list[int]:
    """Process ids whose parent is this one, by /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(encoding="ascii", errors="replace")
        except OSError:  # ended while we looked
            continue
        if int(text.rpartition(")")[2].split()[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def wait_for(process: subprocess.Popen[str], log: Path, words: str) -> None:
    """Wait until a running process has logged some words."""
    deadline = time.monotonic() + 150
    while not (log.exists() and words in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


Start = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start_long_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a run of 200 rounds in tmp_path/run; return it and its child in the third round."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], int]:
        # A job in the background ignores Ctrl-C and hands that down; a user's terminal does not.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), *LONG, "--output", "run"],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        wait_for(process, tmp_path / "run.partial" / "log.txt", "round 2 of 200")
        # The parts of finished rounds can be read while the run goes on.
        part = tmp_path / "run.partial" / "rounds.parts" / "flows-000001.parquet"
        assert set(pd.read_parquet(part)["round"]) == {2}
        (child,) = children_of(process.pid)
        return process, child

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def kept_rounds(folder: Path) -> tuple[int, dict[str, object]]:
    """Rounds in the parts of a run that was cut short, which must agree; and its manifest."""
    manifest = json.loads((folder / "run.partial" / "manifest.json").read_text(encoding="utf-8"))
    assert not (folder / "run").exists()
    stored = torch.load(folder / "run.partial" / "checkpoint" / "learner.pt", weights_only=True)
    parts = folder / "run.partial" / "rounds.parts"
    for name in TABLES:
        tables = [pd.read_parquet(path) for path in sorted(parts.glob(f"{name}-*.parquet"))]
        # A round that did not end may have left some of its tables.
        kept = pd.concat(tables)["round"].unique().tolist()
        assert kept[: stored["rounds"]] == list(range(1, stored["rounds"] + 1))
    return stored["rounds"], manifest


@pytest.mark.ns3
def test_killing_ns3_ends_the_run_with_one_line_and_keeps_its_finished_rounds(
    tmp_path: Path, start_long_run: Start
) -> None:
    process, child = start_long_run()
    os.kill(child, signal.SIGKILL)
    killed = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - killed < 10.0
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr
    (line,) = (line for line in stderr.splitlines() if line.startswith("error: "))
    named = re.search(r"ns-3 died \(signal SIGKILL\) in round (\d+)", line)
    assert named, line
    kept, manifest = kept_rounds(tmp_path)
    assert manifest["status"] == "failed"
    assert "SIGKILL" in str(manifest["reason"])
    # The round after those that were kept is the one that failed.
    assert int(named[1]) - 1 == kept == manifest["rounds"] >= 2


@pytest.mark.ns3
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "batch-system"])
def test_an_interrupted_run_keeps_finished_rounds_and_leaves_no_process(
    tmp_path: Path, start_long_run: Start, end: signal.Signals
) -> None:
    process, child = start_long_run()
    process.send_signal(end)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "interrupted"
    assert "Traceback" not in stderr
    assert not is_running(child)
    kept, manifest = kept_rounds(tmp_path)
    assert manifest["status"] == "interrupted"
    assert kept == manifest["rounds"] >= 2


@pytest.mark.ns3
def test_a_killed_run_taken_up_again_ends_with_the_bytes_of_one_that_was_left_alone(
    tmp_path: Path,
) -> None:
    # Movement and fading: all that ns-3 draws has to come out again.
    d2d = ("--scenario=d2d", "--network.fading=nakagami", "--network.disc_radius_m=40")
    made = ("--learning.dataset=made", "--network.num_devices=4", "--iteration.max_iterations=4")
    words = (*d2d, *made, "--learning.rounds=5")
    done = run_script(tmp_path, *words, "--output", "whole")
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words, "--output", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_for(process, tmp_path / "run.partial" / "log.txt", "round 2 of 5")
    process.kill()
    process.wait()
    assert_refused(run_script(tmp_path, *words, "--output", "run"), "`run.py resume ")
    done = run_script(tmp_path, "resume", "run")
    assert done.returncode == 0, done.stderr
    assert "finished rounds are repeated first" in done.stderr
    for name in (*TABLES, "partition"):
        file = f"{name}.parquet"
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "complete"
    assert manifest["resumed"][0]["after_rounds"] >= 2
    assert not list(tmp_path.glob("*.partial"))


DIVERGES = """
from learning.losses import fused_loss
from learning.methods.interface import Method, Rules

def begin(round_):
    factor = 1e30 if round_.index == 2 else 1.0
    return Rules(lambda passed, label, step: fused_loss(passed, label) * factor * factor)

METHOD = Method(begin)
"""


def test_a_run_that_diverges_names_device_and_round_and_keeps_the_last_good_models(
    tmp_path: Path,
) -> None:
    (tmp_path / "boom.py").write_text(DIVERGES, encoding="utf-8")
    words = (*IDEAL, "--learning.rounds=4", "--learning.method=boom.py", "--output=run")
    done = run_script(tmp_path, *words)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert re.search(r"got inf for device 0 in step 1 of round 3", line), line
    kept, manifest = kept_rounds(tmp_path)
    assert (kept, manifest["status"]) == (2, "failed")
    stored = torch.load(tmp_path / "run.partial" / "checkpoint" / "learner.pt", weights_only=True)
    state = stored["learner"]
    assert all(v.isfinite().all() for v in state.values() if v.is_floating_point())


@pytest.mark.ns3
@pytest.mark.parametrize(
    ("scenario", "flags"),
    [
        ("adhoc80211", ("--network.fading=nakagami", "--network.placement=disc")),
        ("d2d", ("--network.disc_radius_m=30", "--network.neighbour_distance_m=500")),
        ("infrastructure", ("--network.path_loss=inh", "--network.pcap")),
    ],
)
def test_every_scenario_runs_by_its_name(
    tmp_path: Path, scenario: str, flags: tuple[str, ...]
) -> None:
    made = ("--learning.dataset=made", "--network.num_devices=4", "--iteration.max_iterations=4")
    words = ("--scenario", scenario, "--learning.rounds=2", *made, *flags)
    done = run_script(tmp_path, *words, "--output", "run")
    assert done.returncode == 0, done.stderr
    rounds, devices, links, _ = (
        pd.read_parquet(tmp_path / "run" / f"{name}.parquet") for name in TABLES
    )
    assert (rounds["delivered_bytes"] > 0).all()
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["scenario"] == scenario
    moved_m = devices.groupby("device")["x_m"].agg(lambda x: x.max() - x.min())
    assert (moved_m > 0).any() == (scenario == "d2d")
    if scenario == "d2d":
        period_s = rounds["duration_s"].iloc[0]
        assert links["contact_s"].to_numpy() == pytest.approx(period_s, abs=0.11)
    assert (tmp_path / "run" / "pcap").exists() == ("--network.pcap" in flags)
    assert (tmp_path / "run" / "ns3_attributes.txt").stat().st_size > 10_000
