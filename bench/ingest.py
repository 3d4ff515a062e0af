"""Intercom conversations that are posted: requests a second, and how long each one takes.

`deskwire run --roles web` as a process, on a real file with synchronous=FULL: what is answered is
durable. Beside it, on the same disk and as durable: the same route as it is usually written. Both
get the same payloads from this process, as new conversations, and then the very same ones again.
"""

from __future__ import annotations

import sys
from itertools import count

from bench import hub, web
from bench.figure import Figure, of_rounds
from bench.intercom import conversation
from bench.web import Call, Load

PATH = "/integrations/intercom/conversations"
#: Connections: requests of a round.
REQUESTS = {1: 500, 64: 4000}
ROUNDS = 3
PEER = "FastAPI and an ORM"


def measure() -> list[Figure]:
    """New ones and known ones, over 1 connection and over 64."""
    with (
        hub.folder() as place,
        hub.folder() as other_place,
        web.deskwire(place) as ours,
        web.serving(other_place, _peer(f"sqlite:///{other_place / 'usual.db'}")) as theirs,
    ):
        numbers = count()
        return [
            line
            for connections, requests in REQUESTS.items()
            for line in _measure(ours, theirs, connections, requests, numbers)
        ]


def _peer(url: str) -> list[str]:
    return [sys.executable, "-m", "bench.usual", url]


def _measure(
    ours: str, theirs: str, connections: int, requests: int, numbers: count[int]
) -> list[Figure]:
    rounds: dict[int, list[tuple[Load, Load]]] = {201: [], 200: []}
    for _ in range(ROUNDS):
        bodies = [conversation(next(numbers)) for _ in range(requests)]
        calls: list[Call] = [("POST", PATH, body) for body in bodies]
        for status, done in rounds.items():
            one = web.load(ours, calls, connections, status)
            done.append((one, web.load(theirs, calls, connections, status)))
    places = "1 connection" if connections == 1 else f"{connections} connections"
    return [
        *_figures(f"new, {places}", rounds[201]),
        *_figures(f"known, {places}", rounds[200]),
    ]


def _figures(name: str, rounds: list[tuple[Load, Load]]) -> list[Figure]:
    rates = [(one.per_second, other.per_second) for one, other in rounds]
    requests = of_rounds(f"{name}: requests", "1/s", rates, PEER)
    return [requests, *web.delays(name, rounds, PEER)]
