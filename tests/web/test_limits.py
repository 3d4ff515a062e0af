"""Who may ask, and how much at once, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import uvloop
from structlog.testing import capture_logs

from tests.web.serving import Served, error, served

PATH = "/integrations/intercom/conversations"
TOO_LARGE = error("payload_too_large", "a body may have 1 MiB, as max_body_mib says")


def test_a_hub_answers_to_names_of_this_machine_only(tmp_path: Path) -> None:
    """A page that resolves its own name to this machine calls us by that name."""
    fine = (200, {"status": "ok"})
    refused = (400, error("invalid_host", "this hub answers to localhost only"))
    expected = {
        "127.0.0.1:8000": fine,
        "localhost": fine,
        "LocalHost:1": fine,
        "[::1]:8000": fine,
        "": refused,
        "evil.example": refused,
        "localhost.evil.example": refused,
        "evil@localhost": refused,
        "localhost:x": refused,
        "127.0.0.1, evil.example": refused,
    }

    async def story() -> None:
        async with served(tmp_path) as client:
            assert {host: await client.ask("/health", Host=host) for host in expected} == expected

    uvloop.run(story())


def test_a_request_without_a_name_or_with_two_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as client:
            for head in ("", "Host: localhost\r\nHost: localhost\r\n"):
                async with connected(client) as (reader, writer):
                    writer.write(f"GET /health HTTP/1.0\r\n{head}\r\n".encode())
                    assert (await reader.readline()).split()[1] == b"400"

    uvloop.run(story())


def test_no_page_but_our_own_may_call(tmp_path: Path) -> None:
    ours = ("http://localhost:80", "https://LOCALHOST:80")
    others = ("http://localhost", "http://localhost:8000", "https://evil.example", "null", "")
    expected: dict[str, object] = {origin: (200, {"status": "ok"}) for origin in ours}
    for origin in others:
        message = f"pages of {origin} may not call this hub"
        expected[origin] = (403, error("forbidden_origin", message))

    async def story() -> None:
        async with served(tmp_path) as client:
            got = {
                origin: await client.ask("/health", Host="localhost:80", Origin=origin)
                for origin in expected
            }
            assert got == expected

    uvloop.run(story())


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            served(tmp_path, max_body_mib=1) as client,
            connected(client) as (reader, writer),
        ):
            writer.write(head("Content-Length: 10000000000") + b"{")
            answer = await reader.read()  # to the end: the connection is closed

            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.endswith(b'"a body may have 1 MiB, as max_body_mib says","details":null}')

    uvloop.run(story())


def test_a_body_of_unknown_length_is_read_to_the_limit_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            served(tmp_path, max_body_mib=1) as client,
            connected(client) as (_, writer),
        ):
            writer.write(head("Transfer-Encoding: chunked"))
            # What is on its way when the hub closes is not read, but it was sent.
            assert await flood(writer) < 16 << 20

    uvloop.run(story())


def test_a_body_one_byte_beyond_the_limit_is_told_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path, max_body_mib=1) as client:

            async def body(size: int) -> AsyncIterator[bytes]:
                yield b" " * size

            url = f"http://127.0.0.1:{client.port}{PATH}"
            for size, status in ((1 << 20, 400), ((1 << 20) + 1, 413)):
                for sent in (BytesIO(b" " * size), body(size)):
                    async with client.session.post(url, data=sent) as answer:
                        assert answer.status == status
                        if status == 413:
                            assert await answer.json() == TOO_LARGE

    uvloop.run(story())


def test_a_client_that_leaves_in_the_middle_is_no_fault(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as client:
            for path in (PATH, "/desk/agents"):
                async with connected(client) as (_, writer):
                    writer.write(head("Content-Length: 100", path) + b"{")
                    await writer.drain()
            assert await client.ask("/health") == (200, {"status": "ok"})

    with capture_logs() as lines:
        uvloop.run(story())

    assert lines == []


async def flood(writer: asyncio.StreamWriter) -> int:
    """Send without an end; the bytes that could be sent, 1 GiB at most."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 1 << 30:
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            await writer.drain()
            sent += 65536
    return sent


def head(length: str, path: str = PATH) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()


@asynccontextmanager
async def connected(
    client: Served,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    try:
        yield reader, writer
    finally:
        writer.close()
