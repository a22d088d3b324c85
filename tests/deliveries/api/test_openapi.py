"""The schema of the APIs (SPEC S7): valid, and it knows every endpoint of this room with its bodies and answers."""

import pytest
from django.urls import URLPattern
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from deliveries.api.urls import urlpatterns


@pytest.fixture(scope="module")
def schema() -> dict:
    return SchemaGenerator().get_schema(request=None, public=True)


# spec: S7
def test_the_schema_is_valid(schema: dict):
    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")


# spec: S7
@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_every_endpoint_is_documented(schema: dict, pattern: URLPattern):
    path = "/" + str(pattern.pattern).replace("<str:", "{").replace(">", "}")
    for method, operation in schema["paths"][path].items():
        assert operation["description"], method
        assert operation["tags"]
        assert operation["security"] == [{"bearer": []}]
        answers = set(operation["responses"])
        assert answers & {"200", "201", "409"}
        for status in answers & {"200", "201"}:
            assert operation["responses"][status]["content"]["application/json"]["schema"]
        if method in ("post", "put", "patch") and not path.endswith(("/accept", "/ticket")):
            assert operation["requestBody"]["content"]["application/json"]["schema"]
