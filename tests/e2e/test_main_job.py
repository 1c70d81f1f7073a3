"""The real script, from another folder, as a user starts it."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from script import IDEAL, TABLES, assert_refused, run_script

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SHORT = ("--learning.rounds=3", "--iteration.max_iterations=4")


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
        self.scripts += tag in ("iframe", "object") or (tag == "script" and "src" in dict(attrs))
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
    words = ("--scenario", scenario, "--learning.rounds=2", *made, *flags, "--no-figures")
    done = run_script(tmp_path, *words, "--output", "run")
    assert done.returncode == 0, done.stderr
    rounds, devices, links, *_ = (
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
