"""Limits hold however many call at once, forget evenly, and know who calls (SPEC S2)."""

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory

from foundation import limits
from foundation.errors import APIError, TooManyRequests
from foundation.limits import RateLimitRule
from foundation.models import RateLimit, Role, User
from ops import retention
from tests.phone_calls import Reply, call
from tests.races import riders_and_orders as crowd

THREE = RateLimitRule("three", "THREE", per_s=600)
SIGN_IN = "/api/v1/auth/token"


@pytest.fixture(autouse=True)
def three(settings: Any) -> None:
    settings.THREE = 3


def time_passes(seconds: float) -> None:
    """Everything that was counted is so much longer ago."""
    for row in RateLimit.objects.all():
        RateLimit.objects.filter(pk=row.pk).update(free_at=row.free_at - timedelta(seconds=seconds))


def let_through(limit: RateLimitRule, who: str, calls: int = 10) -> int:
    """How many of so many calls in a row get through."""
    through = 0
    for _ in range(calls):
        try:
            limits.consume_call(limit, who)
        except TooManyRequests:
            continue
        through += 1
    return through


# spec: S2
@pytest.mark.django_db(transaction=True)
def test_of_32_calls_at_once_three_get_through():
    told = crowd.together([partial(limits.consume_call, THREE, "somebody")] * 32)
    assert Counter(str(getattr(one, "code", "through")) for one in told) == {"through": 3, "TOO_MANY_REQUESTS": 29}


# spec: S2
@pytest.mark.django_db
def test_a_limit_forgets_evenly_and_says_when():
    assert let_through(THREE, "a") == 3
    assert let_through(THREE, "b") == 3  # each for himself
    with pytest.raises(TooManyRequests) as refused:
        limits.consume_call(THREE, "a")
    assert (refused.value.status, refused.value.code) == (429, "TOO_MANY_REQUESTS")
    assert 190 <= int(refused.value.headers["Retry-After"]) <= 200
    assert refused.value.headers["Retry-After"] in refused.value.message
    time_passes(195)
    assert let_through(THREE, "a") == 0
    time_passes(6)
    assert let_through(THREE, "a") == 1
    time_passes(10_000)
    assert let_through(THREE, "a") == 3  # never more, however long nobody called


# spec: S2
@pytest.mark.django_db
def test_asking_whether_any_are_left_counts_nothing():
    for _ in range(5):
        limits.require_capacity(THREE, "a")
    assert let_through(THREE, "a") == 3
    with pytest.raises(TooManyRequests):
        limits.require_capacity(THREE, "a")


# spec: S2, S4
@pytest.mark.django_db
def test_who_called_is_not_written_down_and_is_forgotten():
    limits.consume_call(THREE, "203.0.113.9")
    assert not RateLimit.objects.filter(key__contains="203").exists()
    assert retention.forget_old_rows()["foundation_ratelimit"] == 0
    time_passes(601)
    assert retention.forget_old_rows()["foundation_ratelimit"] == 1


@pytest.mark.django_db
def test_counting_waits_for_no_disk():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'foundation_ratelimit'")
        assert cursor.fetchone() == ("u",)


# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: S2
@pytest.mark.parametrize(
    ("proxies", "forwarded", "direct", "address"),
    [
        (0, "", "203.0.113.9", "203.0.113.9"),
        (0, "198.51.100.1", "203.0.113.9", "203.0.113.9"),  # anybody can write that header
        (1, "198.51.100.1", "10.0.0.1", "198.51.100.1"),
        (1, "1.1.1.1, 198.51.100.1", "10.0.0.1", "198.51.100.1"),  # the first was there before our proxy's
        (2, "1.1.1.1, 198.51.100.1, 10.0.0.2", "10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1", "10.0.0.1", "198.51.100.1"),
        (1, "", "203.0.113.9", "203.0.113.9"),
        (1, "unknown", "203.0.113.9", "203.0.113.9"),
        (1, "2001:db8:1:2:3::4", "10.0.0.1", "2001:db8:1:2::/64"),
        (0, "", "::ffff:203.0.113.9", "203.0.113.9"),
        (0, "", "", ""),
    ],
)
def test_the_address_is_what_our_own_proxies_saw(settings, proxies: int, forwarded: str, direct: str, address: str):
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory(headers=headers).get("/", REMOTE_ADDR=direct)
    assert limits.client_address(request) == address


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────
def sign_in(name: str, password: str = "wrong", **headers: str) -> Reply:
    return call(None, "post", SIGN_IN, {"username": name, "password": password}, **headers)


@pytest.fixture
def asha(db: None) -> User:
    return User.objects.create_user("asha", password="a-good-password", role=Role.RIDER)


# spec: S1, S2
def test_wrong_passwords_are_counted_and_right_ones_are_not(settings, asha: User):
    settings.WRONG_SIGN_INS_PER_NAME = 3
    assert [sign_in("asha", "a-good-password").status for _ in range(5)] == [200] * 5
    assert [sign_in("asha").status for _ in range(3)] == [401] * 3
    refused = sign_in("asha", "a-good-password")
    assert (refused.status, refused.code) == (429, "TOO_MANY_REQUESTS")
    assert set(refused.body) == {"detail", "code", "timestamp", "path"}
    assert 0 < int(refused.headers["Retry-After"]) <= 100
    assert sign_in("ravi").status == 401  # another name from there
    time_passes(101)
    assert sign_in("asha", "a-good-password").status == 200


# spec: S1, S2
def test_one_address_cannot_try_name_after_name(settings, asha: User):
    settings.WRONG_SIGN_INS_PER_ADDRESS, settings.TRUSTED_PROXIES = 5, 1
    there, here = {"x_forwarded_for": "198.51.100.1"}, {"x_forwarded_for": "203.0.113.9"}
    assert [sign_in(f"name-{number}", **there).status for number in range(6)] == [401] * 5 + [429]
    assert sign_in("asha", "a-good-password", **there).status == 429
    assert sign_in("asha", "a-good-password", **here).status == 200


# spec: S1, S2
@pytest.mark.django_db(transaction=True)
def test_racing_wrong_passwords_learn_no_more_than_the_limit(settings):
    settings.WRONG_SIGN_INS_PER_NAME = 3
    told = crowd.together([partial(sign_in, "asha")] * 16)
    assert not any(isinstance(one, APIError) for one in told)
    assert Counter(one.status for one in told if isinstance(one, Reply)) == {401: 3, 429: 13}
