"""Writes columns.md and fields.md, which the code knows: python docs/make.py [FOLDER]."""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from cosim.config.inert import conditions, fields
from cosim.config.model import RunConfig
from cosim.config.section import plain_text
from cosim.records.columns import columns_page


def fields_page() -> str:
    """Every field of the configuration, by section, with what it matters beside."""
    text = [
        "# Fields of the configuration",
        "",
        "Each is a flag (`--section.field VALUE`), a key of the TOML file (`[section]`), and a name"
        " for `cosim.configure`. Presets in `cosim/config/presets/` set some otherwise. *Beside*:"
        " the field has an effect only with these; a run that gives it elsewhere is warned.",
        "",
        f"`--scenario`: {RunConfig.model_fields['scenario'].description}."
        f" `--seed`: {plain_text(RunConfig.model_fields['seed'])}.",
    ]
    section = ""
    for name, field, info in fields():
        if name != section:
            section = name
            text += ["", f"## {name}", "", "| field | default | unit | range | what | beside |"]
            text += ["|---|---|---|---|---|---|"]
        cells = (f"`{field}`", *default_unit_range(info), plain_text(info), beside(info))
        text.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(text) + "\n"


def default_unit_range(info: FieldInfo) -> tuple[str, str, str]:
    extra: Any = info.json_schema_extra or {}
    bounds = [each for each in info.metadata if isinstance(each, Ge | Le)]
    limits = " to ".join(str(each.ge if isinstance(each, Ge) else each.le) for each in bounds)
    default = "none" if info.default is None else str(info.default)
    return default, str(extra.get("unit", "")), limits


def beside(info: FieldInfo) -> str:
    said = []
    for other, wanted in conditions(info).items():
        values = [wanted] if isinstance(wanted, str) else [str(each) for each in wanted]
        said.append(f"`{other}` {' or '.join(values)}")
    return "; ".join(said)


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs"
    for name, page in (("columns", columns_page()), ("fields", fields_page())):
        (folder / f"{name}.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
