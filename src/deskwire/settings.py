"""The configuration: `deskwire.toml` and its environment overrides, read and checked as a whole."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from deskwire import destinations, providers
from deskwire.core.destination import Destination
from deskwire.core.errors import Misconfigured
from deskwire.core.provider import Account, Provider
from deskwire.pipeline.hub import Hub, Outlet, Source, Timing
from deskwire.store.db import Database

DEFAULT_FILE = Path("deskwire.toml")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class StoreSettings(BaseModel):
    """`[store]`."""

    model_config = ConfigDict(extra="forbid")
    url: str = "sqlite:///deskwire.db"  #: relative paths are beside the configuration file


class ServerSettings(BaseModel):
    """`[server]`."""

    model_config = ConfigDict(extra="forbid")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)


class _Named(BaseModel):
    """What sources and destinations have in common; further keys belong to their kind."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    workspace: str = Field(default="main", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    base_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    user: str | None = None
    token: str | None = None
    paused: bool = False
    timeout_seconds: float = Field(default=2.0, gt=0, le=60)  #: of one call

    @field_validator("user", "token")
    @classmethod
    def _from_environment(cls, value: str | None) -> str | None:
        return value if value is None else _VARIABLE.sub(_variable, value)


class SourceSettings(_Named):
    """`[[source]]`: an account of a provider."""

    provider: str
    account: str | None = None  #: half of a conversation's identity; None: the source's name
    poll_every_seconds: float = Field(default=10.0, ge=0.1, le=86400)
    destinations: list[str] = []


class DestinationSettings(_Named):
    """`[[destination]]`: a system that is kept in step."""

    kind: str
    concurrency: int = Field(default=1, ge=1, le=64)  #: calls at once, over all processes
    notes: bool = False  #: whether internal notes leave
    external_id_prefix: str | dict[str, str] = ""  #: for all sources, or by source
    settle_seconds: float = Field(default=6.0, ge=0, le=600)  #: from an unclear call to the look


class Settings(BaseModel):
    """All of `deskwire.toml`."""

    model_config = ConfigDict(extra="forbid")
    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    source: list[SourceSettings] = []
    destination: list[DestinationSettings] = []


def _variable(match: re.Match[str]) -> str:
    try:
        return os.environ[match[1]]
    except KeyError:
        raise ValueError(f"the environment has no variable {match[1]}") from None


def load(path: Path) -> Settings:
    """The settings of a file; Misconfigured with a line for each fault, all of them at once."""
    if not path.is_file():
        raise Misconfigured(f"{path} is not there; 'deskwire init' writes one to start from")
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not TOML, or not UTF-8
        raise Misconfigured(f"{path}: {error}") from error
    unknown = _override(told, os.environ)
    settings, faults = _validate(told)
    faults = unknown + faults
    if settings is not None:
        faults += _cross_check(settings)
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


def _cross_check(settings: Settings) -> list[str]:
    faults = _check_store_and_server(settings)
    groups: tuple[tuple[Literal["source", "destination"], list[Any]], ...] = (
        ("source", settings.source),
        ("destination", settings.destination),
    )
    for word, group in groups:
        names = [one.name for one in group]
        twice = sorted({name for name in names if names.count(name) > 1})
        faults += [f"{word} {name!r} is there twice" for name in twice]
        for one in group:
            faults += _check_kind(word, one)
    faults += [fault for source in settings.source for fault in _check_ways(settings, source)]
    return faults + _check_prefixes(settings)


def _check_ways(settings: Settings, source: SourceSettings) -> list[str]:
    """Whether each destination of a source is defined, and in the source's own workspace."""
    defined = {one.name: one for one in settings.destination}
    faults = [
        f"source {source.name!r}: no [[destination]] defines {name!r}"
        for name in source.destinations
        if name not in defined
    ]
    faults += [
        f"source {source.name!r} is of workspace {source.workspace!r}, its destination "
        f"{one.name!r} of {one.workspace!r}: they must be of one"
        for one in map(defined.get, source.destinations)
        if one is not None and one.workspace != source.workspace
    ]
    return faults


