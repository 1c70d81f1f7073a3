"""Slurm on this machine alone, for tests: its own key, ports and folders, without systemd."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
PORTS = {"slurmctld": 16817, "slurmd": 16818}
START_LIMIT_S = 30.0

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={slurmctld}
SlurmdPort={slurmd}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# More tasks than cores: the long ones of the test sleep most of the time.
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=10
NodeName={host} NodeAddr=127.0.0.1 CPUs=6 RealMemory=6000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def lacks() -> str:
    """Say why there can be no cluster here, nothing where there can."""
    paths = os.environ["PATH"] + ":/usr/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=paths)]
    if missing:
        return f"needs Debian's slurmctld, slurmd, slurm-client and munge; lacks {missing[0]}"
    return "" if os.geteuid() == 0 else "Slurm's daemons need root here"


class Cluster:
    """Owns the daemons; `environment` is for the programs that talk to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("munge", "state", "spool"):
            (folder / name).mkdir(mode=0o700)
        folder.chmod(0o755)
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": os.environ["PATH"] + ":/usr/sbin",
        }
        host = socket.gethostname().partition(".")[0]
        text = CONF.format(host=host, folder=folder, **PORTS)
        (folder / "slurm.conf").write_text(text)
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge = ("key-file=munge/key", "socket=munge.sock", "pid-file=munged.pid")
        options = [f"--{o.replace('=', f'={folder}/', 1)}" for o in munge]
        logs = [f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge/seed"]
        self._call("munged", "--force", *options, *logs)
        self._call("slurmctld", "-c")
        self._call("slurmd", "-c")
        deadline = time.monotonic() + START_LIMIT_S
        while self.ask("sinfo", "-h", "-o", "%T") != "idle":
            if time.monotonic() > deadline:
                raise TimeoutError((folder / "slurmctld.log").read_text()[-2000:])
            time.sleep(0.2)

    def _call(self, *words: str) -> None:
        subprocess.run(words, env=self.environment, check=True, timeout=START_LIMIT_S)

    def ask(self, *words: str) -> str:
        """Return what a program says; an answer that does not come is none."""
        try:
            done = subprocess.run(
                words, env=self.environment, capture_output=True, text=True, timeout=10, check=False
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip()

    def wait_empty(self, limit_s: float, *of_job: str) -> None:
        """Wait until no job is left; of_job ("-j", number): only for that one."""
        deadline = time.monotonic() + limit_s
        while self.ask("squeue", "-h", *of_job):
            if time.monotonic() > deadline:
                raise TimeoutError(self.ask("squeue"))
            time.sleep(0.5)

    def close(self) -> None:
        """End all daemons of this folder."""
        self.ask("scancel", "--full", "-u", "root")
        for name in ("slurmd", "slurmctld", "munged"):
            try:
                pid = int((self.folder / f"{name}.pid").read_text())
                os.kill(pid, signal.SIGTERM)
                for _ in range(100):
                    os.kill(pid, 0)
                    time.sleep(0.1)
                os.kill(pid, signal.SIGKILL)
            except (OSError, ValueError):
                continue
