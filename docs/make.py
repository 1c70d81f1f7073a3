"""Writes columns.md and fields.md, which the code knows: python docs/make.py [FOLDER]."""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pydantic.fields import FieldInfo

from cosim.config.inert import conditions
from cosim.config.model import RunConfig
from cosim.config.section import bounds, plain_text, said_of
from cosim.config.sources import sections
from cosim.records import columns
from cosim.studies import columns as studies


def columns_page() -> str:
    """Every table as a table, below what the columns' module says."""
    text = ["# Columns of the tables", "", (columns.__doc__ or "").partition("\n\n")[2].strip()]
    for name, said in columns.COLUMNS.items():
        rows = [(f"`{each.name}`", each.unit, each.meaning, each.doing) for each in said]
        text += section(f"{name}.parquet", ("column", "unit", "meaning", "whose"), rows)
    found = [(f"`{each.name}`", each.unit, each.meaning) for each in studies.COLUMNS]
    text += section(
        "runs.csv of a study, behind what was swept", ("column", "unit", "meaning"), found
    )
    return "\n".join(text) + "\n"


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
    head = ("field", "default", "unit", "range", "what", "beside")
    for name, kind in sections().items():
        rows = [(f"`{field}`", *cells(info)) for field, info in kind.model_fields.items()]
        text += section(name, head, rows)
    return "\n".join(text) + "\n"


def section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = (head, ["---"] * len(head), *rows)
    table = (f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    return ["", f"## {title}", "", *table]


def cells(info: FieldInfo) -> tuple[str, ...]:
    default = "none" if info.default is None else str(info.default)
    unit, limits = str(said_of(info, "unit") or ""), " to ".join(map(str, bounds(info)))
    return default, unit, limits, plain_text(info), beside(info)


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
