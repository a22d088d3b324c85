"""# spec: S5"""

import os
import subprocess
import sys
from datetime import time

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from config import environment


def test_a_wrong_value_names_its_variable(monkeypatch):
    monkeypatch.setenv("OFFER_SECONDS", "soon")
    with pytest.raises(ImproperlyConfigured, match="OFFER_SECONDS='soon'"):
        environment.read_variable("OFFER_SECONDS")


@pytest.mark.parametrize(("text", "kind"), [("0", "count"), ("-3", "amount"), ("maybe", "yes/no")])
def test_values_outside_their_kind_are_refused(monkeypatch, text, kind):
    monkeypatch.setenv("PROBE", text)
    with pytest.raises(ImproperlyConfigured, match="PROBE"):
        environment.Variable("PROBE", kind, None, "").parse_value()


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("22:00-08:00", "hours", (time(22), time(8))),
        (" 23:30 - 07:15 ", "hours", (time(23, 30), time(7, 15))),
        ("", "hours", None),
        ("Asia/Kolkata", "time zone", "Asia/Kolkata"),
        ("sms=0.0079, whatsapp=1", "amounts", {"sms": 7_900, "whatsapp": 1_000_000}),
        ("sms=0", "amounts", {"sms": 0}),
    ],
)
def test_hours_zones_and_amounts_are_read(monkeypatch, text, kind, value):
    monkeypatch.setenv("PROBE", text)
    assert environment.Variable("PROBE", kind, "the default", "").parse_value() == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("22", "hours"), ("22:00-", "hours"), ("22:00-25:00", "hours"), ("Asia/Atlantis", "time zone")),
        *(("../etc/passwd", "time zone"), ("sms", "amounts"), ("sms=-1", "amounts"), ("sms=0.00000001", "amounts")),
        *(("sms=NaN", "amounts"), ("sms=Infinity", "amounts")),
    ],
)
def test_hours_zones_and_amounts_that_are_none_are_refused(monkeypatch, text, kind):
    monkeypatch.setenv("PROBE", text)
    with pytest.raises(ImproperlyConfigured, match="PROBE"):
        environment.Variable("PROBE", kind, None, "").parse_value()


def test_empty_means_the_default(monkeypatch):
    monkeypatch.setenv("OFFER_SECONDS", "")
    assert environment.read_variable("OFFER_SECONDS") == 30


# spec: S5
@pytest.mark.parametrize(
    ("names", "token"), [({"META_API_KEY": "a"}, "a"), ({"META_API_KEY": "a", "WHATSAPP_ACCESS_TOKEN": "b"}, "b")]
)
def test_the_whatsapp_token_is_taken_under_either_name(names: dict[str, str], token: str):
    told = subprocess.run(
        [sys.executable, "-c", "from config import settings; print(settings.WHATSAPP_ACCESS_TOKEN)"],
        env={**os.environ, "WHATSAPP_ACCESS_TOKEN": "", **names, "HANDOFF_PROCESS": "command"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == token


@pytest.mark.django_db
def test_statements_that_hang_are_ended():
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "15s"
        cursor.execute("SELECT current_database()")
        assert "test_" in cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("broker", "live"),
    [
        ("redis+socket:///run/v.sock?virtual_host=7", "unix:///run/v.sock?db=7"),
        ("redis+socket:///run/v.sock", "unix:///run/v.sock?db=0"),
        ("redis://cache:6379/1", "redis://cache:6379/1"),
        ("amqp://rabbit", ""),
    ],
)
def test_live_pushes_find_the_broker_unless_it_cannot_push(broker, live):
    assert environment.live_url_of(broker) == live
