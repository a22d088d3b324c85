"""Whether the ledger agrees with itself and with what it was made of (SPEC M1)."""

from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import Severity
from payouts.audit import AuditReport


def report_audit(report: AuditReport) -> None:
    wrong = Problem(
        "books",
        "The books do not agree: stop the payouts until it is known why",
        Severity.CRITICAL,
        max(len(report.failures), 1),
        detail={"failures": report.failures},
    )
    service.sync_incidents("books_disagree", [] if report.is_proved else [wrong])
