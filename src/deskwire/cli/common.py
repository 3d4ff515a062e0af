"""What the commands share: options, the open hub, printing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec
import structlog
import typer
from rich.console import Console

from deskwire import settings
from deskwire.core.errors import Misconfigured
from deskwire.core.instants import from_micros, parse_instant, rfc3339, to_micros
from deskwire.pipeline.hub import Hub, Outlet, Source
from deskwire.store import schema

Config = Annotated[Path, typer.Option("--config", help="The configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")]

console = Console(highlight=False)
warnings = Console(stderr=True, highlight=False)


@contextmanager
def open_hub(config: Path) -> Iterator[Hub]:
    """The configured hub with an up-to-date database, closed at the end."""
    hub = settings.open_hub(settings.load(config))
    try:
        schema.upgrade(hub.database)
        yield hub
    finally:
        hub.database.close()


def source_named(hub: Hub, name: str) -> Source:
    """A configured source; Misconfigured with the names there are."""
    try:
        return hub.sources[name]
    except KeyError:
        known = ", ".join(hub.sources) or "none"
        raise Misconfigured(f"there is no source {name!r}; there are: {known}") from None


def outlet_named(hub: Hub, name: str) -> Outlet:
    """A configured destination; Misconfigured with the names there are."""
    try:
        return hub.outlets[name]
    except KeyError:
        known = ", ".join(hub.outlets) or "none"
        raise Misconfigured(f"there is no destination {name!r}; there are: {known}") from None


def print_json(value: Any) -> None:  # noqa: ANN401 - anything that msgspec can encode
    """A value as JSON, readable."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(text + "\n")


def moment(micros: int | None) -> str:
    """An instant in µs for people, or a dash."""
    return "–" if micros is None else show(from_micros(micros))


def show(instant: datetime | None) -> str:
    """An instant for people, or a dash."""
    return "–" if instant is None else rfc3339(instant)


def ago(seconds: float | None) -> str:
    """How long ago something was, for people; None: it never was."""
    if seconds is None:
        return "never"
    return f"{span(seconds)} ago" if seconds >= 0 else f"{span(-seconds)} ahead"


def span(seconds: float) -> str:
    """A duration for people, in its largest sensible unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def instant_of(text: str) -> int:
    """µs of a date or date-time that a person typed; Misconfigured otherwise."""
    try:
        return to_micros(parse_instant(text))
    except ValueError:
        raise Misconfigured(f"{text!r} is no date; write 2026-11-20 or 2026-11-20T09:30") from None


def configure_logs(level: int, file: TextIO = sys.stderr) -> None:
    """A line per thing that happened; JSON when that is not a terminal."""
    renderer = (
        structlog.dev.ConsoleRenderer() if file.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=file),
        cache_logger_on_first_use=True,
    )
