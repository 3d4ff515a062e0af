"""What /openapi.json says holds: of every route there is, with what it allows and what not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import uvloop
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deskwire import settings
from deskwire.web.app import create_app
from tests.web.serving import served

#: Requests, over all operations.
TOTAL = 2000
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
#: What is there before: things to be found, changed and collided with.
THERE: list[tuple[str, dict[str, Any]]] = [
    ("/desk/agents", {"name": "Ana", "email": "ana@shop.example"}),
    ("/desk/chats", {"external_id": "a", "started_at": "2026-01-01T10:00:00"}),
    (
        "/integrations/intercom/conversations",
        {
            "id": "c1",
            "created_at": 1_767_261_600,
            "conversation_message": {"body": "Hello", "author": {"type": "user", "id": "u1"}},
        },
    ),
]


def published() -> dict[str, Any]:
    """The schema of a hub as it is without any configuration."""
    nowhere = settings.StoreSettings(url="sqlite:///:memory:")
    hub = settings.open_hub(settings.Settings(store=nowhere))
    try:
        return create_app(hub).openapi()
    finally:
        hub.database.close()


SCHEMA = published()
OPERATIONS = [
    (path, method) for path, methods in sorted(SCHEMA["paths"].items()) for method in methods
]


def has_input(path: str, method: str) -> bool:
    """Whether there is more than one way to ask."""
    operation = SCHEMA["paths"][path][method]
    return "parameters" in operation or "requestBody" in operation


EXAMPLES = TOTAL // sum(has_input(*one) for one in OPERATIONS)


@dataclass
class Target:
    """A hub that is served, and ids of what it has."""

    url: str
    known: list[str]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A hub on a real file and socket, in a thread of its own."""
    started: Future[str] = Future()
    stop = asyncio.Event()
    loop = uvloop.new_event_loop()
    folder = tmp_path_factory.mktemp("hub")
    thread = threading.Thread(target=loop.run_until_complete, args=[serve(folder, started, stop)])
    thread.start()
    url = started.result(timeout=30)
    for path, body in THERE:
        assert requests.post(f"{url}{path}", json=body, timeout=30).status_code == 201
    conversations = requests.get(f"{url}/internal/conversations", timeout=30).json()["items"]
    agents = requests.get(f"{url}/desk/agents", timeout=30).json()
    known = ["1", "u1", "customers"]
    yield Target(url, [*known, *(one["id"] for one in conversations), agents[0]["agent_id"]])
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


async def serve(folder: Path, started: Future[str], stop: asyncio.Event) -> None:
    try:
        async with served(folder) as client:
            started.set_result(f"http://127.0.0.1:{client.port}")
            await stop.wait()
    except Exception as error:
        started.set_exception(error)
        raise


def requests_for(
    operation: APIOperation[Any, Any, Any, Any], path: str, method: str
) -> st.SearchStrategy[Any]:
    """What is allowed and, where there is any, what is not."""
    modes = list(GenerationMode) if has_input(path, method) else [GenerationMode.POSITIVE]
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_a_route_answers_as_published(target: Target, path: str, method: str) -> None:
    operation = schemathesis.openapi.from_dict(SCHEMA)[path][method]
    session = requests.Session()

    @given(
        case=requests_for(operation, path, method),
        known=st.none() | st.sampled_from(target.known),
    )
    @how(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case[Any], known: str | None) -> None:
        if known is not None:
            case.path_parameters = dict.fromkeys(case.path_parameters, known)
        case.call_and_validate(base_url=target.url, session=session, checks=CHECKS)

    with session:
        ask()
