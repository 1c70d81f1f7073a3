"""What the co-simulator takes from a Python file of the user's: a rule, a policy."""

from __future__ import annotations

from typing import TypeVar

from cosim.errors import ConfigError
from learning.errors import LearningError
from learning.own_file import load_from

T = TypeVar("T")


def load_own(path: str, name: str, kind: type[T], field: str, example: str) -> T:
    """Return what a file calls `name`; raise ConfigError, in one line, unless it is of this class.

    field: that names the file; example: where to look.
    """
    try:
        own = load_from(path, name, example)
    except LearningError as error:
        raise ConfigError(f"{field} {error}") from None
    if not isinstance(own, kind):
        raise ConfigError(
            f"{field} {path}: expected a {name} of class {kind.__module__}.{kind.__name__}, got"
            f" {type(own).__name__}; {example}"
        )
    return own
