"""Where a transcript goes: the path that the configuration describes, safe whatever a name is."""

from __future__ import annotations

import re
import unicodedata
from zoneinfo import ZoneInfo

from deskwire.core.destination import Target
from deskwire.core.model import Conversation
from deskwire.core.transcript import TranscriptOptions, begun_at, local, name_of, placeholders

NUMBER = "{number}"
LONGEST_SLUG = 80  # bytes of UTF-8; a name of a file has 255 at most
PARTS = ("customer", "number", "external_id", "agent", "channel", "year", "month", "day")


class Options(TranscriptOptions, frozen=True, kw_only=True):
    """The keys of this kind."""

    layout: str = "{customer}/{number}.txt"  #: path below the directory

    def __post_init__(self) -> None:
        super().__post_init__()
        if placeholders("layout", self.layout, PARTS).count("number") != 1:
            raise ValueError(f"layout: it must have {NUMBER} once: files are told apart by it")
        if not self.layout.isprintable() or re.search(r"\\|{{|}}", self.layout):
            raise ValueError(r"layout: it must have no control signs, no \ and no {{ or }}")
        if any(not part or part.startswith(".") for part in self.layout.split("/")):
            raise ValueError(
                "layout: it must be relative to the directory, and no part of it may be empty or "
                "begin with a dot"
            )


def numbered(view: Conversation, target: Target) -> str:
    """The path below the directory, its number still open."""
    options = target.options
    assert isinstance(options, Options)
    began_at = local(begun_at(view), ZoneInfo(options.zone))
    return options.layout.format(
        number=NUMBER,
        customer=slug(name_of(view.customer)) or "unknown-customer",
        external_id=slug(target.external_id_prefix + view.external_id) or "unknown",
        agent=slug(name_of(view.agent)) or "unknown",
        channel=slug(view.channel) or "unknown",
        year=f"{began_at.year:04}",
        month=f"{began_at.month:02}",
        day=f"{began_at.day:02}",
    )


def slug(name: str | None) -> str:
    """Letters and digits in lower case, one `-` for all between them; empty when there are none.

    It has neither dots nor slashes: no name leads out of a directory or hides in one.
    """
    folded = unicodedata.normalize("NFKC", name or "").casefold()
    dashed = re.sub(r"[\W_]+", "-", folded).strip("-")
    return dashed.encode()[:LONGEST_SLUG].decode(errors="ignore").strip("-")
