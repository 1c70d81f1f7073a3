"""The manifest of a run folder: what made the run, how it ended, and the hash of every file.

Its last line is the SHA-256 of all before, so that not one bit of it changes unseen.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cosim.errors import OutputError
from cosim.files import content_hash, one_line, read_regular, replace_whole
from cosim.records.layout import MANIFEST

# A hash for each of a million files of a run.
LARGEST_BYTES = 200_000_000
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Host(_Part):
    """The machine of an attempt; gpu: which trained, empty where none did."""

    system: str
    processor: str
    torch_instructions: str
    arithmetic: str
    gpu: str = ""  # which runs from before there was a choice do not have


class Resumed(_Part):
    """Where and on what a run went on."""

    after_rounds: int = Field(ge=0)
    host: Host


# Wall seconds: of each side, which work at the same time; of learning's waiting for ns-3; of all.
TIMINGS = ("ns3_s", "learning_s", "waited_s", "total_s")


def _has_total(timings: dict[str, float]) -> dict[str, float]:
    if not timings.keys() >= set(TIMINGS):
        raise ValueError(f"expected {', '.join(TIMINGS)}")
    return timings


class Manifest(_Part):
    """All fields of manifest.json but its own hash.

    status: running also means killed. sealed: figures, report and log are in files_sha256 too, and
    nothing will be added. files_sha256: by path in the folder; of an unfinished run the files that
    were there at its start, the others stand in the checkpoint.
    """

    status: Literal["running", "failed", "interrupted", "complete"]
    reason: str
    rounds: int = Field(ge=0)
    resumed: list[Resumed]
    scenario: str
    network_kind: str
    network_fit: str = ""  # what a fitted network is worth; runs from before have none
    sync: str
    seed: int
    RngSeed: int
    RngRun: int
    own_files_sha256: dict[str, Sha256]
    data_sha256: Sha256
    config_sha256: Sha256
    code_version: str
    source_version: str
    versions: dict[str, str]
    host: Host
    timings: Annotated[dict[str, float], AfterValidator(_has_total)]
    not_drawn: dict[str, str] = {}
    sealed: bool = False
    files_sha256: dict[str, Sha256]


class OtherFormError(OutputError):
    """A manifest that is as it was written, by another version of the code."""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest in the place of an earlier one."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, allow_nan=False)
    replace_whole(folder / MANIFEST, _with_hash(text.removesuffix("\n}").encode()))


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest; raise OutputError, in one line, where it is missing or damaged."""
    path = folder / MANIFEST
    try:
        content = read_regular(path, LARGEST_BYTES)
        body = content[: -len(_with_hash(b""))]
        if content != _with_hash(body):
            raise OutputError(f"{path}: expected the manifest as it was written, got a changed one")
        fields = json.loads(content)
        del fields["manifest_sha256"]
        return Manifest.model_validate(fields)
    except OSError as error:
        raise OutputError(f"{path}: expected a manifest, got none ({error.strerror})") from None
    except ValidationError as error:
        version, odd = fields.get("code_version", "none named"), error.errors()[0]
        field = ".".join(map(str, odd["loc"]))
        raise OtherFormError(
            f"{path}: expected the manifest of this version of the code, got that of another"
            f" ({one_line(version)}; {one_line(field)}: {one_line(odd['msg'])}); use the code that"
            " made it, or run anew"
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise OutputError(f"{path}: expected a manifest, got: {one_line(error)}") from None


def _with_hash(body: bytes) -> bytes:
    """Close a JSON object that lacks its brace with its own hash as the last field."""
    return body + f',\n  "manifest_sha256": "{content_hash(body)}"\n}}\n'.encode()


def is_complete(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    try:
        return read_manifest(folder).status == "complete"
    except OutputError:
        return False


def rounded(timings: dict[str, float]) -> dict[str, float]:
    """Return wall times to the millisecond."""
    return {name: round(value, 3) for name, value in timings.items() if math.isfinite(value)}
