"""Looking what OurAPI holds, when nobody knows whether a call had its effect."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

import msgspec

from deskwire.core.destination import Learned, Ledger, Payload, Sent, Step, Target
from deskwire.core.exchange import Http, Request
from deskwire.core.model import Conversation
from deskwire.destinations.our_api.lines import (
    CHAT,
    agent_author,
    agent_key,
    agent_line,
    chat_id_of,
    deliverable,
    is_message,
    message_key,
    message_line,
)
from deskwire.destinations.our_api.wire import (
    RemoteAgent,
    RemoteChat,
    RemoteMessage,
    get,
    read,
)


async def read_back(
    view: Conversation, ledger: Ledger, target: Target, step: Step | None, http: Http
) -> Learned:
    """What is there: for a message its chat's messages, otherwise all that belongs to the chat."""
    if step is not None and step.action == "agent":
        agent = adopted(step.sent, await get(http, "/agents", list[RemoteAgent]))
        return Learned(changes={} if agent is None else {step.key: agent})
    authors = await _authors(view, ledger, target, http)
    candidates = _candidates(view, {**ledger, **authors}, target, step)
    held = ledger.get(CHAT)
    if step is not None and step.action == "post_message" and held is not None:
        found = await _messages(ledger, candidates, held.remote_id or "", http)
        if found is not None:
            return Learned(changes={**authors, **found})
    external_id = chat_id_of(view, target)
    chats = await get(http, f"/chats?external_id={quote(external_id, safe='')}", list[RemoteChat])
    chat = next((one for one in chats if one.external_id == external_id), None)
    if chat is None:
        return await _all_lost(ledger, http)
    messages = await _messages(ledger, candidates, chat.chat_id, http) or {}
    line = Sent(payload=chat.payload(), remote_id=chat.chat_id)
    return Learned(changes={CHAT: line, **authors, **messages})


async def remembers(_key: str, sent: Sent, http: Http) -> bool:
    """Whether a chat that was confirmed is still there."""
    answer = await http(Request(method="GET", path=f"/chats/{sent.remote_id}"))
    if answer.status == 404:
        return False
    read(answer, RemoteChat)
    return True


def adopted(line: Sent, agents: list[RemoteAgent]) -> Sent | None:
    """The agent there who bears the e-mail address, in whatever case; never by name."""
    email = line.payload["email"] or ""
    same = [one for one in agents if one.email.strip().casefold() == email.casefold()]
    if not same:
        return None
    same.sort(key=lambda one: (one.email != email, one.agent_id))
    note = f"{len(same)} agents there bear {email}; took {same[0].email}" if same[1:] else None
    return msgspec.structs.replace(line, remote_id=same[0].agent_id, note=note)


async def _all_lost(ledger: Ledger, http: Http) -> Learned:
    """The chat is not there, and so none of its messages; which agents are, is looked up."""
    agents = {one.agent_id for one in await get(http, "/agents", list[RemoteAgent])}
    gone = [key for key, one in ledger.items() if one.is_shared and one.remote_id not in agents]
    mine = [key for key, one in ledger.items() if not one.is_shared and not one.refused]
    return Learned(changes=dict.fromkeys([*gone, *mine]))


async def _authors(
    view: Conversation, ledger: Ledger, target: Target, http: Http
) -> dict[str, Sent]:
    """The agents there who wrote messages that were never confirmed, and are in no line yet.

    Without them a message of theirs would be taken for one that is not there, and sent twice.
    """
    wanted: dict[str, Sent] = {}
    for message in deliverable(view, target):
        author = agent_author(message)
        if author is not None and author.is_known and message_key(message) not in ledger:
            wanted[agent_key(author, target)] = agent_line(author, target)
    wanted = {key: line for key, line in wanted.items() if key not in ledger}
    if not wanted:
        return {}
    agents = await get(http, "/agents", list[RemoteAgent])
    found = {key: adopted(line, agents) for key, line in wanted.items()}
    return {key: line for key, line in found.items() if line is not None}


def _candidates(
    view: Conversation, ledger: Ledger, target: Target, step: Step | None
) -> dict[str, Sent]:
    """Messages that were never confirmed and may be there: first the one of the step, as sent."""
    found = {} if step is None or not is_message(step.key) else {step.key: step.sent}
    for message in deliverable(view, target):
        line = message_line(message, ledger, target)
        if agent_author(message) is not None and line.payload["agent_id"] is None:
            continue  # whose author is not there cannot be there: it would be a customer's
        found.setdefault(message_key(message), line)
    return {key: sent for key, sent in found.items() if key not in ledger}


async def _messages(
    ledger: Ledger, candidates: dict[str, Sent], chat_id: str, http: Http
) -> dict[str, Sent | None] | None:
    """Which of our messages the chat holds, by counts of equal ones; None: no such chat.

    The ledger's come first, then the candidates in their order.
    """
    answer = await http(Request(method="GET", path=f"/chats/{quote(chat_id, safe='')}/messages"))
    if answer.status == 404:
        return None
    there = Counter(_identity(one.payload()) for one in read(answer, list[RemoteMessage]))
    changes: dict[str, Sent | None] = {}
    for key, sent in ledger.items():
        if is_message(key) and not sent.refused and not _take(there, sent):
            changes[key] = None
    found = {key: sent for key, sent in candidates.items() if _take(there, sent)}
    return {**changes, **found}


Identity = tuple[str | None, str | None, str | None]


def _identity(payload: Payload) -> Identity:
    return payload["sent_at"], payload["text"], payload["agent_id"]


def _take(there: Counter[Identity], sent: Sent) -> bool:
    """Whether one more like this is there; it is not counted again."""
    identity = _identity(sent.payload)
    there[identity] -= 1
    return there[identity] >= 0
