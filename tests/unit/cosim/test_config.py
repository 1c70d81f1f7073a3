"""What a user may write, and the line that says what was wrong with it."""

from pathlib import Path

import pytest

from cosim.config.model import RunConfig
from cosim.config.sources import dotted_fields, load, to_toml
from cosim.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_flag_beats_the_file_and_the_file_beats_the_preset(tmp_path: Path) -> None:
    file = write(tmp_path / "c.toml", "[network]\ntx_power_dbm = 11\nnum_devices = 16\n")
    config = load(["--network.tx_power_dbm", "12.5"], file, None)
    assert config.network.tx_power_dbm == 12.5
    assert config.network.num_devices == 16
    assert config.network.noise_figure_db == RunConfig().network.noise_figure_db


def test_the_printed_configuration_reads_back_as_the_same(tmp_path: Path) -> None:
    flags = ["--learning.rounds", "7", "--seed", "9", "--energy.battery_j", "50.5"]
    config = load(flags, None, None)
    again = load([], write(tmp_path / "c.toml", to_toml(config)), None)
    assert again == config
    assert to_toml(again) == to_toml(config)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--network.tx_power", "3"], "did you mean network.tx_power_dbm"),
        (["--network.tx_power_dbm", "ninety"], "network.tx_power_dbm: expected a valid number"),
        (["--network.tx_power_dbm", "99"], "network.tx_power_dbm: expected less than or equal"),
        (["--network.tx_power_dbm", "nan"], "network.tx_power_dbm: expected a finite number"),
        (["--learning.rounds", "0"], "learning.rounds: expected greater than or equal to 1"),
        (["--learning.rounds", "2.5"], "learning.rounds: expected a valid integer"),
        (["--network.sync", "x"], "network.sync: expected 'fixed_period' or 'oracle', got 'x'"),
        (["--learning.dataset", "uci_har"], "learning.data_path: expected the path"),
        (["--learning.data_path", "x"], "learning.data_path: expected none with dataset watch"),
        (["--learning.method", "fedavg"], "learning.method: expected dmml_kd | "),
        (["--learning.model", "cnn"], "learning.model: expected default or a file *.py, got cnn"),
        (["--learning.method", "no.py"], "or a file *.py, got no.py; choose"),
        (["--energy.reserve_j", "1e6"], "energy.reserve_j: expected less than energy.battery_j"),
    ],
)
def test_a_wrong_flag_gets_one_line_that_names_it(flags: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match="(?s)^[^\n]*$") as error:
        load(flags, None, None)
    assert expected in str(error.value)


def test_a_methods_own_numbers_are_named_by_flag_or_file(tmp_path: Path) -> None:
    flags = ["--learning.method", "fedprox", "--learning.method_options", "proximal_weight=0.2"]
    config = load(flags, None, None)
    assert config.learning.method_options == {"proximal_weight": 0.2}
    assert load([], write(tmp_path / "c.toml", to_toml(config)), None) == config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[network]\ntx_powr_dbm = 3\n", "network.tx_powr_dbm: unknown key in"),
        ("[network]\ntx_powr_dbm = 3\n", "did you mean network.tx_power_dbm?"),
        ("[network]\nnum_devices = '9'\n", "network.num_devices: expected a valid integer"),
        ("[netwrk]\nnum_devices = 9\n", "netwrk: unknown key in"),
        ("[network\n", "expected TOML"),
        ("scenario = 'mesh80221'\n", "did you mean mesh80211?"),
    ],
)
def test_a_wrong_file_gets_one_line_that_names_it(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match="(?s)^[^\n]*$") as error:
        load([], write(tmp_path / "c.toml", text), None)
    assert expected in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.toml"):
        load([], tmp_path / "nowhere.toml", None)


def test_the_help_shows_every_field_with_unit_range_and_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as done:
        load(["--help"], None, None)
    assert done.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in dotted_fields():
        assert f"--{field}" in text
    assert "Transmit power [dBm], -20.0 to 30.0 (default: 16.0)" in text
