"""The usual way: get_or_create in the view, one Celery task per event on commit, the task updates and marks.

Both halves of the peer: a WSGI application (on Handoff's settings, without middleware) and a Celery application on the
same broker, with prefork workers and what Celery does by default.
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.peers.settings_of_one_task_each")

import django
from celery import Celery

django.setup()

from django.conf import settings  # noqa: E402  (after the setup)
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from foundation import stripe  # noqa: E402
from foundation.api.parsers import strict_json  # noqa: E402
from foundation.work import WorkState  # noqa: E402
from webhooks.models import WebhookEvent  # noqa: E402

celery = Celery("one_task_each", broker=settings.BROKER_URL)
celery.conf.task_ignore_result = True


@csrf_exempt
def webhook(request: HttpRequest) -> HttpResponse:
    header = request.headers.get("Stripe-Signature", "")
    if not stripe.verify_signature(request.body, header, settings.STRIPE_WEBHOOK_SECRETS):
        return JsonResponse({}, status=400)
    payload = strict_json(request.body)
    with transaction.atomic():
        event, created = WebhookEvent.objects.get_or_create(
            provider="stripe",
            event_id=payload["id"],
            defaults={"event_type": payload["type"], "payload": payload, "body": request.body, "signature": header},
        )
        if created:
            transaction.on_commit(lambda: handle.delay(str(event.pk)))
    return JsonResponse({"received": True})


@celery.task(name="one_task_each.handle")
def handle(event_id: str) -> None:
    with transaction.atomic():
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)
        if event.state == WorkState.DONE:
            return
        with connection.cursor() as cursor:
            order: Any = event.payload["data"]["object"]["order"]
            cursor.execute("UPDATE bench_order SET effects = effects + 1 WHERE id = %s", [order])
        event.state, event.processed_at = WorkState.DONE, timezone.now()
        event.save(update_fields=["state", "processed_at"])


urlpatterns = [path("webhooks/stripe", webhook)]
application = get_wsgi_application()
