"""# spec: S6"""

import pytest
from django.db import DatabaseError

from ops import health


def test_health_touches_nothing(client):
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_tells_what_is_due_in_each_lane(client):
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["backlog"]["webhooks"] == 0


def test_ready_says_when_the_database_is_gone(client, monkeypatch):
    def gone() -> bool:
        raise DatabaseError("connection refused")

    monkeypatch.setattr(health, "database_answers", gone)
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["reason"].startswith("database")


@pytest.mark.django_db
def test_an_unknown_address_is_answered_in_the_words_of_its_neighbours(client):
    assert client.get("/api/v1/rider/nothing").json()["errorCode"] == "NOT_FOUND"
    assert client.get("/orders/nothing/here").json()["code"] == "NOT_FOUND"


@pytest.mark.django_db
def test_no_address_redirects_a_post(client):
    assert client.post("/orders/tracking/init/").status_code == 404
