"""Commands and links in README and docs: what they name is there, what they give is understood."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from cosim import cli
from cosim.program import VERBS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPT = "python cosim/run.py"


def lines_of_shell() -> list[str]:
    blocks = [
        b for page in PAGES for b in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line]


def test_every_command_for_the_script_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("cosim", "learning", "ns3_scenarios", "tests"):
        (tmp_path / package).symlink_to(ROOT / package)
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    understood = []
    for line in lines_of_shell():
        words = shlex.split(line)
        if words[0] == "cp":
            shutil.copy(words[1], words[2])
        if not line.startswith(SCRIPT):
            continue
        words = words[2:]
        into = Path(words[-1]) if ">" in words else None
        words = words[: words.index(">")] if into else words
        if words and words[0] in VERBS:
            with pytest.raises(SystemExit) as ended:
                cli.main([words[0], "--help"])
            assert ended.value.code == 0
        elif "--help" not in words:
            capsys.readouterr()
            code = cli.main([*words, "--print-config"])
            said = capsys.readouterr()
            assert code == 0, (line, said.err)
            if into:
                into.write_text(said.out)
        understood.append(line)
    assert len(understood) > 12


def test_every_link_to_a_file_leads_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)
