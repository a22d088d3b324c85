"""A breaker per courier company, in rows, so that every process and ops see the same one (SPEC C4).

Closed: it is asked. After FAILURES calls in a row without an answer it opens: new deliveries go elsewhere, while those
that already wait for it are tried on by the contract's clock. After PROBE_AFTER_S one new call may try (half open); any
answer closes it, a failure opens it again. Ops may overrule it (`override`).
"""

from datetime import timedelta

import structlog
from django.db.models import F, Q
from django.db.models.functions import Now

from deliveries.couriers import providers
from deliveries.models import CircuitBreaker
from foundation import clock
from foundation.errors import Invalid
from notifications.incidents import service
from notifications.models import Severity

log = structlog.get_logger(__name__)

FAILURES = 5
PROBE_AFTER_S = 30.0
State, Override = CircuitBreaker.State, CircuitBreaker.Override


def refusal_reason(courier: str) -> str:
    """ "" when the company may be asked now, otherwise why not."""
    breaker = CircuitBreaker.objects.filter(courier=courier).first()
    if breaker is None or breaker.override == Override.CLOSED:
        return ""
    if breaker.override == Override.OPEN:
        return f"turned off by ops: {breaker.override_reason}"
    if breaker.state == State.CLOSED or _may_probe(breaker):
        return ""
    return f"does not answer since {clock.format_wire(breaker.failing_since)}"


def _may_probe(breaker: CircuitBreaker) -> bool:
    return breaker.probe_at is not None and breaker.probe_at <= clock.database_now()


def begin_probe(courier: str) -> bool:
    """Take the one try that an open breaker lets through. True when the call may be made."""
    if refusal_reason(courier):
        return False
    shut = CircuitBreaker.objects.filter(courier=courier, override="").exclude(state=State.CLOSED)
    if not shut.exists():
        return True
    probe_at = Now() + timedelta(seconds=PROBE_AFTER_S)
    return bool(shut.filter(probe_at__lte=Now()).update(state=State.HALF_OPEN, probe_at=probe_at))


def record_success(courier: str) -> None:
    """The company answered: also a refusal is an answer."""
    healthy = Q(state=State.CLOSED, failures=0, last_success_at__gt=Now() - timedelta(seconds=10))
    if CircuitBreaker.objects.filter(healthy, courier=courier).exists():
        return  # one write in ten seconds is enough to know
    was_shut = CircuitBreaker.objects.filter(courier=courier).exclude(state=State.CLOSED).exists()
    CircuitBreaker.objects.update_or_create(
        courier=courier,
        defaults={
            "state": State.CLOSED,
            "failures": 0,
            "failing_since": None,
            "opened_at": None,
            "probe_at": None,
            "last_success_at": clock.database_now(),
        },
    )
    if was_shut:
        log.info("breaker_closed", courier=courier)
        service.resolve_key(_incident_key(courier), "it answers again")


def record_failure(courier: str, error: str) -> None:
    """A call ended without an answer (not reached, time-out, 5xx)."""
    now = clock.database_now()
    CircuitBreaker.objects.get_or_create(courier=courier)
    CircuitBreaker.objects.filter(courier=courier, failures=0).update(failing_since=now)
    CircuitBreaker.objects.filter(courier=courier).update(failures=F("failures") + 1)
    opens = CircuitBreaker.objects.filter(courier=courier, failures__gte=FAILURES).exclude(state=State.OPEN)
    probe_at = now + timedelta(seconds=PROBE_AFTER_S)
    if opens.update(state=State.OPEN, opened_at=now, probe_at=probe_at):
        log.warning("breaker_opened", courier=courier, error=error)
        service.open_incident(
            "courier_outage",
            severity=Severity.CRITICAL,
            title=f"{courier} does not answer: new orders go to other carriers",
            dedupe=_incident_key(courier),
            detail={"courier": courier, "error": error[:300]},
        )


def make_missing() -> None:
    """A row for every company that this release knows."""
    CircuitBreaker.objects.bulk_create(
        [CircuitBreaker(courier=name) for name in providers.courier_providers()], ignore_conflicts=True
    )


def override_breaker(courier: str, override: str, reason: str) -> CircuitBreaker:
    """Ops' word over the machine's; "" takes it back. Raises Invalid without a reason."""
    if override and not reason.strip():
        raise Invalid("say why", field="reason")
    breaker, _ = CircuitBreaker.objects.update_or_create(
        courier=courier, defaults={"override": Override(override), "override_reason": reason.strip()[:300]}
    )
    return breaker


def _incident_key(courier: str) -> str:
    return f"courier_outage:{courier}"
