"""Stripe's request bodies: URL-encoded with brackets, `metadata[order]=7`, `expand[0]=charge`, `types[]=a`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.providers.stripe import errors

METADATA_KEYS = 50  # docs.stripe.com/api/metadata: 50 keys, names up to 40 characters, values up to 500
METADATA_NAME_CHARS = 40
METADATA_VALUE_CHARS = 500
LARGEST_AMOUNT = 99_999_999


def decode_form(encoded: str) -> dict[str, Any]:
    """Nested dicts; a dict whose keys are all numbers (or empty) becomes a list."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        head, *rest = name.replace("]", "").split("[")
        node = tree
        steps = [head, *rest]
        for step in steps[:-1]:
            child = node.setdefault(step, {})
            if not isinstance(child, dict):
                raise errors.invalid_request(f"Invalid request: {name} is both a value and a hash", param=head)
            node = child
        last = steps[-1] or str(len(node))
        node[last] = value
    return {name: _to_lists(value) for name, value in tree.items()}


def _to_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {name: _to_lists(item) for name, item in value.items()}
    if items and all(name.isdigit() for name in items):
        return [items[name] for name in sorted(items, key=int)]
    return items


class Parameters:
    """Typed reading of a decoded form; each refusal names the parameter as Stripe's do."""

    def __init__(self, values: dict[str, Any], accepts: str) -> None:
        unknown = sorted(set(values) - set(accepts.split()) - {"expand"})
        if unknown:
            raise errors.invalid_request(
                f"Received unknown parameter: {unknown[0]}", param=unknown[0], code="parameter_unknown"
            )
        self.values = values

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get_text(self, name: str, default: str | None = None) -> str | None:
        value = self.values.get(name, default)
        if value is not None and not isinstance(value, str):
            raise errors.invalid_request(f"Invalid string: {name}", param=name)
        return value or None

    def require_text(self, name: str) -> str:
        value = self.get_text(name)
        if value is None:
            raise errors.invalid_request(f"Missing required param: {name}.", param=name, code="parameter_missing")
        return value

    def one_of(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str | None:
        value = self.get_text(name, default)
        if value is not None and value not in choices:
            raise errors.invalid_request(f"Invalid {name}: must be one of {', '.join(choices)}", param=name)
        return value

    def get_flag(self, name: str, default: bool = False) -> bool:
        value = self.one_of(name, ("true", "false"))
        return default if value is None else value == "true"

    def get_integer(self, name: str, default: int | None = None) -> int | None:
        value = self.get_text(name)
        if value is None:
            return default
        if not re.fullmatch(r"-?\d{1,15}", value):
            raise errors.invalid_request(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
        return int(value)

    def get_amount(self, name: str = "amount") -> int | None:
        """Minor units, positive."""
        value = self.get_integer(name)
        if value is not None and value < 1:
            raise errors.invalid_request("This value must be greater than or equal to 1.", param=name)
        if value is not None and value > LARGEST_AMOUNT:
            raise errors.invalid_request("Amount must be no more than $999,999.99", param=name, code="amount_too_large")
        return value

    def required_amount(self, name: str = "amount") -> int:
        self.require_text(name)
        return self.get_amount(name) or 0

    def get_currency(self) -> str:
        value = self.require_text("currency").lower()
        if not re.fullmatch(r"[a-z]{3}", value):
            raise errors.invalid_request(f"Invalid currency: {value}.", param="currency")
        return value

    def get_mapping(self, name: str) -> dict[str, Any]:
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            raise errors.invalid_request(f"Invalid object: {name}", param=name)
        return value

    def get_metadata(self, old: dict[str, str] | None = None) -> dict[str, str]:
        """`old` with the new keys merged in; an empty value removes a key, an empty string removes all."""
        if self.values.get("metadata") == "":
            return {}
        merged = dict(old or {})
        for key, value in self.get_mapping("metadata").items():
            if not isinstance(value, str):
                raise errors.invalid_request("Metadata values must be strings", param=f"metadata[{key}]")
            if len(key) > METADATA_NAME_CHARS or len(value) > METADATA_VALUE_CHARS:
                raise errors.invalid_request(
                    f"Metadata keys can have up to {METADATA_NAME_CHARS} characters, values up to"
                    f" {METADATA_VALUE_CHARS}",
                    param=f"metadata[{key}]",
                )
            merged[key] = value
            if not value:
                del merged[key]
        if len(merged) > METADATA_KEYS:
            raise errors.invalid_request(f"You can have up to {METADATA_KEYS} metadata keys", param="metadata")
        return merged

    def get_names(self, name: str) -> list[str]:
        """A list of strings; also accepts a single one."""
        value = self.values.get(name, [])
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            raise errors.invalid_request(f"Invalid array: {name}", param=name)
        return items
