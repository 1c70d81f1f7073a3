"""The methods by name, and a method of the user's own by path."""

from __future__ import annotations

from collections.abc import Mapping

from learning.errors import LearningError
from learning.methods import (
    centralised,
    dmml,
    dmml_kd,
    dmml_strong,
    fedavg_star,
    fedgen,
    fedgen_strong,
    fedopt_star,
    fedproto,
    fedprox,
    local,
    ogm_ge,
    pmr,
    qg_momentum,
    single_modality,
)
from learning.methods.checked import checked
from learning.methods.interface import Method
from learning.own_file import is_own, load_from

METHODS: dict[str, Method] = {
    module.__name__.rsplit(".", maxsplit=1)[1]: module.METHOD
    for module in (
        dmml_kd,
        fedgen_strong,
        fedgen,
        dmml_strong,
        dmml,
        fedprox,
        qg_momentum,
        ogm_ge,
        pmr,
        fedproto,
        single_modality,
        fedavg_star,
        fedopt_star,
        local,
        centralised,
    )
}


def find_method(name: str) -> Method:
    """Return a method by its name, or from the file that `name` is the path of.

    Raises LearningError for an unknown name, or a file without a METHOD of class Method.
    """
    if is_own(name):
        own = load_from(name, "METHOD", "see learning/methods/examples/own_method.py")
        if not isinstance(own, Method):
            expected = "a learning.methods.interface.Method"
            got = type(own).__name__
            remedy = "see learning/methods/examples/own_method.py"
            raise LearningError(f"{name}, METHOD", expected, got, remedy)
        return checked(own, name)
    if name not in METHODS:
        known = f"{' | '.join(METHODS)}, or a Python file"
        raise LearningError("method", known, repr(name), "choose one of these")
    return METHODS[name]


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
