"""Serve BigChat: every answer to a window is made up anew."""

import math
from collections import deque
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from deskwire.sandbox.answers import as_json, crash, invalid, refusal
from deskwire.sandbox.chatter import Chatter, Event
from deskwire.sandbox.faults import Faults

NAMES = ("Ana Silva", "Ben Okoro", "Ana Silva", "Q", "Chloé Martin", "Dmitri Volkov", "Eve O'Neill")
BAD_GATEWAYS = 0.2  # of the natural errors
QUIET = 0.1  # windows without an event


class Advisor(Struct, frozen=True):
    """As BigChat answers it; the e-mail address is the identity."""

    advisor_id: int
    name: str
    email_address: str


class PageKey(NamedTuple):
    """Which answer an event was in; the window and page as they were asked for."""

    start_at: str
    end_at: str
    page: int
    answer: int  #: counts the answers, for a window that was asked twice


@dataclass(eq=False)
class BigChat:
    """The service and the truth about what it answered, for tests."""

    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    _: KW_ONLY
    events_per_second: float = 3.0
    error_rate: float = 0.05  #: of its natural errors, whatever the faults are
    senders: bool = False
    advisors: int = 12
    page_size: int = 100  #: about the most events of a page
    first_id: int | None = None  #: of the conversations; None: a random one
    authorization: str | None = None  #: the whole header that is asked for
    #: what the next calls of /events answer: a body, or (status, body, content type)
    script: deque[bytes | tuple[int, bytes, str]] = field(default_factory=deque, init=False)
    #: in order; a fault may have kept the client from receiving some
    served: list[tuple[PageKey, Event]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        numbers = range(1, self.advisors + 1)
        self.advisors_by_id = {number: _advisor(number) for number in numbers}
        self._random = Random(self.seed)
        self._chatter = Chatter(self._random, list(numbers), self.first_id, senders=self.senders)
        self.conversations = self._chatter.conversations
        self._page_counts: dict[tuple[str, str], list[int]] = {}
        self._answers = 0

    def app(self) -> web.Application:
        """Give a new application over the same state, as after a restart."""
        app = web.Application(middlewares=[self.faults.middleware(), self._gate])
        app.router.add_get("/events", self._events)
        app.router.add_get("/conversations/{id}", self._conversation)
        app.router.add_get("/advisors/{id}", self._advisor)
        return app

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if (
            self.authorization is not None
            and request.headers.get("Authorization") != self.authorization
        ):
            return refusal(401, "Not authenticated")
        if self.script and request.path.endswith("/events"):
            answer = self.script.popleft()
            status, body, kind = (
                (200, answer, "application/json") if isinstance(answer, bytes) else answer
            )
            return web.Response(body=body, status=status, headers={"Content-Type": kind})
        if self._random.random() < self.error_rate:
            is_bad_gateway = self._random.random() < BAD_GATEWAYS
            return refusal(502, "Bad Gateway") if is_bad_gateway else crash()
        return await handler(request)

    async def _events(self, request: web.Request) -> web.Response:
        instants = []
        for name in ("start_at", "end_at"):
            try:
                instants.append(_instant(request.query[name]))
            except KeyError:
                return invalid("query", name, "Field required", "missing")
            except ValueError:
                return invalid(
                    "query", name, "Input should be a valid datetime", "datetime_parsing"
                )
        page = request.query.get("page", "1")
        if not page.isdecimal() or page == "0":
            return invalid("query", "page", "Input should be a valid integer", "int_parsing")
        return self._page(request, instants[0], instants[1], int(page))

    def _page(self, request: web.Request, start: float, end: float, page: int) -> web.Response:
        window = request.query["start_at"], request.query["end_at"]
        if page == 1 or window not in self._page_counts:
            self._page_counts[window] = self._split(math.floor(end) - math.floor(start))
        counts = self._page_counts[window]
        count = counts[page - 1] if page <= len(counts) else 0
        # Both ends are in: neighbouring windows share a second.
        events = self._chatter.events(range(math.ceil(start), math.floor(end) + 1), count)
        self._answers += 1
        key = PageKey(*window, page, self._answers)
        self.served += [(key, event) for event in events]
        next_url = _page_url(request, page + 1) if page < len(counts) else None
        return as_json({"nextPageUrl": next_url, "events": events})

    def _split(self, seconds: int) -> list[int]:
        """Events for each page of a window; no pages for a quiet one."""
        mean = self.events_per_second * max(seconds, 0) / (1 - QUIET)
        is_quiet = self._random.random() < QUIET
        total = (
            0 if is_quiet else int(mean * self._random.uniform(0.5, 1.5) + self._random.random())
        )
        pages = max(min(self._random.randint(1, 3), total), math.ceil(total / self.page_size))
        return [total // pages + (page < total % pages) for page in range(pages)]

    async def _conversation(self, request: web.Request) -> web.Response:
        conversation = self.conversations.get(_id(request))
        if conversation is None:
            return refusal(404, "Conversation not found")
        start = Event(conversation.conversation_id, "START", conversation.started_at, None)
        return as_json(
            {
                "conversation_id": conversation.conversation_id,
                "advisor_id": conversation.first_advisor_id,
                "events": [start],
            }
        )

    async def _advisor(self, request: web.Request) -> web.Response:
        advisor = self.advisors_by_id.get(_id(request))
        return refusal(404, "Advisor not found") if advisor is None else as_json(advisor)


def _advisor(number: int) -> Advisor:
    name = NAMES[number - 1] if number <= len(NAMES) else f"Advisor {number}"
    email = f"advisor.{number}@bigchat.example"
    return Advisor(number, name, email.title() if number == 2 else email)


def _id(request: web.Request) -> int:
    text = request.match_info["id"]
    return int(text) if text.isdecimal() else -1


def _instant(text: str) -> float:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _page_url(request: web.Request, page: int) -> str:
    """Absolute, as the client sees it: a proxy tells its own address in the X-Forwarded headers."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    host = request.headers.get("X-Forwarded-Host", request.host)
    prefix = request.headers.get("X-Forwarded-Prefix", "").rstrip("/")
    return f"{scheme}://{host}{prefix}{request.path}?{urlencode({**request.query, 'page': page})}"
