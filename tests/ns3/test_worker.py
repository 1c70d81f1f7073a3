"""The child process: its death, its silence, its end."""

import os
import pickle
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mesh import make_mesh, make_traffic

from ns3_scenarios import worker
from ns3_scenarios.allocator import fast_allocator
from ns3_scenarios.errors import NetworkFailedError
from ns3_scenarios.worker import Ns3Network

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_killing_ns3_in_a_round_is_told_within_seconds_with_the_round(tmp_path: Path) -> None:
    scenario = make_mesh(num_devices=4)
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    network.run_round(make_traffic(scenario, 0))
    killer = threading.Timer(0.3, os.kill, (network.pid, signal.SIGKILL))
    killer.start()
    started = time.monotonic()
    with pytest.raises(NetworkFailedError, match=r"died \(signal SIGKILL\) in round 2"):
        network.run_round(make_traffic(scenario, 1, period_s=5000.0))
    assert time.monotonic() - started < 5.0


def test_a_round_beyond_its_wall_limit_counts_as_hung_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    scenario = make_mesh(num_devices=4)
    network = Ns3Network(scenario, tmp_path / "ns3.log", wall_limit_s=1.0)
    with pytest.raises(NetworkFailedError, match="did not answer within 1 s .* in round 1"):
        network.run_round(make_traffic(scenario, 0, period_s=50_000.0))
    assert is_gone(network.pid)


def test_an_abort_inside_ns3_is_told_with_its_own_words(tmp_path: Path) -> None:
    # An object of a kind that ns-3 does not have is a fatal error when the MAC is made.
    scenario = make_mesh(num_devices=2, ns3_defaults={"WifiMac::BE_Txop": "ns3::NoSuch"})
    network = Ns3Network(scenario, tmp_path / "ns3.log")
    # By the signal itself: cppyy's handler would run a debugger first, and then exit with a code.
    words = r"died \(signal SIGABRT\) while ns-3 started; its last words: .*NoSuch not found"
    with pytest.raises(NetworkFailedError, match=words) as caught:
        network.wait_ready()
    assert "session.py" not in str(caught.value)


CRASHING = """
import ctypes

def build(ns, scenario):
    ctypes.string_at(0)
"""


def test_a_crash_in_a_scenario_of_the_users_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "crashing.py"
    path.write_text(CRASHING)
    network = Ns3Network(make_mesh(num_devices=2, name=str(path)), tmp_path / "ns3.log")
    words = r"died \(signal SIGSEGV\) .* Segmentation fault .*crashing.py\", line 5 in build"
    with pytest.raises(NetworkFailedError, match=words):
        network.wait_ready()


def test_a_child_that_is_stopped_hangs_nobody_whatever_is_sent_to_it(tmp_path: Path) -> None:
    scenario = make_mesh(num_devices=2)
    network = Ns3Network(scenario, tmp_path / "ns3.log", wall_limit_s=2.0)
    network.wait_ready()
    os.kill(network.pid, signal.SIGSTOP)
    pairs = np.tile([[0, 1], [1, 0]], 20_000)
    traffic = make_traffic(scenario, 0, pairs)
    assert len(pickle.dumps(traffic)) > 1_000_000  # more than a socket holds
    with pytest.raises(NetworkFailedError, match="did not answer within 2 s .* in round 1"):
        network.run_round(traffic)
    assert is_gone(network.pid)


def test_closing_ends_a_child_that_is_stopped(tmp_path: Path) -> None:
    network = Ns3Network(make_mesh(num_devices=2), tmp_path / "ns3.log")
    os.kill(network.pid, signal.SIGSTOP)
    network.close()
    assert is_gone(network.pid)


def test_closing_ends_the_child(tmp_path: Path) -> None:
    network = Ns3Network(make_mesh(num_devices=2), tmp_path / "ns3.log")
    network.wait_ready()
    network.close()
    network.close()
    assert is_gone(network.pid)


def test_tcmalloc_is_in_the_child_alone_and_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = fast_allocator()
    if library is None:
        pytest.skip("tcmalloc is not installed (Debian: libtcmalloc-minimal4)")
    scenario = make_mesh(num_devices=4)
    answers = []
    for found in (library, None):
        monkeypatch.setattr(worker, "fast_allocator", lambda found=found: found)
        network = Ns3Network(scenario, tmp_path / "ns3.log")
        network.wait_ready()
        loaded = library in Path(f"/proc/{network.pid}/maps").read_text()
        assert loaded == (found is not None)
        assert network.allocator == found
        answers.append(pickle.dumps(network.run_round(make_traffic(scenario, 0))))
        network.close()
    assert answers[0] == answers[1]
    assert library not in Path("/proc/self/maps").read_text()
