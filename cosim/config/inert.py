"""Fields that were given other values and change nothing beside the rest of the configuration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from cosim.config.model import RunConfig
from cosim.config.section import said_of
from cosim.config.sources import preset_values, sections
from ns3_scenarios.own_scenario import is_own


def inert(config: RunConfig) -> list[str]:
    """Name each field whose value is neither the preset's nor the default, and has no effect.

    A field says itself beside what it matters (`when` of `quantity`). Of files of the user's own,
    whose workings are not known, every field is taken to matter.
    """
    return [
        f"{section}.{name} {value} has no effect with {path} {found}"
        for section, name, value, path, found in _inert(config)
    ]


def without_effect(config: RunConfig) -> RunConfig:
    """Return an equal run: fields without an effect have the preset's value, or the default."""
    usual = preset_values(config.scenario)
    changes: dict[str, dict[str, Any]] = defaultdict(dict)
    for section, name, *_ in _inert(config):
        default = type(getattr(config, section)).model_fields[name].default
        changes[section][name] = usual.get(section, {}).get(name, default)
    update = {
        section: getattr(config, section).model_copy(update=values)
        for section, values in changes.items()
    }
    return config.model_copy(update=update)


def _inert(config: RunConfig) -> Iterator[tuple[str, str, Any, str, Any]]:
    """Yield section, name, value of each such field; the field that takes its effect, its value."""
    usual = preset_values(config.scenario)
    for section_name, name, field in fields():
        if section_name == "network" and is_own(config.scenario):
            continue
        value = getattr(getattr(config, section_name), name)
        if value in (field.default, usual.get(section_name, {}).get(name)):
            continue
        for other, wanted in conditions(field).items():
            path = other if "." in other or other == "scenario" else f"{section_name}.{other}"
            found = _value(config, path)
            if not _holds(found, wanted):
                yield section_name, name, value, path, found
                break


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield each field in a section: the section's name, its own, and what it is."""
    for section_name, kind in sections().items():
        yield from ((section_name, name, each) for name, each in kind.model_fields.items())


def conditions(field: FieldInfo) -> dict[str, Any]:
    """Return the fields that one depends on, each with the values beside which it matters."""
    return dict(said_of(field, "when") or {})


def _value(config: RunConfig, path: str) -> Any:
    found: Any = config
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _holds(found: Any, wanted: Any) -> bool:
    """Tell whether a value is one of those wanted: a list, "positive", "none" or "not NAME"."""
    if isinstance(found, str) and found.endswith(".py"):
        return True
    if isinstance(wanted, list):
        return found in wanted
    if wanted == "positive":
        return bool(found > 0)
    if wanted == "none":
        return found is None
    return bool(found != wanted.removeprefix("not "))
