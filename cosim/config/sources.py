"""Where a configuration comes from: preset < --config file < flags, every field checked.

Unknown keys are refused with the nearest known one.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import tomli_w
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from cosim.config.model import RunConfig
from cosim.config.section import Section
from cosim.errors import ConfigError
from cosim.failures import EXIT_CODES
from cosim.files import read_regular
from cosim.program import PROGRAM, USAGE, VERBS
from ns3_scenarios.own_scenario import is_own

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST_BYTES = 10_000_000
PRESETS = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """Return the names that --scenario takes."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def preset_path(scenario: str) -> Path | None:
    """Return the preset of a scenario, None for a file; raise ConfigError with the nearest name."""
    names = preset_names()
    if is_own(scenario):
        if not Path(scenario).is_file():
            raise ConfigError(f"scenario: expected a Python file, got {scenario}, which is none")
        return None
    if scenario not in names:
        raise ConfigError(
            f"scenario: expected one of {', '.join(names)} or a Python file, got {scenario!r}"
            f"{did_you_mean(scenario, names)}"
        )
    return PRESETS / f"{scenario}.toml"


def preset_values(scenario: str) -> dict[str, Any]:
    """Return what the preset of a scenario sets, nothing for a file."""
    path = preset_path(scenario)
    return read_toml(path) if path else {}


