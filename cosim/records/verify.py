"""Every file of a run folder against its hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cosim.errors import OutputError
from cosim.files import file_hash, is_regular
from cosim.program import PROGRAM
from cosim.records.checkpoint import read_checkpoint
from cosim.records.layout import CHECKPOINT, MANIFEST, may_change, names_in
from cosim.records.manifest import Manifest, OtherFormError, read_manifest

# What a file can be, and whether that is well.
OK, UNHASHED = "ok", "no hash yet"
DIFFERS, MISSING, EXTRA, UNKNOWN = "DIFFERS", "MISSING", "EXTRA", "UNKNOWN"
OTHER_FORM = "OTHER FORM"
WELL = (OK, UNHASHED)
HARMS = (DIFFERS, MISSING, UNKNOWN, OTHER_FORM)


@dataclass(frozen=True)
class Finding:
    """What was found of one file; its name is the path in the folder."""

    name: str
    state: str


def examine(folder: Path) -> list[Finding]:
    """Hold every file of a run folder against its hash; the manifest comes first."""
    try:
        said = read_manifest(folder)
    except OutputError as error:
        state = DIFFERS if (folder / MANIFEST).exists() else MISSING
        state = OTHER_FORM if isinstance(error, OtherFormError) else state
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
    if wrong and wrong[0].state == OTHER_FORM:
        read_manifest(folder)  # which says so
    if wrong:
        first, more = wrong[0], f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise OutputError(
            f"resume: expected the whole files of {what} in {folder}, got {first.name} that"
            f" {first.state}{more}; put back what was damaged (`{PROGRAM} verify {folder}`"
            " lists it), or start anew with --output DIR"
        )
