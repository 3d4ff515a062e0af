"""Who took part: everybody with an id, and of the admins what the account learns of its agents."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET

from deskwire.core.facts import ParticipantFacts, PersonFacts
from deskwire.core.model import Role
from deskwire.providers.intercom.shapes import LONGEST_EMAIL, Author, Reader, id_of

ROLES: dict[str, Role] = {
    "user": "customer",
    "lead": "customer",
    "contact": "customer",
    "admin": "agent",
    "team": "agent",
    "bot": "bot",
}


class People:
    """Those whom one conversation names."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._admins: dict[tuple[str, ParticipantFacts], PersonFacts] = {}

    @property
    def agents(self) -> list[PersonFacts]:
        """Each admin once for each name and address that was said, as of the last time."""
        return list(self._admins.values())

    def meet(self, author: Author | None, at: str, as_of: datetime) -> dict[str, ParticipantFacts]:
        """What an author says of himself, by id; empty where there is no id."""
        key = id_of(author.id) if author is not None else None
        if author is None or key is None:
            return {}
        word = self._reader.text(author.type, f"{at}/type")
        said = ParticipantFacts(
            role=ROLES.get(word or "", UNSET),
            name=self._reader.text(author.name, f"{at}/name") or UNSET,
            email=self._email(author, at) or UNSET,
        )
        before = self._admins.get((key, said))
        is_told = said.name is not UNSET or said.email is not UNSET
        if word == "admin" and is_told and (before is None or before.as_of < as_of):
            person = PersonFacts(at=at, external_id=key, as_of=as_of, said=said)
            self._admins[key, said] = person
        return {key: said}

    def _email(self, author: Author, at: str) -> str | None:
        email = self._reader.text(author.email, f"{at}/email")
        if email is None or len(email) <= LONGEST_EMAIL:
            return email
        self._reader.set_aside(f"{at}/email", f"no address has {len(email)} characters")
        return None
