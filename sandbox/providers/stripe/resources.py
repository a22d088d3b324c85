"""Reading and listing stored Stripe objects, and `expand_ids`."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.engine.store import Transaction
from sandbox.providers.stripe import errors
from sandbox.providers.stripe.form import Parameters

PREFIXES = {
    "payment_intent": "pi",
    "charge": "ch",
    "refund": "re",
    "account": "acct",
    "transfer": "tr",
    "transfer_reversal": "trr",
    "payout": "po",
    "event": "evt",
}
# Fields that hold the id of another object: what `expand_ids` may replace.
REFERENCES = {
    "latest_charge": "charge",
    "charge": "charge",
    "source_transaction": "charge",
    "payment_intent": "payment_intent",
    "destination": "account",
    "transfer": "transfer",
}
LIST_PARAMS = "limit starting_after ending_before created"
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

Object = dict[str, Any]


def kind_of(name: str) -> str:
    """The store's kind for a Stripe object type."""
    return f"stripe.{name}"


def new_id(name: str) -> str:
    return f"{PREFIXES[name]}_{secrets.token_hex(12)}"


def save(tx: Transaction, obj: Object) -> Object:
    tx.put(kind_of(obj["object"]), obj["id"], obj)
    return obj


def fetch_object(tx: Transaction, name: str, object_id: str, *, param: str = "id", status: int = 404) -> Object:
    found = tx.get(kind_of(name), object_id)
    if found is None:
        raise errors.missing_resource(name, object_id, param=param, status=status)
    return found


def list_objects(
    tx: Transaction,
    name: str,
    params: Parameters,
    url: str,
    where: dict[str, Any],
    clauses: list[tuple[str, Any]] | None = None,
) -> Object:
    """Newest first, by pages: `limit` 1..100, `starting_after` goes to older, `ending_before` to newer objects."""
    limit = params.get_integer("limit", 10) or 0
    if not 1 <= limit <= 100:
        raise errors.invalid_request("Invalid limit: must be between 1 and 100", param="limit")
    clauses = [*(clauses or []), *_created_clauses(params)]
    backwards = "ending_before" in params
    for param, comparison in (("starting_after", "seq < ?"), ("ending_before", "seq > ?")):
        if cursor := params.get_text(param):
            sequence = tx.sequence_of(kind_of(name), cursor)
            if sequence is None:
                raise errors.missing_resource(name, cursor, param=param, status=400)
            clauses.append((comparison, sequence))
    found = tx.find_documents(kind_of(name), where, clauses=clauses, newest_first=not backwards, limit=limit + 1)
    page = found[:limit]
    if backwards:
        page.reverse()
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": page}


def _created_clauses(params: Parameters) -> list[tuple[str, Any]]:
    value = params.values.get("created")
    if value is None:
        return []
    bounds = value if isinstance(value, dict) else {"gte": value, "lte": value}
    clauses: list[tuple[str, Any]] = []
    for name, bound in bounds.items():
        if name not in COMPARISONS or not str(bound).isdigit():
            raise errors.invalid_request("Invalid created filter", param="created")
        clauses.append((f"CAST(created AS INTEGER) {COMPARISONS[name]} ?", int(bound)))
    return clauses


def check_expandable(names: list[str]) -> list[str]:
    """Refuse what cannot be expanded before anything is executed."""
    for name in names:
        if name.removeprefix("data.") not in REFERENCES:
            raise errors.invalid_request(f"This property cannot be expanded ({name}).", param="expand")
    return names


def expand_ids(tx: Transaction, answer: Object, names: list[str]) -> Object:
    """Replace ids by objects, one level deep; `data.<field>` does so for each object of a list."""
    for name in names:
        field = name.removeprefix("data.")
        for obj in answer["data"] if name.startswith("data.") else [answer]:
            if isinstance(obj.get(field), str):
                obj[field] = tx.get(kind_of(REFERENCES[field]), obj[field]) or obj[field]
    return answer
