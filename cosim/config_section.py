"""What every part of the configuration is made of."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError


def quantity(default: Any, text: str, unit: str = "", low: Any = None, high: Any = None) -> Any:
    """Return a field whose help text says unit and range, which are also checked."""
    if low is not None and high is not None:
        limits = f", {low} to {high}"
    elif low is not None:
        limits = f", at least {low}"
    else:
        limits = ""
    bracket = f" [{unit}]" if unit else ""
    return Field(default=default, ge=low, le=high, description=f"{text}{bracket}{limits}")


def _whole_path(name: str) -> str:
    if not name.isprintable():
        raise PydanticCustomError("path", "a path of printable characters")
    if not os.path.exists(name):  # who reads it reports it as given
        return name
    if not (os.path.isfile(name) or os.path.isdir(name)):
        raise PydanticCustomError("path", "a plain file or a folder, no pipe and no device")
    # Stored as it can be found again from any folder.
    return str(Path(name).resolve())


StoredPath = Annotated[str, AfterValidator(_whole_path)]


class Section(BaseModel):
    """A part of the configuration: unknown keys refused, immutable, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _zero_has_no_sign(cls, value: Any) -> Any:
        return value + 0.0 if isinstance(value, float) else value
