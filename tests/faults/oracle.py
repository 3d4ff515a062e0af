"""An independent judge: what was received, by plain SQL and JSON, against what OurAPI holds.

It shares no code with the merge, the view and the delivery that it judges.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, pairwise, permutations
from pathlib import Path
from typing import Any

from deskwire.sandbox.ourapi import OurAPI

DAY = 86_400
NEVER = 1 << 62  # later than every number of what was observed
FEW = 6  # transfers of one record's second, of which every order is tried

# Commits are in one row, so these numbers say what was known when something was sent.
OBSERVER = """
CREATE TABLE IF NOT EXISTS observed (
    number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, key TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS observe_message AFTER INSERT ON messages BEGIN
    INSERT INTO observed (what, key) VALUES ('known', 'message:' || new.external_id);
END;
CREATE TRIGGER IF NOT EXISTS observe_assignment AFTER INSERT ON assignments BEGIN
    INSERT INTO observed (what, key) SELECT 'known', CASE WHEN new.initial
        THEN 'initial:' || external_id ELSE 'transfer:' || new.external_id END
    FROM conversations WHERE id = new.conversation_id;
END;
CREATE TRIGGER IF NOT EXISTS observe_first_intent AFTER INSERT ON deliveries
WHEN new.intent IS NOT NULL BEGIN
    INSERT INTO observed (what, key) VALUES ('sent', json_extract(new.intent, '$.key'));
END;
CREATE TRIGGER IF NOT EXISTS observe_intent AFTER UPDATE ON deliveries
WHEN new.intent IS NOT NULL AND old.intent IS NOT new.intent BEGIN
    INSERT INTO observed (what, key) VALUES ('sent', json_extract(new.intent, '$.key'));
END;
"""

Line = tuple[int, str]  # Unix seconds, text as OurAPI must hold it


@dataclass
class Verdict:
    """Every difference; equal to an empty one when there is none."""

    missing: list[str] = field(default_factory=list)
    unheard_of: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    wrong_start: list[str] = field(default_factory=list)
    wrong_end: list[str] = field(default_factory=list)
    wrong_agent: list[str] = field(default_factory=list)
    wrong_author: list[str] = field(default_factory=list)
    chats: int = field(default=0, compare=False)
    messages: int = field(default=0, compare=False)


@dataclass(order=True)
class Transfer:
    """A hand-over, in the order in which it counts."""

    at: int
    received_at: int
    record: str
    old: int
    new: int
    key: str = field(compare=False)


@dataclass
class Truth:
    """What the records say of one conversation."""

    lines: dict[str, Line] = field(default_factory=dict)  # by the ledger's key
    order: dict[str, tuple[int, int, str, int]] = field(default_factory=dict)
    by_agent: set[str] = field(default_factory=set)  # keys of the lines that an agent wrote
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    first_advisor: int | None = None

    @property
    def start(self) -> int:
        instants = [at for at, _ in self.lines.values()] + [one.at for one in self.transfers]
        return max(self.starts) if self.starts else min(instants + self.ends)

    @property
    def advisors(self) -> set[int | None]:
        """Who may have it at the end: several where one second's transfers can be read so."""
        last: set[int | None] = {self.first_advisor}
        for tied in _moments(self.transfers):
            last = _after(last, tied)
        return last

    def holders(self, at: int, facts: set[str], name: str) -> set[int | None]:
        """Who had it in that second, by what was known when something was sent."""
        known = _moments([one for one in self.transfers if f"transfer:{one.key}" in facts])
        had: set[int | None] = {self.first_advisor if f"initial:{name}" in facts else None}
        if had == {None} and known:
            had = {one.old for one in known[0]}  # whoever handed it over had it
        for tied in known:
            if tied[0].at > at:
                break
            after = _after(had, tied)
            had = after | had | {one.new for one in tied} if tied[0].at == at else after
        return had


def _moments(transfers: list[Transfer]) -> list[list[Transfer]]:
    groups = groupby(sorted(transfers), lambda one: (one.at, one.received_at, one.record))
    return [list(group) for _, group in groups]


def _after(before: set[int | None], tied: list[Transfer]) -> set[int | None]:
    if len(tied) > FEW:
        return {one.new for one in tied}
    return {end for one in before for end in _ends_of_chains(one, tied)}


def _ends_of_chains(before: int | None, tied: list[Transfer]) -> set[int | None]:
    def breaks(chain: tuple[Transfer, ...]) -> int:
        is_cut = before is not None and chain[0].old != before
        return is_cut + sum(one.new != other.old for one, other in pairwise(chain))

    orders = list(permutations(tied))
    fewest = min(breaks(order) for order in orders)
    return {order[-1].new for order in orders if breaks(order) == fewest}


def observe(database: Path) -> None:
    """Have the database itself note the order in which messages become known and are sent."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(OBSERVER)


def judge(database: Path, api: OurAPI) -> Verdict:
    """Compare what was received with what OurAPI holds."""
    truths, emails = read(database)
    verdict = Verdict(chats=len(truths), messages=sum(len(one.lines) for one in truths.values()))
    chats = {chat.external_id: chat for chat in api.chats.values()}
    verdict.unheard_of = sorted(chats.keys() - truths.keys())
    known, sent = _observed(database)
    for name, truth in sorted(truths.items()):
        chat = chats.get(name)
        if chat is None:
            verdict.missing.append(name)
            continue
        messages = api.messages.get(chat.chat_id, [])
        held = [(_seconds(one.sent_at), one.text) for one in messages]
        _count(verdict, name, truth, held)
        verdict.out_of_order += _out_of_order(name, truth, held, known, sent)
        _compare(verdict.wrong_start, name, _seconds(chat.started_at), {truth.start})
        end = None if chat.ended_at is None else _seconds(chat.ended_at)
        _compare(verdict.wrong_end, name, end, {max(truth.ends, default=None)})
        agent = _email(api, chat.agent_id)
        wanted = _addresses(truth.advisors, emails)
        _compare(verdict.wrong_agent, name, agent, wanted)
        bears = [_email(api, one.agent_id) for one in messages]
        may_bear = _authors(name, truth, emails, known, sent)
        verdict.wrong_author += _wrong_authors(name, truth, held, bears, may_bear)
    return verdict


def _email(api: OurAPI, agent_id: str | None) -> str | None:
    if agent_id is None:
        return None
    return api.agents[agent_id].email.casefold() if agent_id in api.agents else "nobody there"


def _addresses(advisors: set[int | None], emails: dict[int, str]) -> set[str | None]:
    return {None if one is None else emails.get(one, f"{one}@bigchat.invalid") for one in advisors}


def _authors(
    name: str, truth: Truth, emails: dict[int, str], known: dict[str, int], sent: dict[str, int]
) -> dict[str, set[str | None]]:
    """Whom each line may bear: an agent's line whoever had the chat, any other line nobody."""
    may_bear: dict[str, set[str | None]] = {}
    for key, (at, _) in truth.lines.items():
        advisors: set[int | None] = {None}
        if key in truth.by_agent:
            before = sent.get(key, NEVER)
            facts = {fact for fact, number in known.items() if number < before}
            advisors = truth.holders(at, facts, name)
        may_bear[key] = _addresses(advisors, emails)
    return may_bear


def _wrong_authors(
    name: str,
    truth: Truth,
    held: list[Line],
    bears: list[str | None],
    may_bear: dict[str, set[str | None]],
) -> list[str]:
    """Equal lines are told apart by nothing: some way to match them must be right."""
    wrong = []
    for line in sorted(set(held) & set(truth.lines.values())):
        there = [agent for one, agent in zip(held, bears, strict=True) if one == line]
        allowed = [may_bear[key] for key, one in truth.lines.items() if one == line]
        if _matches(there, allowed) < min(len(there), len(allowed)):
            wrong.append(f"{name}: {line} by {there}, not {allowed}")
    return wrong


def _matches(there: list[str | None], allowed: list[set[str | None]]) -> int:
    """The most of them that can each have a set of their own."""
    taken: dict[int, int] = {}

    def place(one: int, tried: set[int]) -> bool:
        for number, agents in enumerate(allowed):
            if number in tried or there[one] not in agents:
                continue
            tried.add(number)
            if number not in taken or place(taken[number], tried):
                taken[number] = one
                return True
        return False

    return sum(place(one, set()) for one in range(len(there)))


def _compare(faults: list[str], name: str, held: object, wanted: set[Any]) -> None:
    if held not in wanted:
        faults.append(f"{name}: {held}, not {wanted}")


def _count(verdict: Verdict, name: str, truth: Truth, held: list[Line]) -> None:
    there, wanted = Counter(held), Counter(truth.lines.values())
    verdict.lost += [f"{name}: {one}" for one in (wanted - there).elements()]
    verdict.duplicated += [f"{name}: {one}" for one in (there - wanted).elements()]


def _out_of_order(
    name: str, truth: Truth, held: list[Line], known: dict[str, int], sent: dict[str, int]
) -> list[str]:
    """A message stands behind a later one though it was known when that one was sent."""
    keys: dict[Line, list[str]] = defaultdict(list)
    for key in sorted(truth.lines, key=lambda one: sent.get(one, 0), reverse=True):
        keys[truth.lines[key]].append(key)
    arrived = [keys[line].pop() for line in held if keys[line]]
    return [
        f"{name}: {truth.lines[other]} behind {truth.lines[one]}"
        for position, one in enumerate(arrived)
        for other in arrived[position + 1 :]
        if truth.order[other] < truth.order[one] and known[other] < sent.get(one, 0)
    ]


def _observed(database: Path) -> tuple[dict[str, int], dict[str, int]]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT number, what, key FROM observed ORDER BY number")
        seen: dict[str, dict[str, int]] = {"known": {}, "sent": {}}
        for number, what, key in rows:
            seen[what][key] = number  # the last time counts: what was forgotten is sent again
    return seen["known"], seen["sent"]


def read(database: Path) -> tuple[dict[str, Truth], dict[int, str]]:
    """What the records say: the conversations, and the e-mail addresses of advisors."""
    truths: dict[str, Truth] = defaultdict(Truth)
    emails: dict[int, str] = {}
    for record, kind, received_at, said in _records(database):
        match kind:
            case "page":
                for position, event in enumerate(said["events"]):
                    if _is_sound(event, received_at):
                        _tell(truths[str(event["conversation_id"])], event, record, position, said)
            case "detail":
                truth = truths[str(said["conversation_id"])]
                truth.first_advisor = said["advisor_id"]
                truth.starts += [one["event_at"] for one in said["events"]]
            case _:
                emails[said["advisor_id"]] = said["email_address"].casefold()
    return dict(truths), emails


def _records(database: Path) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT id, kind, received_at, body FROM records"
            " WHERE dedupe_key IS NULL ORDER BY received_at, id"
        ).fetchall()
    for record, kind, received_at, body in rows:
        said = json.loads(zlib.decompress(body))
        said["received_at"] = received_at
        yield record, kind, received_at, said


