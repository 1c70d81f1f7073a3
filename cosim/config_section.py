"""What every part of the configuration is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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


class Section(BaseModel):
    """A part of the configuration: unknown keys refused, immutable, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
