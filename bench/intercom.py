"""Intercom conversations to post and to import; of about 2 KB when they have five parts."""

from __future__ import annotations

from random import Random

import msgspec

FIRST_SECOND = 1_780_000_000
ADMINS, CUSTOMERS, WORDS = 40, 5_000, 2_000
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]
TAGS = ("billing", "delivery", "returns", "login", "feedback")


def conversation(number: int, parts: int = 5) -> bytes:
    """The conversation of a number, as JSON; the same one for the same number."""
    random = Random(number)
    began_at = FIRST_SECOND + number * 60
    customer = random.randrange(CUSTOMERS)
    admin = random.randint(1, ADMINS)
    author = {
        "type": "admin",
        "id": str(admin),
        "name": f"Admin {admin}",
        "email": f"admin.{admin}@example.com",
    }
    user = {
        "type": "user",
        "id": f"5f{customer:022x}",
        "name": f"Customer {customer}",
        "email": f"customer.{customer}@example.com",
    }
    told = [
        {
            "type": "conversation_part",
            "id": f"{number}-{place}",
            "part_type": {1: "assignment", parts: "close"}.get(place, "comment"),
            "body": f"<p>{_text(random, 12)}</p>",
            "created_at": began_at + 60 * place,
            "updated_at": began_at + 60 * place,
            "author": author if place % 2 else user,
            "assigned_to": {"type": "admin", "id": author["id"]} if place == 1 else None,
        }
        for place in range(1, parts + 1)
    ]
    return msgspec.json.encode(
        {
            "type": "conversation",
            "id": str(10_000_000 + number),
            "created_at": began_at,
            "updated_at": began_at + 60 * parts,
            "state": "closed",
            "assignee": {"type": "admin", "id": author["id"]},
            "conversation_message": {
                "type": "conversation",
                "id": str(40_000_000 + number),
                "subject": _text(random, 4),
                "body": f"<p>{_text(random, 15)}</p>",
                "author": user,
            },
            "tags": {"type": "tag.list", "tags": [{"type": "tag", "name": random.choice(TAGS)}]},
            "conversation_parts": {
                "type": "conversation_part.list",
                "conversation_parts": told,
            },
        }
    )


def word(number: int) -> str:
    """The smaller its number, the more frequent is one."""
    return SYLLABLES[number // len(SYLLABLES)] + SYLLABLES[number % len(SYLLABLES)]


def _text(random: Random, length: int) -> str:
    return " ".join(word(int(WORDS * random.random() ** 3)) for _ in range(length))
