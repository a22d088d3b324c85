"""Providers that do not work for us (SPEC W6): calls that fail, and their webhooks that cannot be worked off.

An error of a provider is a call without an answer, one it had no room for (408, 425, 429), one it failed at (5xx), and
one that refuses us altogether (401, 403). Any other refusal is about what was asked: a declined card, an address that
nobody delivers to, a number that does not exist. It concerns one order, and whoever asked deals with it.
Of a provider's webhooks those count that failed several times, or are dead: one that came before its order was
committed fails once, and that is nobody's fault.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

from deliveries.couriers import providers
from foundation import clock
from foundation.models import OutboundCall
from foundation.work import ALONE, OPEN, WorkState
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import STANDING, Incident, Severity
from notifications.outbox import budget
from ops.monitoring import external_probe
from webhooks.models import WebhookEvent

ERRORS, REFUSED_US = "provider_errors", "channel_refused_us"
CALM_AT = 1  # so few in a window that what was reported is over
UNLUCKY = 3  # attempts of a webhook that are no coincidence
_FAILED = """
    SELECT provider, purpose, count(*), max(created_at), (array_agg(error ORDER BY created_at DESC))[1]
    FROM foundation_outboundcall
    WHERE created_at > %s
      AND (outcome IN ('transient', 'unknown') OR outcome = 'permanent' AND status_code IN (401, 403))
    GROUP BY provider, purpose
"""


@dataclass
class ProviderErrors:
    """Of one provider in the window: how many of what, the latest words, and whether a call went well meanwhile."""

    purposes: Counter[str] = field(default_factory=Counter)
    last_at: datetime | None = None
    last_error: str = ""

    def add_errors(self, purpose: str, many: int, last_at: datetime, error: str) -> None:
        self.purposes[purpose] += many
        if self.last_at is None or last_at > self.last_at:
            self.last_at, self.last_error = last_at, error


def watch_providers() -> None:
    now = clock.database_now()
    since = now - timedelta(minutes=settings.ALERT_WINDOW_MINUTES)
    found = _load_errors(since)
    before = service.open_keys(ERRORS)
    service.sync_incidents(
        ERRORS,
        [
            _problem_of(provider, errors, since)
            for provider, errors in found.items()
            if errors.purposes.total() > _allowed_errors(f"{ERRORS}:{provider}" in before)
        ],
        resolution="hardly an error any more",
    )
    _resolve_refused_channels()
    _resolve_daily_caps(now)


def _allowed_errors(was_reported: bool) -> int:
    return CALM_AT if was_reported else settings.ALERT_PROVIDER_ERRORS


def _load_errors(since: datetime) -> dict[str, ProviderErrors]:
    found = dict[str, ProviderErrors]()
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, [since])
        for provider, purpose, many, last_at, error in cursor.fetchall():
            if provider != external_probe.PROVIDER:
                found.setdefault(provider, ProviderErrors()).add_errors(purpose, many, last_at, error)
    stuck = WebhookEvent.objects.filter(state__in=OPEN, retry_count__gte=UNLUCKY).exclude(error_message="")
    buried = WebhookEvent.objects.filter(state=WorkState.DEAD, processed_at__gt=since)
    facts = ("provider", "created_at", "error_message")
    for provider, came_at, error in stuck.exclude(error_message__startswith=ALONE).values_list(*facts)[:1000]:
        found.setdefault(provider, ProviderErrors()).add_errors("webhook", 1, came_at, error)
    for provider, came_at, error in buried.values_list(*facts)[:1000]:
        found.setdefault(provider, ProviderErrors()).add_errors("webhook", 1, came_at, error)
    return found


def _problem_of(provider: str, errors: ProviderErrors, since: datetime) -> Problem:
    worst = ", ".join(f"{purpose} {many}" for purpose, many in errors.purposes.most_common(3))
    nothing_works = not OutboundCall.objects.filter(provider=provider, created_at__gt=since, outcome="ok").exists()
    # A courier company that does not answer is reported by its breaker, and others carry meanwhile.
    grave = nothing_works and "webhook" not in errors.purposes and provider not in providers.courier_providers()
    return Problem(
        f"{ERRORS}:{provider}",
        f"{provider}: {'every call fails' if nothing_works else 'too many errors'} ({worst})",
        Severity.CRITICAL if grave else Severity.WARNING,
        errors.purposes.total(),
        detail={
            "provider": provider,
            "errors": dict(errors.purposes),
            "last_at": clock.format_wire(errors.last_at),
            "last_error": errors.last_error[:300],
            "minutes": settings.ALERT_WINDOW_MINUTES,
        },
    )


def _resolve_refused_channels() -> None:
    """A channel whose provider refused our credentials is right again once that provider has taken something."""
    for refused in Incident.objects.filter(STANDING, kind=REFUSED_US):
        asked = OutboundCall.objects.filter(reference=refused.detail.get("call", "none"), outcome="permanent")
        provider = asked.order_by("-created_at").values_list("provider", flat=True).first()
        taken = OutboundCall.objects.filter(provider=provider, created_at__gt=refused.last_at, outcome="ok")
        if provider and taken.exists():
            service.resolve_key(refused.dedupe_key, f"{provider} takes messages again")


def _resolve_daily_caps(now: datetime) -> None:
    """What a channel may cost counts for a day: the next one begins anew."""
    for key in service.open_keys(budget.CAP):
        if not key.endswith(f":{now.astimezone(UTC).date()}"):
            service.resolve_key(key, "another day has begun")
