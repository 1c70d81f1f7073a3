"""Rules of the iteration optimizer: how much an iteration of each modality weighs.

The optimizer moves the modality with the least weight times iterations furthest, so a modality with
half the weight gets twice the iterations. A rule is one function and one sentence; a file of one's
own has a RULE (examples: cosim/examples/own_rule.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cosim.errors import ConfigError
from cosim.own_object import load_own
from learning.errors import LearningError
from learning.own_file import is_own, run_own
from ns3_scenarios.arrays import BoolArray, FloatArray

# A modality that takes nothing off the loss counts as this much of the one that takes most.
LEAST_CONTRIBUTION = 0.1
EXAMPLE = "see cosim/examples/own_rule.py"


@dataclass(frozen=True)
class Known:
    """What a plan knows of n devices with m modalities.

    speed (n, m): relative parameter change per iteration, >= 0; nan where unavailable.
    contribution (n, m): what a modality takes off the loss [nat], of any sign. available (n, m):
    who has what, and trains it in this round; alive (n,). rng: for rules that draw; those by name
    take n m numbers a call whoever is alive, a file of one's own has one anew each round.
    """

    speed: FloatArray
    contribution: FloatArray
    available: BoolArray
    alive: BoolArray
    rng: np.random.Generator

    @property
    def usable(self) -> BoolArray:
        """Modalities that living devices train, (n, m)."""
        return self.available & self.alive[:, np.newaxis]

    @property
    def positive_speed(self) -> FloatArray:
        """Speeds > 0 (n, m): 1 where unusable; one of 0 counts as 1e-9 of the device's fastest.

        The floor keeps weights positive, and a still modality slower than any that moves.
        """
        known = np.where(self.usable, self.speed, 0.0)
        fastest = known.max(axis=1, keepdims=True)
        return np.where(self.usable & (fastest > 0.0), np.maximum(known, 1e-9 * fastest), 1.0)


@dataclass(frozen=True)
class Rule:
    """One rule: weigh(known) gives weights w > 0 (n, m); text: one sentence for the help.

    first_speeds: whether it goes by the speeds of the first round, in place of the last.
    """

    weigh: Callable[[Known], FloatArray]
    text: str
    first_speeds: bool = False


def _contribution(known: Known) -> FloatArray:
    """U / c, with c the contribution over the device's largest, a tenth at least."""
    largest = np.where(known.usable, known.contribution, 0.0).max(axis=1, keepdims=True)
    share = known.contribution / np.where(largest > 0, largest, 1.0)
    share = np.where(known.usable & (largest > 0), share.clip(LEAST_CONTRIBUTION, 1.0), 1.0)
    return known.positive_speed / share


def _permuted(known: Known) -> FloatArray:
    u = known.positive_speed
    for device, have in enumerate(known.usable):
        u[device, have] = np.roll(u[device, have], 1)
    return u


def _random(known: Known) -> FloatArray:
    """Speeds of the device dealt anew among its modalities: balance's spread, without knowing."""
    u = known.positive_speed
    for device, order in enumerate(known.rng.random(u.shape).argsort(axis=1)):
        have = known.usable[device]
        u[device, have] = u[device, order[have[order]]]
    return u


RULES: dict[str, Rule] = {
    "balance": Rule(
        lambda known: known.positive_speed, "modalities that train fast get fewer iterations"
    ),
    "contribution": Rule(_contribution, "balance, but more for those that take more off the loss"),
    "uniform": Rule(lambda known: np.ones(known.speed.shape), "all alike"),
    "inverse": Rule(lambda known: 1.0 / known.positive_speed, "fast ones get more"),
    "static": Rule(lambda known: known.positive_speed, "balance by the first speeds", True),
    "permuted": Rule(
        _permuted, "balance by another modality's speed: with two modalities, inverse"
    ),
    "random": Rule(_random, "by speeds dealt anew each round"),
    "dropout": Rule(
        lambda known: 2.0 ** known.rng.uniform(-1.0, 1.0, known.speed.shape),
        "by numbers that know no speeds",
    ),
}


def find_rule(name: str) -> Rule:
    """Return a rule by its name, or from the file that `name` is the path of.

    Raises ConfigError for a file that has none, or whose weights are no numbers > 0 (n, m).
    """
    if not is_own(name):
        return RULES[name]
    own = load_own(name, "RULE", Rule, "iteration.rule", EXAMPLE)
    return Rule(lambda known: _checked(name, own, known), own.text, own.first_speeds)


def _checked(path: str, own: Rule, known: Known) -> FloatArray:
    def weigh(known: Known) -> FloatArray:
        return np.asarray(own.weigh(known), dtype=np.float64)

    try:
        weights = run_own(path, f"iteration.rule {path}, weigh", weigh, known)
    except LearningError as error:
        raise ConfigError(str(error)) from None
    shape = known.speed.shape
    if weights.shape != shape or not np.all(np.isfinite(weights) & (weights > 0)):
        raise ConfigError(
            f"iteration.rule {path}: expected weights (n, m) = {shape}, finite and above 0, got"
            f" shape {weights.shape}{'' if weights.shape != shape else ' with others'}; {EXAMPLE}"
        )
    return weights
