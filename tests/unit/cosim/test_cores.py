import os

from cosim.config.assemble import learning_setup
from cosim.config.sources import load
from cosim.cores import THREADS, cores, share, threads


def test_a_run_has_as_many_threads_as_cores_or_as_openmp_is_told(monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    assert threads() == cores() == len(os.sched_getaffinity(0))
    for asked, expected in (("3", 3), ("0", cores()), ("many", cores()), ("", cores())):
        monkeypatch.setenv(THREADS, asked)
        assert threads() == expected


def test_each_thread_of_a_run_has_25_devices_or_more_unless_the_user_says(monkeypatch):
    monkeypatch.setenv(THREADS, "3")
    for devices, expected in ((9, 1), (49, 1), (50, 2), (75, 3), (100, 3)):
        config = load([f"--network.num_devices={devices}"], None, "adhoc80211")
        assert learning_setup(config).workers == expected
    given = load(["--learning.workers", "5"], None, "mesh80211")
    assert learning_setup(given).workers == 5


def test_runs_at_once_share_the_cores_unless_the_user_has_shared_them(monkeypatch):
    monkeypatch.setattr("cosim.cores.cores", lambda: 12)
    for jobs, each in ((1, "12"), (5, "2"), (12, "1"), (40, "1")):
        monkeypatch.setenv(THREADS, "")
        monkeypatch.delenv(THREADS)
        share(jobs)
        assert os.environ[THREADS] == each
    monkeypatch.setenv(THREADS, "7")
    share(3)
    assert os.environ[THREADS] == "7"
