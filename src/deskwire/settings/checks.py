"""What is wrong with settings that can be read: what does not fit together."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from deskwire import destinations, providers
from deskwire.core.codec import convert
from deskwire.core.destination import Destination
from deskwire.core.errors import Misconfigured
from deskwire.core.provider import Provider
from deskwire.settings.shape import DestinationSettings, Settings, SourceSettings

#: Sources that exist without being configured, each of the provider that bears its name: what
#: the desk API, the direct ingest and uploads take in belongs to them.
GIVEN = ("desk", "intercom", "spreadsheet")
ADDRESSES = ("base_url", "url", "directory")


def cross_check(settings: Settings) -> list[str]:
    """Everything that does not fit together, a line each."""
    faults = _check_store_and_server(settings)
    groups: tuple[tuple[Literal["source", "destination"], list[Any]], ...] = (
        ("source", settings.source),
        ("destination", settings.destination),
    )
    for word, group in groups:
        faults += _check_names(word, group)
        for one in group:
            faults += _check_kind(word, one)
    faults += _check_names("schedule", settings.schedule)
    faults += [
        f'schedule {one.name!r} is open on no day; write as in monday = ["09:00-17:30"]'
        for one in settings.schedule
        if not any(one.week())
    ]
    faults += [fault for source in settings.source for fault in _check_ways(settings, source)]
    return faults + _check_prefixes(settings) + _check_directories(settings)


def _check_names(word: str, group: list[Any]) -> list[str]:
    names = [one.name for one in group]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"{word} {name!r} is there twice" for name in twice]


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
    told = one.model_extra or {}
    faults = [
        f"there is no key {key!r}; is it misspelt?"
        for key in told
        if key not in kind.options.__struct_fields__
    ]
    if not faults:
        faults += _check_options(kind, told)
    if isinstance(one, DestinationSettings) and isinstance(kind, Destination):
        faults += _check_address(one, kind)
    elif isinstance(one, SourceSettings) and isinstance(kind, Provider):
        faults += _check_source(one, kind)
    return [f"{word} {one.name!r}: {fault}" for fault in faults]


def _check_options(kind: Provider | Destination, told: dict[str, object]) -> list[str]:
    try:
        convert(told, kind.options)
    except msgspec.ValidationError as error:
        return [str(error)]
    return []


def _check_address(one: DestinationSettings, kind: Destination) -> list[str]:
    if not getattr(one, kind.address):
        return [f"{kind.address} is required"]
    if one.on_unknown == "park" and kind.address == "directory":
        return ["on_unknown is for calls that nobody can look for: a file is looked for"]
    return [
        f"{key} is not for {one.kind}; it has {kind.address}"
        for key in ADDRESSES
        if key != kind.address and getattr(one, key)
    ]


def _check_source(one: SourceSettings, kind: Provider) -> list[str]:
    if one.name in GIVEN:
        is_own = one.provider == one.name
        return [] if is_own else [f"this name is for what the hub's own API takes in, {one.name}"]
    is_called = any((kind.poll, kind.backfill, kind.detail, kind.people))
    return ["base_url is required"] if is_called and not one.base_url else []


def _check_directories(settings: Settings) -> list[str]:
    """Two destinations that write into one directory would give each other's numbers."""
    found: dict[Path, list[str]] = {}
    for one in settings.destination:
        if one.directory:
            found.setdefault(Path(one.directory).resolve(), []).append(one.name)
    return [
        f"destinations {', '.join(names)} have one directory, {path}: each needs its own"
        for path, names in found.items()
        if names[1:]
    ]


def _check_prefixes(settings: Settings) -> list[str]:
    """Two sources into one system need different prefixes, or their ids collide there."""
    faults = []
    for group in _systems(settings.destination):
        ways = [
            (prefix_for(outlet, source.name), outlet.name, source.name)
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


def prefix_for(outlet: DestinationSettings, source: str) -> str:
    """What is put before the external ids that go from a source to a destination."""
    if isinstance(outlet.external_id_prefix, str):
        return outlet.external_id_prefix
    return outlet.external_id_prefix.get(source, "")
