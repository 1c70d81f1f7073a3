"""Range checks that setups share: one line that names the field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from learning.errors import LearningError


def check_choices(setup: Any, **choices: Sequence[str]) -> None:
    """Refuse a name that is none of a field's choices."""
    for name, known in choices.items():
        value = getattr(setup, name)
        if value not in known:
            raise LearningError(name, " | ".join(known), repr(value), "choose one of these")


def check_numbers(
    setup: Any,
    positive: Sequence[str],
    not_negative: Sequence[str],
    may_be_infinite: Sequence[str] = (),
) -> None:
    """Refuse NaN, infinity (but in the fields named) and numbers out of range."""
    for name in (f.name for f in fields(setup)):
        value = getattr(setup, name)
        if not isinstance(value, int | float):
            continue
        if math.isnan(value) or (math.isinf(value) and name not in may_be_infinite):
            raise LearningError(name, "a finite number", str(value), "give a finite number")
    for name in positive:
        if getattr(setup, name) <= 0:
            raise LearningError(name, "> 0", str(getattr(setup, name)), "give a positive number")
    for name in not_negative:
        if getattr(setup, name) < 0:
            raise LearningError(name, ">= 0", str(getattr(setup, name)), "give 0 or more")
