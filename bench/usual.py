"""The peer: the same route as it is usually written, with pydantic, an ORM and a commit each.

It stores conversations, participants and messages as they are told: no record of what came in, no
card numbers masked, HTML as it is, no search, nothing derived.
"""

from __future__ import annotations

import sys
import threading
import uuid
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel
from sqlalchemy import ForeignKey, UniqueConstraint, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

PROVIDER = "intercom"
ROLES = {"user": "customer", "lead": "customer", "contact": "customer", "admin": "agent"}


class Author(BaseModel):
    """Who wrote it."""

    id: str
    type: str = ""
    name: str | None = None
    email: str | None = None


class Opening(BaseModel):
    """The first message."""

    id: str | None = None
    body: str
    author: Author


class Part(BaseModel):
    """What came after."""

    id: str
    body: str | None = None
    created_at: int
    author: Author


class Parts(BaseModel):
    """The list of parts."""

    conversation_parts: list[Part] = []


class Payload(BaseModel):
    """A conversation as it is posted."""

    id: str
    created_at: int
    updated_at: int | None = None
    state: str | None = None
    conversation_message: Opening
    conversation_parts: Parts = Parts()


class Taken(BaseModel):
    """The answer."""

    id: str
    provider: str
    external_id: str
    deduplicated: bool


class Base(DeclarativeBase):
    """Of the tables."""


class Participant(Base):
    """Someone in a conversation."""

    __tablename__ = "participants"
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    name: Mapped[str | None]
    email: Mapped[str | None]


class Message(Base):
    """What someone wrote."""

    __tablename__ = "messages"
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    author: Mapped[str]
    sent_at: Mapped[int]
    text: Mapped[str]


class Conversation(Base):
    """A conversation."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("provider", "external_id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    external_id: Mapped[str]
    status: Mapped[str | None]
    started_at: Mapped[int] = mapped_column(index=True)
    updated_at: Mapped[int | None]
    participants: Mapped[list[Participant]] = relationship()
    messages: Mapped[list[Message]] = relationship()


def create_app(url: str) -> FastAPI:
    """The application on a database; what writes waits for its turn in the process, not in SQLite.

    SQLite's own way to wait is to sleep: without the lock it is slower by far.
    """
    app, engine, turn = FastAPI(), create_engine(url), threading.Lock()
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    Base.metadata.create_all(engine)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/integrations/intercom/conversations")
    def take(payload: Payload, response: Response) -> Taken:
        with turn, Session(engine) as session, session.begin():
            known = select(Conversation).filter_by(provider=PROVIDER, external_id=payload.id)
            conversation = session.scalars(known).first()
            is_new = conversation is None
            if conversation is None:
                conversation = Conversation(
                    id=str(uuid.uuid4()), provider=PROVIDER, external_id=payload.id
                )
                session.add(conversation)
            _fill(conversation, payload)
            taken = Taken(
                id=conversation.id,
                provider=PROVIDER,
                external_id=payload.id,
                deduplicated=not is_new,
            )
        response.status_code = 201 if is_new else 200
        return taken

    return app


def _fill(conversation: Conversation, payload: Payload) -> None:
    """What is new, and what is newer."""
    conversation.status = payload.state
    conversation.started_at = payload.created_at
    conversation.updated_at = payload.updated_at
    first, parts = payload.conversation_message, payload.conversation_parts.conversation_parts
    said = {"source": (first.author, payload.created_at, first.body)}
    said |= {one.id: (one.author, one.created_at, one.body) for one in parts if one.body}
    participants = {one.external_id: one for one in conversation.participants}
    messages = {one.external_id: one for one in conversation.messages}
    for key, (author, sent_at, text) in said.items():
        if author.id not in participants:
            participants[author.id] = Participant(external_id=author.id)
            conversation.participants.append(participants[author.id])
        participants[author.id].role = ROLES.get(author.type, "unknown")
        participants[author.id].name = author.name or None
        participants[author.id].email = author.email or None
        if key not in messages:
            messages[key] = Message(external_id=key)
            conversation.messages.append(messages[key])
        messages[key].author = author.id
        messages[key].sent_at = sent_at
        messages[key].text = text


def _prepare(dbapi: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    dbapi.isolation_level = None  # transactions are begun by the engine's event
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        dbapi.execute(f"PRAGMA {pragma}")


if __name__ == "__main__":
    uvicorn.run(create_app(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
