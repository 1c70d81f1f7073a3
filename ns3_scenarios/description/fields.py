"""What the fields of a description are made of: default, text, unit and range, said once."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Fields that a user decides, refused with ValidationError, a ValueError; immutable."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


def choice(default: Any, text: str, when: Any = None) -> Any:
    """Return a field without a range; when: as of `quantity`."""
    return Field(default, description=text, json_schema_extra={"when": when} if when else None)


def quantity(
    default: Any,
    text: str,
    unit: str = "",
    low: Any = None,
    high: Any = None,
    when: Any = None,
) -> Any:
    """Return a field of a number with its unit and range.

    when: other fields and the values beside which this one has an effect at all.
    """
    extra = {"unit": unit} | ({"when": when} if when else {})
    return Field(default, ge=low, le=high, description=text, json_schema_extra=extra)
