"""The configuration: `deskwire.toml` and its environment overrides, read and checked as a whole."""

from deskwire.settings.checks import is_loopback
from deskwire.settings.opening import open_hub
from deskwire.settings.reading import DEFAULT_FILE, load
from deskwire.settings.shape import ServerSettings, Settings, StoreSettings

__all__ = [
    "DEFAULT_FILE",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "is_loopback",
    "load",
    "open_hub",
]
