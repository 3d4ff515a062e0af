"""One folder per kind of system that is delivered to; loaded by the folder's name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from deskwire.core.destination import Destination
from deskwire.core.errors import Misconfigured


def names() -> list[str]:
    """The kinds that come with deskwire: every folder here."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/destination.py"))


def load(kind: str) -> Destination:
    """The destination of a folder's name; Misconfigured when there is none."""
    if not kind.isidentifier() or find_spec(f"{__name__}.{kind}") is None:
        raise Misconfigured(f"kind {kind!r} is unknown; there are: {', '.join(names())}")
    destination: Destination = import_module(f"{__name__}.{kind}.destination").destination
    return destination
