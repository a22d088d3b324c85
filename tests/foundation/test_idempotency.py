"""`Idempotency-Key`: the same request twice, late or at the same time, is one effect and one answer."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from foundation import idempotency
from foundation.errors import Conflict, Invalid
from foundation.models import IdempotencyKey, User

PRINT = idempotency.request_fingerprint("POST", "/orders/tracking/init", b'{"a": 1}')


@pytest.fixture
def shop(db) -> User:
    return User.objects.create_user("shop")


def run_once(user: User, key: str, fingerprint: str, effect: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
    """A request as an API takes it: at most one effect per key; a repetition, racing or late, gets the kept answer."""
    if (row := idempotency.find_remembered(user, key, fingerprint)) and row.status:
        return row.status, row.answer
    with transaction.atomic():
        if (row := idempotency.claim_key(user, key, fingerprint)) and row.status:
            return row.status, row.answer
        status, answer = effect()
        idempotency.store_answer(user, key, status, answer)
    return status, answer


def effect() -> tuple[int, dict[str, int]]:
    number = Group.objects.count() + 1
    Group.objects.create(name=f"effect {number}")
    return 201, {"number": number}


# spec: O4
def test_a_repetition_gets_the_kept_answer_and_has_no_effect(shop):
    first = run_once(shop, "key-1", PRINT, effect)
    again = run_once(shop, "key-1", PRINT, effect)
    other = run_once(shop, "key-2", PRINT, effect)
    assert first == again == (201, {"number": 1})
    assert other == (201, {"number": 2})
    assert Group.objects.count() == 2


# spec: O4
def test_a_key_belongs_to_one_request_of_one_caller(shop):
    run_once(shop, "key-1", PRINT, effect)
    with pytest.raises(Conflict) as refusal:
        run_once(shop, "key-1", idempotency.request_fingerprint("POST", "/orders/tracking/init", b'{"a": 2}'), effect)
    assert (refusal.value.status, refusal.value.code) == (409, "IDEMPOTENCY_KEY_REUSED")
    other_shop = User.objects.create_user("other-shop")
    assert run_once(other_shop, "key-1", "another print", effect) == (201, {"number": 2})


def test_without_a_key_every_request_is_a_new_one(shop):
    assert run_once(shop, "", PRINT, effect) != run_once(shop, "", PRINT, effect)
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("key", ["x" * 256, "nul\x00", "line\nbreak"])
def test_a_key_that_cannot_be_kept_is_refused(shop, key):
    with pytest.raises(Invalid) as refusal:
        run_once(shop, key, PRINT, effect)
    assert refusal.value.field == "Idempotency-Key"


# spec: O4
@pytest.mark.django_db(transaction=True)
def test_an_effect_that_failed_leaves_the_key_free(shop):
    def fail() -> tuple[int, None]:
        effect()
        raise Invalid("no")

    with pytest.raises(Invalid):
        run_once(shop, "key-1", PRINT, fail)
    assert not IdempotencyKey.objects.exists()
    assert not Group.objects.exists()
    assert run_once(shop, "key-1", PRINT, effect) == (201, {"number": 1})


# spec: O4
@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_are_one_effect_and_one_answer(shop):
    together = threading.Barrier(16)

    def request(_: int) -> tuple[int, dict[str, int]]:
        try:
            together.wait()
            return run_once(shop, "key-1", PRINT, effect)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(request, range(16)))
    assert answers == [(201, {"number": 1})] * 16
    assert Group.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_race_of_two_different_requests_has_one_winner_and_one_conflict(shop):
    together = threading.Barrier(2)

    def request(body: bytes) -> str:
        try:
            together.wait()
            run_once(shop, "key-1", idempotency.request_fingerprint("POST", "/x", body), effect)
        except Conflict:
            return "conflict"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(2) as crowd:
        assert sorted(crowd.map(request, [b"1", b"2"])) == ["conflict", "done"]
    assert Group.objects.count() == 1
