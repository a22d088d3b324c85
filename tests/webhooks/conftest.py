"""The two ways in (the work queue, the plain Django view) behind one fixture: what holds for one must hold for the
other."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory

from tests.webhooks import stripe_events
from webhooks import rejections, storage
from webhooks.fast_lane import WebhookFastLane
from webhooks.models import WebhookAttempt, WebhookEvent


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Door = Callable[..., Answer]


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """No counted refusals of an earlier test, and no connection that keeps the test database from being dropped.

    As under Django's own test client, a request does not close the connection that the test works on.
    """
    rejections.COUNTER.reset_counts()
    for moment in (request_started, request_finished):
        moment.disconnect(close_old_connections)
    yield
    for moment in (request_started, request_finished):
        moment.connect(close_old_connections)
    rejections.COUNTER.reset_counts()
    storage.close_connection()


@pytest.fixture
def stripe_secrets(settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = [stripe_events.PLATFORM_SECRET]
    settings.STRIPE_CONNECT_WEBHOOK_SECRETS = [stripe_events.CONNECT_SECRET]
    settings.STRIPE_LIVEMODE = False


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Real commits, and afterwards only this room's tables emptied, which is ten times faster than a flush of all.

    Tests that write to other rooms too carry the mark `django_db(transaction=True)`, which flushes everything.
    """
    with django_db_blocker.unblock():
        yield
        rejections.COUNTER.reset_counts()
        WebhookEvent.objects.all().delete()
        WebhookAttempt.objects.all().delete()


@pytest.fixture(params=["lane", "view"])
def door(request: pytest.FixtureRequest, transactional_db: None) -> Door:
    """`door(path, body, headers, method)`: one request by the work queue in front of Django, or by Django alone."""
    django = WSGIHandler()
    return wsgi_client(WebhookFastLane(django) if request.param == "lane" else django)


@pytest.fixture
def lane(transactional_db: None) -> Door:
    return wsgi_client(WebhookFastLane(WSGIHandler()))


def wsgi_client(application: Callable[..., Any]) -> Door:
    def knock(
        path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "POST", **environ: Any
    ) -> Answer:
        given = {"Content-Type": "application/json", **(headers or {})}
        made = RequestFactory(headers=given).generic(method, path, body, given["Content-Type"]).environ
        made |= {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, **environ}
        said: list[Any] = []
        answered = application(made, lambda status, headers, exc_info=None: said.extend((status, headers)))
        try:
            return Answer(int(said[0].partition(" ")[0]), dict(said[1]), b"".join(answered))
        finally:
            if hasattr(answered, "close"):
                answered.close()

    return knock


def refusals() -> list[tuple[str, int, str]]:
    """(provider, status, reason) of what was refused, oldest first."""
    rejections.COUNTER.flush_counts(everything=True)
    return list(WebhookAttempt.objects.order_by("id").values_list("provider", "status", "reason"))