def _check_store_and_server(settings: Settings) -> list[str]:
    faults = []
    if not settings.store.url.startswith("sqlite:///"):
        faults.append("store.url: only sqlite:///… is there so far")
    if not is_loopback(settings.server.host):
        faults.append("server.host: without API keys the hub answers on a loopback address only")
    return faults


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_kind(word: str, one: SourceSettings | DestinationSettings) -> list[str]:
    try:
        kind = (
            providers.load(one.provider)
            if isinstance(one, SourceSettings)
            else destinations.load(one.kind)
        )
    except Misconfigured as error:
        return [f"{word} {one.name!r}: {error}"]
    faults = [
        f"{word} {one.name!r}: there is no key {key!r}; is it misspelt?"
        for key in (one.model_extra or {})
        if key not in kind.options
    ]
    if not one.base_url and _is_called(kind):
        faults.append(f"{word} {one.name!r}: base_url is required")
    return faults


def _is_called(kind: Provider | Destination) -> bool:
    """Whether anything is ever asked of this kind of system."""
    if isinstance(kind, Destination):
        return True
    return any((kind.poll, kind.backfill, kind.detail, kind.people))


def _check_prefixes(settings: Settings) -> list[str]:
    """Two sources into one system need different prefixes, or their ids collide there."""
    faults = []
    for group in _systems(settings.destination):
        ways = [
            (_prefix_for(outlet, source.name), outlet.name, source.name)
            for outlet in group
            for source in settings.source
            if outlet.name in source.destinations
        ]
        if len({prefix for prefix, _, _ in ways}) == len(ways):
            continue
        sources = list(dict.fromkeys(source for _, _, source in ways))
        which = f"destination {group[0].name!r}: its sources {', '.join(sources)} need"
        if group[1:]:
            names = ", ".join(repr(outlet.name) for outlet in group)
            which = (
                f"destinations {names} are one system: what comes there from "
                f"{', '.join(sources)} needs"
            )
        faults.append(
            f"{which} an external_id_prefix each, as in "
            f'external_id_prefix = {{ "{sources[-1]}" = "x-" }}'
        )
    return faults


def _systems(outlets: list[DestinationSettings]) -> list[list[DestinationSettings]]:
    """Destinations by the system behind them, of the kinds where one id can be taken once only."""
    found: dict[tuple[str, str, str], list[DestinationSettings]] = {}
    for outlet in outlets:
        if outlet.kind not in destinations.names():
            continue  # which is a fault of its own
        if destinations.load(outlet.kind).sentinel_key is None:
            continue
        parts = urlsplit(outlet.base_url)
        key = (outlet.kind, parts.netloc.lower() or outlet.name, parts.path.rstrip("/"))
        found.setdefault(key, []).append(outlet)
    return list(found.values())


def _prefix_for(outlet: DestinationSettings, source: str) -> str:
    if isinstance(outlet.external_id_prefix, str):
        return outlet.external_id_prefix
    return outlet.external_id_prefix.get(source, "")


def open_hub(settings: Settings, timing: Timing | None = None) -> Hub:
    """The hub that the settings describe, with its database open."""
    sources = [_source(one) for one in settings.source]
    outlets = [_outlet(one, sources) for one in settings.destination]
    return Hub(Database(settings.store.url), sources, outlets, timing)


def _source(one: SourceSettings) -> Source:
    return Source(
        name=one.name,
        provider_name=one.provider,
        provider=providers.load(one.provider),
        account=one.account or one.name,
        access=Account(
            poll_every_seconds=one.poll_every_seconds,
            user=one.user,
            token=one.token,
            options=one.model_extra or {},
        ),
        base_url=one.base_url,
        destinations=tuple(one.destinations),
        is_paused=one.paused,
        timeout_seconds=one.timeout_seconds,
        workspace=one.workspace,
    )


def _outlet(one: DestinationSettings, sources: list[Source]) -> Outlet:
    return Outlet(
        name=one.name,
        kind=one.kind,
        destination=destinations.load(one.kind),
        base_url=one.base_url,
        user=one.user,
        token=one.token,
        concurrency=one.concurrency,
        is_paused=one.paused,
        with_notes=one.notes,
        external_id_prefix={source.name: _prefix_for(one, source.name) for source in sources},
        timeout_seconds=one.timeout_seconds,
        settle_seconds=one.settle_seconds,
        options=one.model_extra or {},
        workspace=one.workspace,
    )
