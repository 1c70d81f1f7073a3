"""CONTRIBUTING shows the tree as it is, and names files that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGES = ("cosim", "learning", "ns3_scenarios")


def test_the_map_has_every_room_and_no_other() -> None:
    blocks = re.findall(r"```\n(.*?)```", TEXT, re.DOTALL)
    (drawn,) = (block for block in blocks if block.startswith("cosim/  "))
    named = {line.split()[0] for line in drawn.splitlines()}
    assert all((ROOT / name).is_dir() for name in named), named
    rooms = {
        f"{path.relative_to(ROOT).as_posix()}/"
        for package in PACKAGES
        for path in (ROOT / package, *(ROOT / package).rglob("*"))
        if path.is_dir() and not {"__pycache__", "built"} & set(path.parts)
    }
    assert rooms == {name for name in named if name.startswith(PACKAGES)}


def test_every_path_that_is_named_is_there() -> None:
    named = re.findall(r"(?:cosim|learning|ns3_scenarios|tests)/[\w/.]*\w", TEXT)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists() and "built" not in name] == []
