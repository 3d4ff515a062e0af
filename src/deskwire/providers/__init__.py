"""One folder per kind of desk; loaded by the folder's name, never imported by it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from deskwire.core.errors import Misconfigured
from deskwire.core.provider import Provider


def names() -> list[str]:
    """The providers that come with deskwire: every folder here."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/provider.py"))


def load(name: str) -> Provider:
    """The provider of a folder's name; Misconfigured when there is none."""
    if not name.isidentifier() or find_spec(f"{__name__}.{name}") is None:
        raise Misconfigured(f"provider {name!r} is unknown; there are: {', '.join(names())}")
    provider: Provider = import_module(f"{__name__}.{name}.provider").provider
    return provider
