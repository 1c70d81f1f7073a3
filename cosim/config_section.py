"""What every part of the configuration is made of."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


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
    # Stored as it can be found again from any folder; who reads it reports a missing one as given.
    return str(Path(name).resolve()) if os.path.exists(name) else name


StoredPath = Annotated[str, AfterValidator(_whole_path)]


class Section(BaseModel):
    """A part of the configuration: unknown keys refused, immutable, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
