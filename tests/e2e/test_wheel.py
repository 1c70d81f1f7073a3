"""The package as others install it: a wheel in a fresh environment, without the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).resolve().parents[2]
IDEAL = ("--network.kind=ideal", "--learning.dataset=made", "--learning.rounds=2")
SMALL = ("--network.num_devices=3", "--iteration.max_iterations=2")


def call(folder: Path, *command: object) -> str:
    # Nothing of the environment of this test must be found by the other.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=folder, env=clean, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with this project's wheel; what it depends on is this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    call(CHECKOUT, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist")
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "env" / "lib" / version / "site-packages"
    # Behind its own, and without the editable install, whose .pth is read in site folders only.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    offline = ("--no-deps", "--no-index", "--disable-pip-version-check", "-q")
    call(folder, sys.executable, "-m", "pip", "--python", python, "install", *offline, wheel)
    return folder / "env"


def test_an_installed_wheel_runs_from_any_folder_and_writes_into_it(
    environment: Path, tmp_path: Path
) -> None:
    python = environment / "bin" / "python"
    where = call(tmp_path, python, "-c", "import cosim, learning; print(cosim.__file__)")
    assert where.startswith(str(environment))

    def installed() -> set[Path]:
        return {path for path in environment.rglob("*") if "__pycache__" not in path.parts}

    before = installed()
    said = call(tmp_path, python, "-m", "cosim", *IDEAL, *SMALL)
    (run,) = (tmp_path / "results" / "runs").iterdir()
    assert f"Report     {run / 'report.html'}" in said
    assert run.name.startswith("mesh80211-")
    assert len(list((run / "figures").glob("*.png"))) == 10
    command = environment / "bin" / "cosim"
    assert "files as written" in call(tmp_path, command, "verify", run)
    assert "finished already" in call(tmp_path, command, *IDEAL, *SMALL)
    assert installed() == before


def test_presets_native_sources_style_and_template_are_in_the_wheel(environment: Path) -> None:
    tracked = call(CHECKOUT, "git", "ls-files", "cosim", "learning", "ns3_scenarios").split()
    assert len(tracked) > 100
    (packages,) = environment.glob("lib/python*/site-packages")
    missing = [name for name in tracked if not (packages / name).is_file()]
    assert missing == []
    assert not (packages / "ns3_scenarios" / "native" / "built").exists()
