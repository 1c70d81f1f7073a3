"""Python files of the user: a method, an encoder, data."""

from __future__ import annotations

import runpy
import traceback
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from learning.errors import LearningError

P = ParamSpec("P")
T = TypeVar("T")


def is_own(name: str) -> bool:
    """Tell whether a name is the path of a Python file."""
    return name.endswith(".py")


def known_or_file(field: str, name: str, known: tuple[str, ...], suffixes: tuple[str, ...]) -> str:
    """Return a known name as it is, a file of the user's as its absolute path.

    Raises ValueError for anything else.
    """
    if name in known:
        return name
    if not name.endswith(suffixes) or not Path(name).is_file():
        raise ValueError(
            f"{field}: expected {' | '.join(known)} or a file *{' or *'.join(suffixes)},"
            f" got {name}; choose one of these or correct the path"
        )
    return str(Path(name).resolve())


def load_from(path: str, name: str, remedy: str) -> Any:
    """Return what a file calls `name`; it is run at the first call of a run, or when it changed.

    Raises LearningError for a missing file, one that raises (with its own line), or no such name.
    """
    if not Path(path).is_file():
        raise LearningError(path, "a Python file", "nothing there", "correct the path")
    module = _executed(path, sha256(Path(path).read_bytes()).hexdigest())
    if name not in module:
        found = ", ".join(key for key in module if not key.startswith("_")) or "nothing"
        raise LearningError(path, f"a definition of {name}", found, remedy)
    return module[name]


@cache
def _executed(path: str, digest: str) -> dict[str, Any]:
    try:
        return runpy.run_path(path)
    except (Exception, SystemExit) as error:
        raise LearningError(path, "a file that runs", own_line(path, error), "mend it") from error


def begin_run() -> None:
    """Forget the files of an earlier run: each run executes each once, with a state of its own."""
    _executed.cache_clear()


def run_own(path: str, what: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of the user's file; an error in it is shown with the file's own line."""
    try:
        return function(*args, **kwargs)
    except LearningError:
        raise
    except (Exception, SystemExit) as error:
        raise LearningError(
            what, "a function that runs", own_line(path, error), "mend it"
        ) from error


def own_line(path: str, error: BaseException) -> str:
    """Say where in the user's file an error arose, and what it was."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).name == Path(path).name]
    line = own[-1].lineno if own else getattr(error, "lineno", None)
    where = f"line {line}: " if line else ""
    return f"{where}{type(error).__name__}: {error}"