def load(
    flags: list[str],
    config_file: Path | None,
    scenario: str | None,
    also_in_help: argparse.ArgumentParser | None = None,
) -> RunConfig:
    """Merge preset, file and dotted flags key by key; raise ConfigError on the first trouble.

    flags: command-line arguments of the form --section.field VALUE (and --scenario, --seed).
    also_in_help: options that the caller has taken out of the flags, for --help.
    The scenario names the preset: the flag's, else the file's, else mesh80211.
    """
    from_file = read_toml(config_file) if config_file else {}
    origin = str(config_file) if config_file else "flags"
    parser = _Parser(
        prog=PROGRAM,
        usage=USAGE,
        description="\n".join(
            [
                f"{RunConfig.__doc__}\n\nverbs, instead of a new run; each has its own --help:",
                *(f"  {verb:<10} {text}" for verb, text in VERBS.items()),
            ]
        ),
        epilog="\n".join(
            ["exit codes:", *(f"  {code:<10} {text}" for code, text in EXIT_CODES.items())]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[also_in_help] if also_in_help else [],
        conflict_handler="resolve",
    )

    def parsed(settings_cls: type[BaseSettings]) -> PydanticBaseSettingsSource:
        source: Any = CliSettingsSource(settings_cls, cli_parse_args=flags, root_parser=parser)
        return cast(PydanticBaseSettingsSource, source)

    return _merge(scenario, from_file, origin, [parsed])


def configure(
    base: str | Path | RunConfig = "mesh80211", changes: Mapping[str, Any] | None = None
) -> RunConfig:
    """Return a configuration: a scenario, a TOML file or another configuration, but for changes.

    changes: by dotted names, as {"network.tx_power_dbm": 8.0}. Raises ConfigError.
    """
    table: dict[str, Any] = {}
    if isinstance(base, RunConfig):
        table = base.model_dump(mode="json")
    elif Path(base).suffix == ".toml":
        table = read_toml(Path(base))
    else:
        table = {"scenario": str(base)}
    _check_types(table, str(base))
    for name, value in (changes or {}).items():
        section, _, field = str(name).rpartition(".")
        into = table.setdefault(section, {}) if section else table
        if not isinstance(into, dict):
            raise ConfigError(
                f"changes: expected names as network.tx_power_dbm, got {name!r}, but {section} has"
                " no fields; see --help for the known ones"
            )
        into[field] = _plain(value)
    return _merge(None, table, "changes" if changes else str(base), [])


def _plain(value: Any) -> Any:
    """Return what TOML could hold, for a number of NumPy or a path."""
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _merge(
    scenario: str | None,
    table: dict[str, Any],
    origin: str,
    above: list[Callable[[type[BaseSettings]], PydanticBaseSettingsSource]],
) -> RunConfig:
    """Put a table over the preset of its scenario, and what is above it over both; check all."""
    _check_types(table, origin)
    preset = preset_values(str(scenario or table.get("scenario", "mesh80211")))

    class Loaded(RunConfig):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            below = (InitSettingsSource(settings_cls, init_kwargs=each) for each in (table, preset))
            return (*(make(settings_cls) for make in above), *below)

    try:
        loaded = Loaded()
    except ValidationError as error:
        raise ConfigError(explain(error.errors(), origin)) from None
    except SettingsError as error:
        raise ConfigError(f"flags: {error}".replace("\n", " ")) from None
    fields = {name: getattr(loaded, name) for name in RunConfig.model_fields}
    _refuse_none(fields, preset)
    if is_own(loaded.scenario):
        fields["scenario"] = str(Path(loaded.scenario).resolve())
    return RunConfig.model_construct(**fields)


def _refuse_none(fields: dict[str, Any], preset: dict[str, Any]) -> None:
    """Refuse none where the preset has a value: a file could not say it, and so none go on."""
    for section, values in preset.items():
        for name, value in values.items() if isinstance(values, dict) else ():
            if getattr(fields[section], name) is None:
                raise ConfigError(
                    f"{section}.{name}: expected a value with this scenario, whose preset has"
                    f" {value}, got none; give one"
                )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raise ConfigError where it is missing or no TOML."""
    try:
        return tomllib.loads(read_regular(path, LARGEST_BYTES).decode())
    except OSError as error:
        raise ConfigError(
            f"--config: expected a readable TOML file, got {path} ({error.strerror});"
            " check the path"
        ) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number of 5000 digits
        raise ConfigError(f"{path}: expected TOML, got an error: {error}; mend the file") from None


def _check_types(table: Mapping[str, Any], origin: str) -> None:
    """Refuse text for a number and the like: flags are text, a file has types of its own."""
    errors: list[ErrorDetails] = []
    for name, section in sections().items():
        if name not in table:
            continue
        try:
            section.model_validate(table[name], strict=True)
        except ValidationError as error:
            # Limits between fields are checked once all sources are merged.
            errors += [
                {**each, "loc": (name, *each["loc"])}
                for each in error.errors()
                if each["type"] != "value_error"
            ]
    if errors:
        raise ConfigError(explain(errors, origin))


def to_toml(config: RunConfig) -> str:
    """Write the resolved configuration; `load` reads it back to an equal one."""
    return tomli_w.dumps(_without_none(config.model_dump(mode="json")))


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what TOML cannot say; a missing key means the default, which is None for these."""
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        known = list(dotted_fields())
        name = message.rsplit("--", 1)[-1].split("=", maxsplit=1)[0].split(" ", maxsplit=1)[0]
        raise ConfigError(f"flags: {message}{did_you_mean(name, known)}; see --help")


def sections() -> dict[str, type[Section]]:
    """Return the parts of the configuration by name."""
    kinds = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    return {
        name: kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, Section)
    }


def dotted_fields() -> Iterator[str]:
    """Yield every field as section.field."""
    for name in RunConfig.model_fields:
        section = sections().get(name)
        yield from (f"{name}.{inner}" for inner in section.model_fields) if section else [name]


def explain(errors: list[ErrorDetails], origin: str) -> str:
    """Say all that pydantic found in one line."""
    said = []
    for each in errors:
        key = ".".join(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden":
            hint = did_you_mean(key, list(dotted_fields())) or "; see --help for the known ones"
            said.append(f"{key}: unknown key in {origin}{hint}")
        elif each["type"] == "value_error":
            said.append(str(each["ctx"]["error"]))
        else:
            expected = each["msg"].removeprefix("Input should be ")
            said.append(f"{key}: expected {expected}, got {each['input']!r}; see --help")
    return "; ".join(said)


def did_you_mean(name: str, known: list[str]) -> str:
    """Return a hint at the nearest known name, empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
