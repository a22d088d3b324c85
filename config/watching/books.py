"""Whether the ledger agrees with itself and with what it was made of (SPEC M1)."""

from notifications import incidents
from notifications.incidents import Trouble
from notifications.models import Severity
from payouts.books import Report


def report(report: Report) -> None:
    wrong = Trouble(
        "books",
        "The books do not agree: stop the payouts until it is known why",
        Severity.CRITICAL,
        max(len(report.failures), 1),
        detail={"failures": report.failures},
    )
    incidents.hold("books_disagree", [] if report.proved else [wrong])
