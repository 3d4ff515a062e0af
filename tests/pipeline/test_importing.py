"""Imports into a real store: what is new, what was there, what leaves."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from deskwire import settings
from deskwire.core.errors import Misconfigured
from deskwire.core.facts import Said
from deskwire.core.model import Conversation
from deskwire.core.provider import Record
from deskwire.core.view import view
from deskwire.pipeline.hub import Hub
from deskwire.pipeline.importing import Imported, Plan, check_files, import_files, source_for
from deskwire.store import agents, conversations, records, schema
from deskwire.store.db import Connection, Database

T0 = 1_734_537_243
CONFIG = """
[[source]]
name = "intercom"
provider = "intercom"
destinations = ["our-api", "post"]
[[source]]
name = "shop"
provider = "intercom"
workspace = "shops"
[[destination]]
name = "our-api"
kind = "our_api"
base_url = "http://127.0.0.1:9"
[[destination]]
name = "post"
kind = "transcript_post"
url = "http://127.0.0.1:9"
"""

Json = dict[str, Any]


def version(number: int, grown: int) -> Json:
    """A conversation as it is after so many things happened in it."""
    parts = [
        {
            "id": f"{number}-{n}",
            "part_type": "comment" if n != 3 else "close",
            "body": f"<p>Part {n}</p>",
            "created_at": T0 + n,
            "author": {"type": "admin", "id": f"a{n}", "name": f"Agent {n}"},
            "assigned_to": {"type": "admin", "id": "a2"} if n == 2 else None,
        }
        for n in range(1, grown + 1)
    ]
    return {
        "id": f"c{number}",
        "created_at": T0,
        "updated_at": T0 + grown,
        "state": "closed" if grown >= 3 else "open",
        "admin_assignee_id": 1,
        "source": {"id": "1", "body": "Hello", "author": {"type": "user", "id": f"u{number}"}},
        "conversation_parts": {"conversation_parts": parts},
    }


@pytest.fixture(scope="module")
def empty() -> Iterator[Path]:
    """A database that holds nothing, to be copied."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/empty.db")
        schema.upgrade(database)
        database.close()
        yield Path(folder) / "empty.db"


@pytest.fixture
def hub(empty: Path, tmp_path: Path) -> Iterator[Hub]:
    with fresh(empty, tmp_path) as opened:
        yield opened


@contextmanager
def fresh(empty: Path, folder: Path) -> Iterator[Hub]:
    shutil.copy(empty, folder / "deskwire.db")
    (folder / "deskwire.toml").write_text(CONFIG)
    opened = settings.open_hub(settings.load(folder / "deskwire.toml"))
    try:
        yield opened
    finally:
        opened.database.close()


def take(
    hub: Hub, folder: Path, *contents: object, deliver: bool = False, dry_run: bool = False
) -> Imported:
    """Import files with these contents: bytes as they are, else as JSON."""
    names = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        names.append(str(path))
    plan = Plan(source=hub.sources["intercom"], deliver=deliver, dry_run=dry_run)
    return import_files(hub, plan, names)


def known(hub: Hub) -> dict[str, Conversation]:
    """Every conversation as it reads."""
    return hub.database.read(_known)


def _known(connection: Connection) -> dict[str, Conversation]:
    found = {}
    for (row,) in connection.exec_driver_sql("SELECT id FROM conversations"):
        stored = conversations.load(connection, "main", row)
        assert stored is not None
        people = agents.load(connection, "main", "intercom", stored.facts.agents())
        found[stored.origin.external_id] = view(stored.facts, stored.origin, people)
    return found


def rows(hub: Hub, query: str) -> list[tuple[Any, ...]]:
    return hub.database.read(lambda c: [tuple(one) for one in c.exec_driver_sql(query)])


def due(hub: Hub) -> list[tuple[Any, ...]]:
    """What is to be sent: (destination, conversation), in order."""
    return rows(
        hub,
        "SELECT w.target, c.external_id FROM work w JOIN conversations c ON c.id = w.key "
        "WHERE w.kind = 'deliver' ORDER BY 1, 2",
    )


def as_lines(told: list[Json]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in told).encode()


def as_page(told: list[Json]) -> bytes:
    return json.dumps({"pages": {}, "conversations": told}, indent=1).encode()


