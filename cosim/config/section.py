"""What every part of the configuration is made of."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

S = TypeVar("S", bound=BaseModel)


def said_of(field: FieldInfo, what: str) -> Any:
    """Return what a field says of itself besides its text: its unit, or when it matters."""
    extra: Any = field.json_schema_extra
    return extra.get(what) if isinstance(extra, dict) else None


def bounds(field: FieldInfo) -> list[Any]:
    """Return the least and the largest value of a field, nothing for one that is no number."""
    limits = (each for each in field.metadata if isinstance(each, Ge | Le))
    return [each.ge if isinstance(each, Ge) else each.le for each in limits]


def described(section: type[S]) -> type[S]:
    """Let the help text of each field end with its unit and range; for a section that is whole."""
    for field in section.model_fields.values():
        unit, limits = said_of(field, "unit"), " to ".join(map(str, bounds(field)))
        ends = (f" [{unit}]" if unit else "", f", {limits}" if limits else "")
        field.title = field.description
        field.description = f"{field.description}{''.join(ends)}"
    return section


def only_with(
    conditions: Mapping[str, Any], but: Collection[str] = ()
) -> Callable[[type[S]], type[S]]:
    """Let all fields of a section but some have an effect only beside these, and what they say."""

    def conditioned(section: type[S]) -> type[S]:
        for name in section.model_fields.keys() - set(but):
            field = section.model_fields[name]
            extra: Any = field.json_schema_extra or {}
            field.json_schema_extra = {**extra, "when": {**conditions, **extra.get("when", {})}}
        return section

    return conditioned


def listed(choices: Mapping[str, str]) -> str:
    """Say in a help text what each choice means."""
    return "; ".join(f"{name}: {text}" for name, text in choices.items())


def plain_text(field: FieldInfo) -> str:
    """Return what a field of a whole section means, without its unit and range."""
    return str(field.title)


def whole_path(name: str | None) -> str | None:
    """Store a path as it can be found again from any folder; refuse pipes and devices."""
    if name is None:
        return None
    if not name.isprintable():
        raise PydanticCustomError("path", "a path of printable characters")
    if not os.path.exists(name):  # who reads it reports it as given
        return name
    if not (os.path.isfile(name) or os.path.isdir(name)):
        raise PydanticCustomError("path", "a plain file or a folder, no pipe and no device")
    return str(Path(name).resolve())


StoredPath = Annotated[str, AfterValidator(whole_path)]


class Section(BaseModel):
    """A part of the configuration: unknown keys refused, immutable, finite numbers, one zero."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _one_zero(cls, value: Any) -> Any:
        # -0.0 passes every lower limit of 0, and then is a negative number to some.
        return 0.0 if isinstance(value, float) and value == 0 else value


def part(section: BaseModel, kind: type[BaseModel]) -> dict[str, Any]:
    """Return those fields of a section that another model declares, by name."""
    return {name: getattr(section, name) for name in kind.model_fields}
