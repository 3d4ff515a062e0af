"""Facts in rows are the same facts when they come back."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from sqlalchemy import Table, create_engine, insert, select

from deskwire.core.facts import AssignmentFacts, Item, MessageFacts, ParticipantFacts, Stamp
from deskwire.core.model import Attachment
from deskwire.store import tables
from deskwire.store.conversations import item_of, row_of

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
BIG = st.integers(0, 2**62)
STAMPS = st.builds(Stamp, BIG, BIG, TEXTS, st.integers(0, 2**31 - 1))
ROLES = st.sampled_from(["customer", "agent", "bot", "system", "unknown"])
FILES = st.builds(
    Attachment, name=TEXTS, type=st.none() | TEXTS, size=st.none() | BIG, url=st.none() | TEXTS
)
VALUES: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    ParticipantFacts: {"role": ROLES, "name": TEXTS, "email": TEXTS},
    MessageFacts: {
        "author": TEXTS,
        "author_role": ROLES,
        "sent_at": INSTANTS,
        "text": TEXTS,
        "kind": st.sampled_from(["public", "note"]),
        "attachments": st.lists(FILES, max_size=3).map(tuple),
        "redacted": st.booleans(),
        "deleted": st.booleans(),
    },
    AssignmentFacts: {
        "previous_agent": TEXTS,
        "team": TEXTS,
        "from_at": INSTANTS,
    },
}
TABLES: dict[type[Any], Table] = {
    ParticipantFacts: tables.participants,
    MessageFacts: tables.messages,
    AssignmentFacts: tables.assignments,
}
OF_ASSIGNMENT: dict[str, st.SearchStrategy[Any]] = {
    "agent": st.none() | TEXTS,
    "initial": st.booleans(),
}


@st.composite
def items(draw: st.DrawFn) -> Item[Any]:
    kind = draw(st.sampled_from(list(VALUES)))
    fields = {name: draw(st.just(UNSET) | values) for name, values in VALUES[kind].items()}
    if kind is AssignmentFacts:
        fields |= {name: draw(values) for name, values in OF_ASSIGNMENT.items()}
    said = [name for name, value in fields.items() if value is not UNSET]
    stamps = draw(st.dictionaries(st.sampled_from(said), STAMPS)) if said else {}
    return Item(value=kind(**fields), stamp=draw(STAMPS), stamps=stamps)


@given(items())
def test_facts_come_back_from_the_database_as_they_went_in(item: Item[Any]) -> None:
    table = TABLES[type(item.value)]
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        keys = {"workspace": "main", "conversation_id": "c", "external_id": "e"}
        connection.execute(insert(table).values(**keys, **row_of(item)))
        row = connection.execute(select(table)).mappings().one()

        assert item_of(row, type(item.value)) == item
    engine.dispose()
