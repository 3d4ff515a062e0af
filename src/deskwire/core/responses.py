"""Responses: how long a customer waited for a person to answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from deskwire.core.model import Conversation, Participant


class Response(Struct, frozen=True, kw_only=True):
    """A customer's wait and the message that ended it; instants by the provider's clock."""

    asked_at: datetime  #: the first message of the customer that nobody had answered
    answered_at: datetime  #: the first public message of an agent after it; a bot's is none
    agent: Participant


def responses(view: Conversation) -> Iterator[Response]:
    """In the order of time; the first is the first response.

    Where the provider does not say who wrote, there are none.
    """
    asked_at = None
    for message in view.messages:
        role = None if message.author is None else message.author.role
        if message.kind != "public":
            continue
        if role == "customer" and asked_at is None:
            asked_at = message.sent_at
        elif role == "agent" and asked_at is not None and message.author is not None:
            yield Response(asked_at=asked_at, answered_at=message.sent_at, agent=message.author)
            asked_at = None
