"""The names of the files in a run folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

TABLES = ("rounds", "devices", "links", "flows", "forwarding", "plans")
PARTITION = "partition.parquet"
CONFIG = "config.toml"
MANIFEST = "manifest.json"
CHECKPOINT = "checkpoint/learner.pt"
PARTS = "rounds.parts"
LOG = "log.txt"
NS3_LOG = "ns3.log"
FIGURES = "figures"
REPORT = "report.html"
# What figures are drawn as: for the report; for a paper too; not at all.
FOR_REPORT, FOR_PAPER, NO_FIGURES = ("png",), ("png", "pdf"), ()
# What ns-3 writes on request or by itself (native/recordings.h).
RECORDINGS = ("ns3_attributes.txt", "flow_monitor.xml", "netanim.xml", "pcap")
JOINED = tuple(f"{name}.parquet" for name in TABLES)
# What a run writes beside the copies of the user's files.
OUTPUTS = (*JOINED, PARTITION, CONFIG, MANIFEST, PARTS, LOG, NS3_LOG, FIGURES, REPORT, *RECORDINGS)
# Under these a file is written before it takes its name.
HALVES = {
    str(Path(name).with_suffix(".new"))
    for name in (*JOINED, PARTITION, MANIFEST, CHECKPOINT, REPORT)
}
_PART = re.compile(rf"{PARTS}/(?:{'|'.join(TABLES)})-(\d{{6}})\.(?:parquet|new)")


def part_names(round_index: int) -> dict[str, str]:
    """Return the files of a finished round by table."""
    return {table: f"{PARTS}/{table}-{round_index:06d}.parquet" for table in TABLES}


def round_of(name: str) -> int | None:
    """Return the round of a file in rounds.parts, None for any other."""
    found = _PART.fullmatch(name)
    return int(found[1]) if found else None


def names_in(folder: Path) -> list[str]:
    """Return the paths in the folder of all but folders, sorted; links are not followed.

    Raises OSError where it cannot be looked into.
    """

    def stop(error: OSError) -> None:
        raise error

    found = []
    for above, folders, files in os.walk(folder, onerror=stop):
        links = [name for name in folders if os.path.islink(os.path.join(above, name))]
        found += [os.path.relpath(os.path.join(above, name), folder) for name in (*files, *links)]
    return sorted(found)


def may_change(name: str, status: str, rounds: int) -> bool:
    """Tell whether a file of an unsealed folder may be there without a hash.

    status: of its manifest. A complete folder lacks those of the log and of what is drawn; in one
    under way files of the round after the finished ones, and what ns-3 writes, have none yet.
    """
    top = name.split("/", maxsplit=1)[0]
    if status == "complete":
        return top in (LOG, FIGURES, REPORT, PARTS) or name in HALVES
    written_anew = (LOG, NS3_LOG, *RECORDINGS, *JOINED, PARTITION)
    return top in written_anew or name in HALVES or round_of(name) == rounds
