"""The API's schema and what is served are one (SPEC S7): nothing undocumented, nothing promised that is not there, and
answers shaped as the schema says."""

import re
from typing import Any

import jsonschema_rs
import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from foundation.models import Role
from tests.api.conftest import Party
from tests.api.endpoints import ENDPOINTS, path_of, served
from tests.phone_calls import call

Schema = dict[str, Any]
OF_THE_DOCS = {("GET", "api/schema"), ("GET", "api/docs")}
DOOR = "webhooks/<path:provider>"  # one address each in the schema


@pytest.fixture(scope="module")
def schema() -> Schema:
    made: Schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def documented(schema: Schema) -> dict[tuple[str, str], Schema]:
    """The schema's operations by (method, route as Django writes it)."""
    found = {}
    for path, operations in schema["paths"].items():
        route = re.sub(r"\{(\w+)\}", r"<str:\1>", path.lstrip("/"))
        for method, operation in operations.items():
            served_as = DOOR if route.startswith("webhooks/") else route
            found[method.upper(), served_as] = operation
    return found


# spec: S7
def test_what_is_served_is_documented_and_nothing_else(schema: Schema):
    assert set(documented(schema)) == served() - OF_THE_DOCS


# spec: S7
def test_every_operation_has_a_name_of_its_own_a_text_and_says_who_may(schema: Schema):
    operations = documented(schema)
    names = [operation["operationId"] for operation in operations.values()]
    assert len(names) == len(set(names))
    for key, operation in operations.items():
        assert operation.get("description") or operation.get("summary"), key
        asks_for_a_token = {"bearer": []} in operation.get("security", [])
        assert asks_for_a_token == (ENDPOINTS[key].open_to_all is None), key


# spec: S7
def test_good_answers_are_shaped_as_documented(schema: Schema, party: Party):
    """Each endpoint is called by everybody who may, and what comes back is held against the schema."""
    operations, seen, wrong = documented(schema), set(), {}
    for (method, route), endpoint in ENDPOINTS.items():
        for role in endpoint.may:
            status, body = _answered(party, role, method, route)
            if status < 300:
                seen.add((method, route))
                answer = operations[method, route]["responses"][str(status)]["content"]["application/json"]["schema"]
                whole = {**answer, "components": schema["components"]}
                if errors := [str(error) for error in jsonschema_rs.validator_for(whole).iter_errors(body)]:
                    wrong[f"{method} {route} ({role})"] = errors[:3]
    assert wrong == {}
    assert len(seen) >= 15


def _answered(party: Party, role: Role, method: str, route: str) -> tuple[int, Any]:
    with transaction.atomic():
        reply = call(party.people[role], method, path_of(route, party.ref, party.store), ENDPOINTS[method, route].body)
        transaction.set_rollback(True)
    return reply.status, reply.body


def test_an_answer_that_is_not_as_documented_is_caught(schema: Schema):
    """Known bad: a profile without its name."""
    answer = documented(schema)["GET", "api/v1/rider/me"]["responses"]["200"]["content"]["application/json"]["schema"]
    checker = jsonschema_rs.validator_for({**answer, "components": schema["components"]})
    assert list(checker.iter_errors({"success": True, "message": "", "data": {"id": "x"}}))
