"""The command `verify DIR`: every file of a run folder against its hash."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cosim import place
from cosim.checkpoint import read_checkpoint
from cosim.errors import OutputError
from cosim.files import file_hash, is_regular, one_line
from cosim.layout import CHECKPOINT, CONFIG, MANIFEST, may_change, names_in
from cosim.manifest import Manifest, read_manifest

# What a file can be, and whether that is well.
OK, UNHASHED = "ok", "no hash yet"
DIFFERS, MISSING, EXTRA, UNKNOWN = "DIFFERS", "MISSING", "EXTRA", "UNKNOWN"
WELL = (OK, UNHASHED)
HARMS = (DIFFERS, MISSING, UNKNOWN)


@dataclass(frozen=True)
class Finding:
    """What was found of one file; its name is the path in the folder."""

    name: str
    state: str


def main(arguments: Sequence[str]) -> int:
    """Print a line a file; return 0 if all are as they were written, 1 if not."""
    parser = argparse.ArgumentParser(
        prog=f"{place.PROGRAM} verify",
        description="Hold every file of a run folder, finished or not, against the SHA-256 in its"
        " manifest or checkpoint. ok: as it was written; no hash yet: a file that a run cut short"
        " was still writing, and that none goes on from; DIFFERS, MISSING, EXTRA: not as the run"
        " left it; UNKNOWN: the file with its hash is damaged. Exit code 1 if any of the latter.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the run")
    folder = _folder(parser.parse_args(arguments).folder)
    findings = examine(folder)
    for finding in findings:
        print(f"{finding.state:<11} {one_line(finding.name)}")
    wrong = sum(finding.state not in WELL for finding in findings)
    print(f"{one_line(folder)}: {len(findings) - wrong} of {len(findings)} files as written")
    return 1 if wrong else 0


def _folder(given: Path) -> Path:
    """Find the run: finished, or cut short."""
    final = place.without_partial(given)
    for folder in (final, place.partial_of(final)):
        if (folder / MANIFEST).exists():
            if place.is_held(folder):
                raise OutputError(f"verify: {place.under_way(folder)}")
            return folder
    whole = place.whole_path(given)
    for folder in (whole, place.partial_of(final)):
        if any((folder / name).exists() for name in (CONFIG, CHECKPOINT)):  # it lost its manifest
            return folder
    raise OutputError(f"verify: expected the folder of a run, got none at {final}; check the path")


def examine(folder: Path) -> list[Finding]:
    """Hold every file of a run folder against its hash; the manifest comes first."""
    try:
        said = read_manifest(folder)
    except OutputError:
        state = DIFFERS if (folder / MANIFEST).exists() else MISSING
        others = [name for name in names_in(folder) if name != MANIFEST]
        return [Finding(MANIFEST, state), *(Finding(name, UNKNOWN) for name in others)]
    findings = [Finding(MANIFEST, OK)]
    hashes, rounds, unknown = dict(said.files_sha256), said.rounds, EXTRA
    if said.status != "complete":
        of_checkpoint, hashed, rounds = _checkpoint(folder, said)
        findings += of_checkpoint
        hashes |= hashed
        if any(finding.state not in WELL for finding in of_checkpoint):
            unknown = UNKNOWN
    there = names_in(folder)
    for name in sorted({*there, *hashes}):
        if name in hashes:
            findings.append(Finding(name, _compare(folder / name, hashes[name])))
        elif name in (MANIFEST, CHECKPOINT):
            continue
        elif (
            not said.sealed and may_change(name, said.status, rounds) and is_regular(folder / name)
        ):
            findings.append(Finding(name, UNHASHED))
        else:
            findings.append(Finding(name, unknown))
    return findings


def _checkpoint(folder: Path, said: Manifest) -> tuple[list[Finding], dict[str, str], int]:
    """Return what is to be said of the checkpoint, its hashes, and its number of rounds."""
    try:
        stored = read_checkpoint(folder)
    except (OutputError, OSError):
        return [Finding(CHECKPOINT, DIFFERS)], {}, said.rounds
    if stored is None:
        return [Finding(CHECKPOINT, MISSING)] if said.rounds else [], {}, said.rounds
    # An older one than the run has left.
    state = DIFFERS if stored.rounds < said.rounds else OK
    return [Finding(CHECKPOINT, state)], stored.files, stored.rounds


def _compare(path: Path, expected: str) -> str:
    try:
        return OK if is_regular(path) and file_hash(path) == expected else DIFFERS
    except FileNotFoundError:
        return MISSING
    except OSError:
        return DIFFERS


def refuse_changed(folder: Path, what: str) -> None:
    """Raise OutputError where a file that results depend on is not as it was written."""
    wrong = [finding for finding in examine(folder) if finding.state in HARMS]
    if wrong:
        first, more = wrong[0], f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise OutputError(
            f"resume: expected the whole files of {what} in {folder}, got {first.name} that"
            f" {first.state}{more}; put back what was damaged (`{place.PROGRAM} verify {folder}`"
            " lists it), or start anew with --output DIR"
        )
