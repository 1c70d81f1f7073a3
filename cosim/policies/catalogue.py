"""The policies by name, and those of a file."""

from __future__ import annotations

from dataclasses import replace

from cosim.errors import ConfigError
from cosim.own_object import load_own
from cosim.policies import codec, neighbours, power
from cosim.policies.policy import Decision, Policy

EXAMPLE = "see cosim/examples/own_policy.py"
DEFAULT = "default"

POLICIES: dict[str, Policy] = {
    DEFAULT: Policy(lambda view: Decision(), "everything to everybody, at the usual power"),
    "cost_aware_neighbours": neighbours.COST_AWARE,
    "random_neighbours": neighbours.RANDOM,
    "round_robin": neighbours.ROUND_ROBIN,
    "one_at_random": neighbours.ONE_AT_RANDOM,
    "power_control": power.POWER_CONTROL,
    "random_power": power.RANDOM,
    "codec_by_cost": codec.BY_COST,
    "random_codec": codec.RANDOM,
}


def find_policy(name: str, options: dict[str, float]) -> Policy:
    """Return a policy by its name, or from the file that `name` is the path of.

    Its options are its own defaults but for those given. Raises ConfigError for a file without a
    policy, and for options that it has not.
    """
    policy = POLICIES.get(name) or load_own(name, "POLICY", Policy, "policy", EXAMPLE)
    unknown = sorted(options.keys() - policy.options.keys())
    if unknown:
        known = ", ".join(policy.options) or "none"
        raise ConfigError(
            f"policy_options: expected options of policy {name} ({known}), got {unknown[0]}"
        )
    for option, (low, high) in policy.limits.items():
        value = (policy.options | options)[option]
        if not low <= value <= high:
            raise ConfigError(
                f"policy_options: expected {option} from {low:g} to {high:g}, got {value:g}"
            )
    return replace(policy, options=policy.options | options) if options else policy