def _is_sound(event: Any, received_at: int) -> bool:  # noqa: ANN401 - it may be anything
    if not isinstance(event, dict) or not isinstance(event.get("conversation_id"), int):
        return False
    at, data = event.get("event_at"), event.get("data")
    if not isinstance(at, int) or at > received_at / 1_000_000 + DAY:
        return False
    match event.get("event_name"):
        case "START" | "END":
            return True
        case "MESSAGE":
            return isinstance(data, dict) and isinstance(data.get("message"), str)
        case "TRANSFER":
            names = ("old_advisor_id", "new_advisor_id")
            return isinstance(data, dict) and all(isinstance(data.get(one), int) for one in names)
        case _:
            return False


def _tell(
    truth: Truth, event: dict[str, Any], record: str, position: int, page: dict[str, Any]
) -> None:
    at, data, received_at = event["event_at"], event["data"], page["received_at"]
    match event["event_name"]:
        case "START":
            truth.starts.append(at)
        case "END":
            truth.ends.append(at)
        case "TRANSFER":
            agents = data["old_advisor_id"], data["new_advisor_id"]
            place = f"{record}/events/{position}"
            truth.transfers.append(Transfer(at, received_at, record, *agents, key=place))
        case _:
            key = f"message:{record}/events/{position}"
            truth.lines[key] = at, _as_held(data["message"])
            truth.order[key] = at, received_at, record, position
            if data.get("sender") == "agent":
                truth.by_agent.add(key)


def _as_held(text: str) -> str:
    text = text.replace("\0", "\ufffd").strip()
    if not text:
        return "[no text]"
    return f"[{text}]" if len(text) == 1 else text


def _seconds(instant: str) -> int:
    return int(datetime.fromisoformat(instant).replace(tzinfo=UTC).timestamp())
