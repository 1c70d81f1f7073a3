"""Names of the user's go through tables, figures and report as they are."""

import html
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.cli import main
from cosim.report import figure_files

CLASSES = ("$_$", "5$ to 10$", "<b>&", "走る", r"\frac{1}", "long " * 39 + "name")
MODALITIES = ("HR_2", "m" * 64)


@pytest.mark.filterwarnings("ignore:Glyph .* missing:UserWarning")
def test_names_of_classes_are_text_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_names = [each for each in figure_files.FIGURES if each.name in ("partition", "iterations")]
    monkeypatch.setattr(figure_files, "FIGURES", with_names)
    each = 12
    label = np.repeat(np.arange(len(CLASSES)), each)
    split = np.tile(np.repeat([0, 2], [each - 2, 2]), len(CLASSES))
    rng = np.random.default_rng(1)
    values = {m: rng.normal(label[:, None], 0.1, (len(label), 4)) for m in MODALITIES}
    names = np.array(CLASSES)
    np.savez(
        tmp_path / "own.npz",
        label=names[label],
        class_names=names,
        subject=split,
        split=split,
        **values,
    )
    out = tmp_path / "run"
    settings = {
        "network.kind": "ideal",
        "network.num_devices": 3,
        "learning.rounds": 1,
        "learning.partition": "iid",
        "learning.modality_pattern": "thirds",
        "learning.dataset": tmp_path / "own.npz",
        "iteration.max_iterations": 1,
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    assert main([*flags, "--output", str(out)]) == 0

    partition = pd.read_parquet(out / "partition.parquet")
    assert set(partition["class"]) == set(CLASSES)
    devices = pd.read_parquet(out / "devices.parquet")
    assert f"accuracy_{'+'.join(MODALITIES)}" in devices
    assert (out / "figures" / "partition.png").stat().st_size > 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<b>&<" not in page
    assert html.escape(f"Iterations {MODALITIES[1]}") in page
