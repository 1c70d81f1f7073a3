"""The methods by name, and a method of the user's own by path."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from learning.errors import LearningError
from learning.method import Method
from learning.methods.checked import checked
from learning.methods.names import METHOD_NAMES
from learning.own_file import is_own, load_from
from learning.topology import TOPOLOGIES, Topology


def find_method(name: str) -> Method:
    """Return a method by its name, or from the file that `name` is the path of.

    Raises LearningError for an unknown name, or a file without a METHOD of class Method.
    """
    if is_own(name):
        own = load_from(name, "METHOD", "see learning/examples/own_method.py")
        if not isinstance(own, Method):
            expected = "a learning.method.Method"
            got = type(own).__name__
            remedy = "see learning/examples/own_method.py"
            raise LearningError(f"{name}, METHOD", expected, got, remedy)
        return checked(own, name)
    if name not in METHOD_NAMES:
        known = f"{' | '.join(METHOD_NAMES)}, or a Python file"
        raise LearningError("method", known, repr(name), "choose one of these")
    method: Method = import_module(f"learning.methods.{name}").METHOD
    return method


def topology_of(name: str) -> Topology:
    """Return how the devices of a method are together."""
    return TOPOLOGIES[find_method(name).topology]


def resolve_options(name: str, method: Method, given: Mapping[str, float]) -> dict[str, float]:
    """Put the options given over the method's defaults.

    Raises LearningError for an option that the method does not have.
    """
    for option in given:
        if option not in method.options:
            raise LearningError(
                f"method_options of {name}",
                " | ".join(method.options) or "none",
                repr(option),
                "remove it or choose one of these",
            )
    return {**method.options, **given}
