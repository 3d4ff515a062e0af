"""Numbers of people: one for each e-mail address, and none is lost."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from deskwire.store import numbers
from deskwire.store.db import Connection
from tests.store.chats import WORKSPACE, meet, opened


def test_who_turns_out_to_be_one_person_has_the_lowest_number(tmp_path: Path) -> None:
    def learn(connection: Connection) -> None:
        meet(connection, "shop", "a", "ana@x.example")
        meet(connection, "hotel", "b", "bo@x.example")
        meet(connection, "shop", "c", "c@x.example")
        meet(connection, "hotel", "d", "d@x.example")
        meet(connection, "hotel", "b", "C@x.example")  # b and c are one
        meet(connection, "shop", "c", "Ana@X.example")  # who is Ana
        meet(connection, "hotel", "e", "e@x.example")

    def known(text: str, connection: Connection) -> list[str]:
        return [one.external_id for one in numbers.find(connection, WORKSPACE, text)]

    with opened(tmp_path / "x.db") as database:
        database.write(learn)

        found = {n: database.read(partial(known, n)) for n in "123456"}
        everybody = ["b", "a", "c"]
        assert found == {
            "1": everybody,
            "2": everybody,
            "3": everybody,
            "4": ["d"],
            "5": ["e"],
            "6": [],
        }
