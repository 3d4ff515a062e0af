"""Reading `deskwire.toml` and its environment overrides: every fault at once, a line each."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deskwire.core.errors import Misconfigured
from deskwire.settings.checks import cross_check
from deskwire.settings.shape import Settings

DEFAULT_FILE = Path("deskwire.toml")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load(path: Path) -> Settings:
    """The settings of a file; Misconfigured with a line for each fault, all of them at once."""
    if not path.is_file():
        raise Misconfigured(f"{path} is not there; 'deskwire init' writes one to start from")
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not TOML, or not UTF-8
        raise Misconfigured(f"{path}: {error}") from error
    unknown = _override(told, os.environ)
    unknown += _fill(told, os.environ)
    settings, faults = _validate(told)
    faults = unknown + faults
    if settings is not None:
        for one in settings.destination:
            one.directory = one.directory and str((path.parent / one.directory).absolute())
        faults += cross_check(settings)
    if settings is None or faults:
        raise Misconfigured("\n".join(f"{path}: {fault}" for fault in faults))
    file = path.parent / settings.store.url.removeprefix("sqlite:///")
    settings.store.url = f"sqlite:///{file.absolute()}"
    return settings


def _override(told: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Put the environment's values over the file's; the variables that fit nothing."""
    faults = []
    for variable in sorted(environment):
        group, *rest = variable.removeprefix("DESKWIRE_").lower().split("__")
        if not variable.startswith("DESKWIRE_") or not rest:
            continue
        inner = told.setdefault(group, {})
        if isinstance(inner, list):  # of sources or destinations, found by their names
            name = rest.pop(0)
            named = (one for one in inner if _as_variable(str(one.get("name"))) == name)
            inner = next(named, None)
        if inner is None or len(rest) != 1:
            faults.append(f"{variable} in the environment fits no key")
        else:
            inner[rest[0]] = environment[variable]
    return faults


def _fill(
    told: Any,  # noqa: ANN401 - as TOML has it
    environment: Mapping[str, str],
    place: tuple[int | str, ...] = (),
) -> list[str]:
    """Put the environment's values in place of `${NAME}`; the keys whose variable is not there."""
    faults = []
    for key, value in list(told.items() if isinstance(told, dict) else enumerate(told)):
        if isinstance(value, dict | list):
            faults += _fill(value, environment, (*place, key))
        elif isinstance(value, str):
            lacking = [name for name in _VARIABLE.findall(value) if name not in environment]
            named = f"{_place((*place, key))}: the environment has no variable"
            faults += [f"{named} {name}" for name in lacking]
            told[key] = _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), value)
    return faults


def _as_variable(name: str) -> str:
    return re.sub(r"\W", "_", name.lower())


def _validate(told: dict[str, Any]) -> tuple[Settings | None, list[str]]:
    """What can be read of the settings, and the faults of the rest."""
    try:
        return Settings(**told), []
    except ValidationError as error:
        faults = error.errors()
    lines = [f"{_place(fault['loc'])}: {_say(fault)}" for fault in faults]
    for fault in reversed(faults):
        _prune(told, fault["loc"])
    try:
        return Settings(**told), lines
    except ValidationError:
        return None, lines


def _prune(told: Any, place: tuple[int | str, ...]) -> None:  # noqa: ANN401 - as TOML has it
    """Take a fault out, so that what is right beside it can be checked further."""
    *outer, last = place
    inner = told
    try:
        for part in outer:
            inner = inner[part]
        if last == "name":  # everything else of it is told by its name
            inner["name"] = f"number-{outer[-1]}"
        elif last == "base_url":
            inner["base_url"] = "http://127.0.0.1"  # not missing, only wrong
        else:
            del inner[last]
    except (KeyError, IndexError, TypeError):
        if outer:
            _prune(told, tuple(outer))  # a key that is missing: without what it is missing from


def _place(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).lstrip(".")


def _say(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    if fault["type"] == "extra_forbidden":
        return "there is no such key; is it misspelt?"
    if fault["type"] == "missing":
        return "is required"
    return str(fault["msg"]).removeprefix("Value error, ")
