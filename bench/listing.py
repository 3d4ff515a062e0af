"""Lists and reports at 100,000 conversations with 1,000,000 messages; beside them, at 1,000.

`deskwire run --roles web` as a process, asked over one connection; pages have 50 conversations.
The small file is imported, and the large one is a hundred copies of each of its conversations: so
a word, a customer and an agent are in a hundred times as many, too.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import urllib.request
from contextlib import closing
from itertools import repeat
from pathlib import Path

from bench import hub, web
from bench.figure import Figure
from bench.importing import import_file, write_file
from bench.intercom import word
from bench.web import Call, Load

CONVERSATIONS, PARTS, COPIES = 1_000, 9, 100
REQUESTS, ROUNDS = 50, 3
PEER = f"at {CONVERSATIONS:,}"

LIST = "/internal/conversations"
ASKED = {
    "newest": LIST,
    "of a day": f"{LIST}?since=2026-05-29&until=2026-05-30",
    "of a status and channel": f"{LIST}?status=closed&channel=conversation",
    "of a status that none has": f"{LIST}?status=queued",
    "of an agent": f"{LIST}?agent=admin.7@example.com",
    "of a customer": f"{LIST}?customer=customer.1100@example.com",
    "q, in 0.2 % of the messages": f"{LIST}?q={word(1999)}",
    "q, in 63 % of the messages": f"{LIST}?q={word(0)}",
    "q and an agent": f"{LIST}?q={word(0)}&agent=admin.7@example.com",
    "/users/performance": "/users/performance",
}

# In this order, as the others refer to the first one; triggers see to the search.
TABLES = ("conversations", "participants", "messages", "assignments", "segments", "responses")
COPIED = {
    "id": "substr(id, 1, 28) || printf('%08x', copy)",
    "conversation_id": "substr(conversation_id, 1, 28) || printf('%08x', copy)",
    "conversations.external_id": "external_id || '-' || copy",
    "started_at": f"started_at + copy * {60_000_000 // COPIES}",  # one began every minute
}


def measure() -> list[Figure]:
    """Medians of the rounds."""
    with hub.folder() as few, hub.folder() as many:
        file = few / "few.ndjson"
        write_file(file, CONVERSATIONS, PARTS)
        import_file(file, few)
        shutil.copy(few / "deskwire.db", many)
        _multiply(many / "deskwire.db")
        with web.deskwire(few) as small, web.deskwire(many) as large:
            asked = {**ASKED, "after half of all": _after_half(small)}
            return [
                line for name, path in asked.items() for line in _measure(name, path, small, large)
            ]


def _multiply(file: Path) -> None:
    """Copy what a file has of each conversation but the records."""
    with closing(sqlite3.connect(file)) as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TEMP TABLE copies (copy INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO copies VALUES (?)", ((n,) for n in range(1, COPIES)))
        for table in TABLES:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            copied = [COPIED.get(f"{table}.{name}", COPIED.get(name, name)) for name in names]
            connection.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(copied)} "  # noqa: S608 - of our own file
                f"FROM copies CROSS JOIN (SELECT * FROM {table} LIMIT -1)"
            )
        connection.commit()
        connection.execute("PRAGMA journal_mode=WAL")


def _after_half(url: str) -> str:
    """The path of the page after half of the small file, which is half of the large one, too."""
    with urllib.request.urlopen(f"{url}{LIST}?limit={CONVERSATIONS // 2}") as answer:  # noqa: S310 - our own
        return f"{LIST}?cursor={json.load(answer)['next_cursor']}"


def _measure(name: str, path: str, small: str, large: str) -> list[Figure]:
    call: Call = ("GET", path, None)
    rounds: list[tuple[Load, Load]] = []
    for _ in range(ROUNDS):
        one, other = (web.load(url, repeat(call, REQUESTS), 1, 200) for url in (large, small))
        rounds.append((one, other))
    return web.delays(name, rounds, PEER)
