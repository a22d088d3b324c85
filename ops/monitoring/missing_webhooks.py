"""Webhooks that should have come and did not (SPEC W6): an endpoint that was moved, switched off, or cannot reach us.

Silence alone means nothing: at night nobody orders. What is missed is the echo of what we asked for: after a payment
intent, a refund, a courier's job or a message Stripe, the company or notifications speaks up within minutes. Several
such calls, none younger than ALERT_SILENT_MINUTES, and not a word since the first of them: that is silence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from deliveries.couriers import providers
from foundation import clock
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import Severity

SILENT = "webhooks_silent"
ENOUGH = 5  # calls that bring a webhook


@dataclass(frozen=True)
class ExpectedWebhooks:
    """The calls after which a provider's webhooks speak. `vital`: nothing else would tell us what they tell.

    One that was never heard from was perhaps never asked to speak: that is missed only where it is vital.
    """

    provider: str
    purposes: tuple[str, ...]
    vital: bool = False


EXPECTED = (
    ExpectedWebhooks("stripe", ("payment_intent.create", "refund.create", "transfer.create"), vital=True),
    ExpectedWebhooks("sendgrid", ("email.send",)),
    ExpectedWebhooks("twilio", ("sms.send",)),
    ExpectedWebhooks("whatsapp", ("whatsapp.send",)),
)

# The latest calls that had their time to bring an echo, and when the provider was last heard.
_ASK = """
    SELECT
        (SELECT array_agg(created_at) FROM (
            SELECT created_at FROM foundation_outboundcall
            WHERE provider = %(provider)s AND created_at BETWEEN %(since)s AND %(until)s
              AND purpose = ANY(%(purposes)s) AND outcome = 'ok'
            ORDER BY created_at DESC LIMIT %(enough)s) calls),
        (SELECT created_at FROM webhook_events WHERE provider = %(provider)s ORDER BY created_at DESC LIMIT 1)
"""


def expected_webhooks() -> Iterable[ExpectedWebhooks]:
    return (*EXPECTED, *(ExpectedWebhooks(name, ("delivery.create",)) for name in providers.courier_providers()))


def watch_silence() -> None:
    now = clock.database_now()
    problems = [problem for expected in expected_webhooks() if (problem := _missing_problem(expected, now))]
    service.sync_incidents(SILENT, problems, resolution="it is heard again, or nothing is awaited")


def _missing_problem(expected: ExpectedWebhooks, now: datetime) -> Problem | None:
    wait = timedelta(minutes=settings.ALERT_SILENT_MINUTES)
    asked, heard_at = _load_facts(expected, since=now - 3 * wait, until=now - wait)
    if len(asked) < ENOUGH or (heard_at is None and not expected.vital):
        return None
    if heard_at is not None and heard_at > min(asked):
        return None
    said = "has never told us anything" if heard_at is None else f"has told us nothing since {heard_at:%d %b %H:%M} UTC"
    return Problem(
        f"{SILENT}:{expected.provider}",
        f"{expected.provider} {said}, although it was asked for things: do its webhooks reach us?",
        Severity.CRITICAL if expected.vital else Severity.WARNING,
        detail={
            "provider": expected.provider,
            "heard_at": clock.format_wire(heard_at),
            "asked_at": clock.format_wire(max(asked)),
        },
    )


def _load_facts(
    expected: ExpectedWebhooks, *, since: datetime, until: datetime
) -> tuple[list[datetime], datetime | None]:
    """When it was last asked, as far as it had the time to answer, and when it was last heard."""
    with connection.cursor() as cursor:
        cursor.execute(
            _ASK,
            {
                "provider": expected.provider,
                "purposes": list(expected.purposes),
                "since": since,
                "until": until,
                "enough": ENOUGH,
            },
        )
        asked, heard_at = cursor.fetchone()
    return asked or [], heard_at
