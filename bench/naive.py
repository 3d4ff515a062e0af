"""The peer: an integration as it is written first, which handles each event on its own.

It stores nothing and finds the chat and the agent anew for every event.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import aiohttp
import uvloop
from msgspec import Struct

from deskwire.sandbox.bigchat import PageKey
from deskwire.sandbox.chatter import Event


class Result(Struct, frozen=True):
    """From the receipt of a window to the answer for each of its messages, in seconds."""

    delays: list[float]


def integrate(
    our_api: str, served: Sequence[tuple[PageKey, Event]], first_advisors: dict[int, int]
) -> Result:
    """Handle what BigChat served, a window after another, each event as it comes."""
    return uvloop.run(_integrate(our_api, served, first_advisors))


async def _integrate(
    our_api: str, served: Sequence[tuple[PageKey, Event]], first_advisors: dict[int, int]
) -> Result:
    delays = []
    async with aiohttp.ClientSession(our_api) as session:
        for _, window in groupby(served, lambda one: one[0].start_at):
            received_at = time.monotonic()
            for _, event in window:
                await _handle(session, event, first_advisors[event.conversation_id])
                if event.event_name == "MESSAGE":
                    delays.append(time.monotonic() - received_at)
    return Result(delays)


async def _handle(session: aiohttp.ClientSession, event: Event, first_advisor: int) -> None:
    data = event.data or {}
    match event.event_name:
        case "START":
            await _create(session, event, await _agent(session, first_advisor))
        case "MESSAGE":
            chat = await _chat(session, event)
            body = {"sent_at": event.event_at, "text": data["message"]}
            await _call(session, "POST", f"/chats/{chat}/messages", body)
        case "TRANSFER":
            chat = await _chat(session, event)
            agent = await _agent(session, int(data["new_advisor_id"]))
            await _call(session, "PATCH", f"/chats/{chat}", {"agent_id": agent})
        case _:
            chat = await _chat(session, event)
            await _call(session, "PATCH", f"/chats/{chat}", {"ended_at": event.event_at})


async def _agent(session: aiohttp.ClientSession, number: int) -> str:
    email = f"advisor.{number}@bigchat.example"
    found = await _call(session, "GET", f"/agents?email={email}")
    if isinstance(found, list) and found:
        return str(found[0]["agent_id"])
    made = await _call(session, "POST", "/agents", {"name": f"Advisor {number}", "email": email})
    return str(made["agent_id"])


async def _chat(session: aiohttp.ClientSession, event: Event) -> str:
    found = await _call(session, "GET", f"/chats?external_id={event.conversation_id}")
    return str(found[0]["chat_id"]) if found else await _create(session, event, None)


async def _create(session: aiohttp.ClientSession, event: Event, agent: str | None) -> str:
    body = {"external_id": str(event.conversation_id), "started_at": event.event_at}
    made = await _call(session, "POST", "/chats", body | ({"agent_id": agent} if agent else {}))
    return str(made.get("chat_id"))  # none: an early message created it, before its START came


async def _call(session: aiohttp.ClientSession, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    async with session.request(method, path, json=body) as answer:
        return await answer.json(content_type=None) if answer.status != 204 else {}
