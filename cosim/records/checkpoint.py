"""What a run goes on from: finished rounds, the learner's state, and the hashes of their tables.

One file, replaced whole once a round: what torch.save writes, then a line `sha256 <hex>` of it.
torch.load reads it as it is. Without the right last line nothing of it is read.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cosim.errors import OutputError
from cosim.files import content_hash, replace_whole
from cosim.records.layout import CHECKPOINT


@dataclass(frozen=True)
class Checkpoint:
    """State after so many finished rounds.

    files: the hash of each file of theirs, by its path; memory: what devices keep for their policy.
    """

    rounds: int
    timings: dict[str, float]
    files: dict[str, str]
    learner: dict[str, torch.Tensor]
    memory: list[dict[str, Any]]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint of a run folder; OSError where that does not work."""
    buffer = io.BytesIO()  # torch makes of a full disk what is no OSError
    torch.save(vars(checkpoint), buffer)
    content = buffer.getvalue()
    replace_whole(folder / CHECKPOINT, content + _last_line(content))


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read a checkpoint, None where there is none; raise OutputError where it has changed."""
    path = folder / CHECKPOINT
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    content = stored[: -len(_last_line(b""))]
    if stored != content + _last_line(content):
        raise OutputError(f"{path}: expected the checkpoint as it was written, got a changed one")
    return Checkpoint(**torch.load(io.BytesIO(content), weights_only=True))


def _last_line(content: bytes) -> bytes:
    return f"\nsha256 {content_hash(content)}\n".encode()
