"""Lists and reports over HTTP at 100,000 conversations with 1,000,000 messages, and at 1,000.

`deskwire run --roles web` as a process, asked over one connection. The file of 1,000 is imported;
the other one is its copy, with a hundred of each conversation. The ratio says what growth costs.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import repeat
from pathlib import Path

from bench import hub, web
from bench.figure import Figure, figure, percentile
from bench.importing import import_file, write_file
from bench.web import Load

CONVERSATIONS, PARTS, COPIES = 1_000, 9, 100
REQUESTS = 200

LIST = "/internal/conversations"
ASKED = {
    "list": LIST,
    "list, after 500": "",
    "list of an agent": f"{LIST}?agent=admin.7@example.com",
    "list of a customer": f"{LIST}?customer=customer.1100@example.com",
    "list of a status and channel": f"{LIST}?status=closed&channel=conversation",
    "list of a status that none has": f"{LIST}?status=queued",
    "list of a day": f"{LIST}?since=2026-05-29&until=2026-05-30",
    "q, a rare word": f"{LIST}?q=w1999",
    "q, a word that most have": f"{LIST}?q=w0",
    "q, two words": f"{LIST}?q=w0+w7",
    "q and an agent": f"{LIST}?q=w0&agent=admin.7@example.com",
    "/users/performance": "/users/performance",
}