def as_list(told: list[Json]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()


versions = st.builds(version, st.integers(1, 3), st.integers(0, 4))
shapes = st.sampled_from([as_lines, as_page, as_list])


def after(empty: Path, *contents: object) -> dict[str, Conversation]:
    with tempfile.TemporaryDirectory() as folder, fresh(empty, Path(folder)) as hub:
        take(hub, Path(folder), *contents)
        return known(hub)


@hypothesis_settings(max_examples=15)
@given(told=st.lists(versions, max_size=6), data=st.data())
def test_any_order_shape_and_split_into_files_tells_the_same_conversations(
    empty: Path, told: list[Json], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(told))
    cut = data.draw(st.integers(0, len(told)))
    one, other = data.draw(shapes), data.draw(shapes)

    split = after(empty, one(shuffled[:cut]), other(shuffled[cut:]))

    assert split == after(empty, told)


@pytest.mark.parametrize("shape", [as_lines, as_page, as_list])
def test_an_import_again_changes_nothing_whatever_the_shape(
    hub: Hub, tmp_path: Path, shape: Callable[[list[Json]], bytes]
) -> None:
    told = [version(1, 1), version(2, 3), version(1, 4)]
    first = take(hub, tmp_path, told)
    before = rows(hub, "SELECT id, version FROM conversations UNION SELECT id, kind FROM records")

    again = take(hub, tmp_path, shape(told))

    assert first == Imported(read=3, new=2, changed=1)
    assert again == Imported(read=3, unchanged=3)
    after = rows(hub, "SELECT id, version FROM conversations UNION SELECT id, kind FROM records")
    assert after == before


def test_what_is_older_or_only_said_in_other_words_changes_nothing(
    hub: Hub, tmp_path: Path
) -> None:
    take(hub, tmp_path, version(1, 4))
    other_words = dict(reversed(version(1, 4).items()))

    assert take(hub, tmp_path, version(1, 3), other_words) == Imported(read=2, unchanged=2)


def test_a_dry_run_counts_the_same_and_stores_nothing(hub: Hub, tmp_path: Path) -> None:
    take(hub, tmp_path, version(1, 2))
    told = [version(1, 2), version(1, 3), version(2, 1), b"bad\n", version(2, 1), version(2, 2)]
    before = rows(hub, "SELECT count(*) FROM records UNION ALL SELECT count(*) FROM messages")

    dry = take(hub, tmp_path, *told, dry_run=True)

    assert rows(hub, "SELECT count(*) FROM records UNION ALL SELECT count(*) FROM messages") == (
        before
    )
    assert [one.partition(": ")[2][:10] for one in dry.errors] == ["its JSON b"]
    assert msgspec.structs.replace(dry, errors=[]) == msgspec.structs.replace(
        take(hub, tmp_path, *told), errors=[]
    )


def test_an_import_sends_nothing(hub: Hub, tmp_path: Path) -> None:
    take(hub, tmp_path, version(1, 3), version(2, 4), version(1, 4))

    assert due(hub) == []


def test_an_agent_who_is_learned_in_an_import_sends_nothing(hub: Hub, tmp_path: Path) -> None:
    renamed = version(2, 2)
    renamed["conversation_parts"]["conversation_parts"][1]["author"]["name"] = "Another name"

    take(hub, tmp_path, version(1, 2), renamed)

    assert due(hub) == []


@pytest.mark.parametrize("before", [False, True], ids=["new", "imported before"])
def test_an_import_that_delivers_sends_all_and_transcripts_of_what_is_over(
    hub: Hub, tmp_path: Path, *, before: bool
) -> None:
    told = [version(1, 3), version(2, 1)]
    if before:
        take(hub, tmp_path, told)

    take(hub, tmp_path, told, deliver=True)

    assert due(hub) == [("our-api", "c1"), ("our-api", "c2"), ("post", "c1")]


def test_a_bad_line_is_kept_once_with_its_reason_and_the_rest_goes_on(
    hub: Hub, tmp_path: Path
) -> None:
    lines = as_lines([version(1, 1)]) + b'{"id": "c9", \n' + as_lines([version(2, 1)])

    imported = [take(hub, tmp_path, lines) for _ in range(2)]

    assert imported == [
        Imported(read=3, new=2, set_aside=1),
        Imported(read=3, unchanged=2, set_aside=1),
    ]
    [(record,)] = rows(hub, "SELECT record_id FROM set_aside")
    bad = hub.database.read(lambda c: records.get(c, "main", record))
    assert bad is not None
    assert (bad.kind, bad.body, bad.origin) == (
        "file",
        b'{"id": "c9",',
        f"{tmp_path}/0.json, line 2",
    )


def test_before_a_break_all_is_kept_and_the_next_file_is_read(hub: Hub, tmp_path: Path) -> None:
    broken = json.dumps([version(1, 1), version(2, 1)])[:-1].encode() + b", {"

    imported = take(hub, tmp_path, broken, version(3, 1))

    [error] = imported.errors
    assert error.startswith(f"{tmp_path}/0.json: its JSON breaks off at byte {len(broken)}: ")
    assert error.endswith("; what came before counts: mend it and import it again")
    assert (imported.new, sorted(known(hub))) == (3, ["c1", "c2", "c3"])


def test_a_place_that_cannot_be_read_costs_only_itself(hub: Hub, tmp_path: Path) -> None:
    told = version(1, 2)
    told["conversation_parts"]["conversation_parts"][0]["created_at"] = "yesterday"

    imported = take(hub, tmp_path, told, {"id": 7}, "no conversation")

    assert imported == Imported(read=3, new=1, set_aside=3)
    assert [one.external_id for one in known(hub)["c1"].messages] == ["source:1", "1-2"]


def test_a_fault_of_the_provider_sets_one_value_aside(hub: Hub, tmp_path: Path) -> None:
    intercom = hub.sources["intercom"]

    def normalise(record: Record) -> Iterator[Said]:
        if b"c1" in record.body:
            raise ZeroDivisionError
        return intercom.provider.normalise(record)

    faulty = msgspec.structs.replace(intercom.provider, normalise=normalise)
    hub.sources["intercom"] = msgspec.structs.replace(intercom, provider=faulty)

    imported = take(hub, tmp_path, [version(1, 1), version(2, 1)])

    assert imported == Imported(read=2, new=1, set_aside=1)


def test_of_two_that_are_as_new_the_later_in_the_file_counts(hub: Hub, tmp_path: Path) -> None:
    told = [{**version(1, 1), "title": f"Title {n}"} for n in range(9)]

    take(hub, tmp_path, told)

    assert known(hub)["c1"].subject == "Title 8"


def test_a_card_number_does_not_get_into_the_store(hub: Hub, tmp_path: Path) -> None:
    told = version(1, 0)
    told["source"]["body"] = "My card is 4111 1111 1111 1111."

    take(hub, tmp_path, told)

    [message] = known(hub)["c1"].messages
    assert message.text == "My card is **** **** **** ****."


def test_a_file_of_a_desk_is_one_record(hub: Hub, tmp_path: Path) -> None:
    chats = tmp_path / "chats.json"
    chats.write_text('{"users": [], "chats": [{"chat_id": 1, "created": "2020-09-29 08:55:20"}]}')
    plan = Plan(source=source_for(hub, "desk", None, None))

    imported = [import_files(hub, plan, [str(chats)]) for _ in range(2)]

    assert imported == [Imported(read=1, new=1), Imported(read=1, unchanged=1)]


def test_progress_is_told_in_bytes_of_the_file(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(as_list([version(n, 4) for n in range(100)]))
    told: list[int] = []

    import_files(hub, Plan(source=hub.sources["intercom"]), [str(path)], told.append)

    assert (sum(told), len(told)) == (path.stat().st_size, 100)


@pytest.mark.parametrize(
    ("provider", "workspace", "name", "found"),
    [
        ("intercom", None, None, "intercom"),
        ("intercom", "main", None, "intercom"),
        ("intercom", "shops", None, "shop"),
        ("intercom", None, "shop", "shop"),
        ("desk", None, None, "desk"),
    ],
)
def test_an_import_belongs_to_the_source_that_is_meant(
    hub: Hub, provider: str, workspace: str | None, name: str | None, found: str
) -> None:
    assert source_for(hub, provider, workspace, name).name == found


@pytest.mark.parametrize(
    ("provider", "workspace", "name", "why"),
    [
        ("intercon", None, None, "provider 'intercon' is unknown"),
        (
            "bigchat",
            None,
            None,
            "bigchat has no files; what can be imported: desk, intercom, spreadsheet",
        ),
        ("intercom", "nowhere", None, "no source of intercom in workspace nowhere"),
        ("intercom", "main", "shop", "no source 'shop' of intercom in workspace main"),
        ("desk", None, "intercom", "no source 'intercom' of desk; there are: desk"),
    ],
)
def test_a_source_that_is_not_clear_is_asked_for(
    hub: Hub, provider: str, workspace: str | None, name: str | None, why: str
) -> None:
    with pytest.raises(Misconfigured, match=why):
        source_for(hub, provider, workspace, name)


def test_of_several_sources_none_is_guessed(hub: Hub) -> None:
    hub.sources["inn"] = msgspec.structs.replace(hub.sources["shop"], name="inn")

    with pytest.raises(Misconfigured, match="there are: shop, inn; say which with --source"):
        source_for(hub, "intercom", "shops", None)


def test_files_that_are_not_there_are_told_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "there").touch()

    with pytest.raises(Misconfigured) as error:
        check_files(["-", *(str(tmp_path / name) for name in ("there", "not", ""))])

    assert str(error.value) == (
        f"{tmp_path}/not is not there\n{tmp_path} is a directory: name the files in it"
    )
