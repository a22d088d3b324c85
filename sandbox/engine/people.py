"""Who is who: the address book of the outside world, told by whoever plays it (PUT /_control/people).

A person has a role and addresses (numbers, mailboxes, devices). Who has written nothing down is known by the address
itself; an address that several people share belongs to each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.engine import inbox
from sandbox.engine.store import Transaction

KIND = "person"
ROLES = ("customer", "rider", "store", "ops", "somebody")
SOMEBODY = ROLES[-1]
HAS_ADDRESS = "EXISTS (SELECT 1 FROM json_each(body, '$.addresses') WHERE value = ?)"


@dataclass
class Person:
    """`key` stands in their inbox's address. The last message's `at`, `channel` and words are "" without any."""

    key: str
    name: str
    role: str = SOMEBODY
    addresses: list[str] = field(default_factory=list)
    count: int = 0
    at: str = ""
    channel: str = ""
    words: str = ""


def put(tx: Transaction, key: str, name: str, role: str, addresses: Sequence[str]) -> None:
    tx.put(KIND, key, {"key": key, "name": name, "role": role, "addresses": list(dict.fromkeys(addresses))})


def find_person(tx: Transaction, key: str) -> Person:
    """The person of that key, or who has it as an address; an address that is nobody's is a person too."""
    known = tx.get(KIND, key) or next(iter(tx.find_documents(KIND, clauses=[(HAS_ADDRESS, key)], limit=1)), None)
    return Person(**known) if known else Person(key, key, addresses=[key])


def all_with_messages(tx: Transaction, *, role: str = "", text: str = "") -> list[Person]:
    """Everybody who got or said something, the most recent first; `text` is part of a name or an address."""
    at_address: dict[str, list[dict[str, Any]]] = {}
    for known in tx.find_documents(KIND, limit=100_000):
        for address in known["addresses"]:
            at_address.setdefault(address, []).append(known)
    met: dict[str, Person] = {}
    for row in inbox.list_addresses(tx):
        nobody = [{"key": row["recipient"], "name": row["recipient"], "addresses": [row["recipient"]]}]
        for known in at_address.get(row["recipient"], nobody):
            person = met.setdefault(known["key"], Person(**known))
            person.count += row["count"]
            if not person.at:
                person.at, person.channel = inbox.format_iso(row["at"]), row["channel"]
                person.words = row["title"] or row["body"]
    return [person for person in met.values() if role in ("", person.role) and _is_meant(person, text.casefold())]


def _is_meant(person: Person, text: str) -> bool:
    return any(text in part.casefold() for part in (person.name, person.key, *person.addresses))
