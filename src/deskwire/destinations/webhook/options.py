"""The keys of a webhook: its secrets, and what it wants to hear of."""

from __future__ import annotations

from base64 import b64decode

from msgspec import Struct

CREATED, UPDATED, ENDED = "conversation.created", "conversation.updated", "conversation.ended"
EVENTS = (CREATED, UPDATED, ENDED)
PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64  # bytes of a secret, as the standard has it


class Options(Struct, frozen=True, kw_only=True):
    """The keys of this kind."""

    secret: str = ""
    secrets: list[str] = []  #: further ones that sign, too, while they are changed; newest first
    events: list[str] = []  #: what is told; empty: all

    def __post_init__(self) -> None:
        if not self.signing_secrets:
            raise ValueError(f"secret: it is required; {_recipe()}")
        if not all(_is_secret(one) for one in self.signing_secrets):
            raise ValueError(
                f"secret, secrets: each must be {PREFIX} and {SHORTEST} to {LONGEST} bytes as "
                f"base64; {_recipe()}"
            )
        unknown = [one for one in self.events if one not in EVENTS]
        if unknown:
            raise ValueError(f"events: {', '.join(unknown)} unknown; there are {', '.join(EVENTS)}")

    @property
    def signing_secrets(self) -> list[str]:
        """All that sign, newest first."""
        return list(dict.fromkeys([*([self.secret] if self.secret else []), *self.secrets]))

    @property
    def wanted(self) -> frozenset[str]:
        """The events that are told."""
        return frozenset(self.events or EVENTS)


def _recipe() -> str:
    return f'make one with: echo "{PREFIX}$(openssl rand -base64 32)"'


def _is_secret(text: str) -> bool:
    if not text.startswith(PREFIX):
        return False
    told = text.removeprefix(PREFIX)
    try:
        key = b64decode(told + "=" * (-len(told) % 4), validate=True)
    except ValueError:
        return False
    return SHORTEST <= len(key) <= LONGEST
