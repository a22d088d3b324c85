"""Every kind of incident that the code reports is explained, and nothing else is. # spec: N5, W6"""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from deliveries.models import FraudKind
from notifications.models import STORM
from ops import alerts
from ops.alerts.alert import Alert
from tests.test_house import FLOORS, sources

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "alerts.md"
# Who reports, and which argument names the kind.
REPORTS = {
    "service.open_incident": 0,
    "service.sync_incidents": 0,
    "notices.report_to_ops": 1,
    "alerts.report_payout": 1,
}
REPORTS_OF_OWN = {"orders/payments.py:_report_contradiction": 1, "payouts/invoices/alerts.py:_sync_incident": 1}
# Functions that report what they are given: the kind stands where they are called.
PASS_ON = {"orders/notices.py:report_to_ops", "payouts/runs/alerts.py:report_payout", *REPORTS_OF_OWN}


def reported() -> Iterator[tuple[str, str]]:
    """(where, kind) of every report in the code."""
    for path in sources(*FLOORS):
        if path.suffix == ".py":
            where = str(path.relative_to(ROOT))
            for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(function, ast.FunctionDef) and f"{where}:{function.name}" not in PASS_ON:
                    yield from ((f"{where}:{function.name}", kind) for kind in _kinds(where, function))


def _kinds(where: str, function: ast.FunctionDef) -> Iterator[str]:
    for call in ast.walk(function):
        if isinstance(call, ast.Call):
            name = ast.unparse(call.func)
            at = REPORTS.get(name, REPORTS_OF_OWN.get(f"{where}:{name}"))
            if at is not None:
                yield from _values(where, call.args[at])


def _values(where: str, kind: ast.expr) -> list[str]:
    if isinstance(kind, ast.JoinedStr) and ast.unparse(kind) == "f'fraud.{flag.kind}'":
        return [f"fraud.{one}" for one in FraudKind.values]
    module = import_module(where.removesuffix(".py").replace("/", "."))
    try:
        return [str(eval(ast.unparse(kind), vars(module)))]  # noqa: S307 - a constant of our own code
    except NameError:
        pytest.fail(
            f"{where} reports {ast.unparse(kind)}: is it a constant? A function that passes it on is in PASS_ON"
        )


def test_every_alert_is_explained():
    found = list(reported())
    assert len(found) > 40  # the walk finds them
    unexplained = sorted({f"{kind} ({where})" for where, kind in found if kind not in alerts.BY_KIND})
    assert unexplained == [], "say in config/alerts what raises it, what to do, and whether it ends by itself"


def test_nothing_is_explained_that_is_never_reported():
    assert sorted(alerts.BY_KIND.keys() - {kind for _, kind in reported()} - {STORM}) == []


def test_the_page_of_alerts_is_current():
    assert DOCS.read_text() == alerts.as_markdown(), "python manage.py alerts > docs/alerts.md"


@pytest.mark.parametrize("alert", alerts.BY_KIND.values(), ids=lambda alert: alert.kind)
def test_an_explanation_says_something(alert: Alert):
    assert alert.raised_when.endswith(".")
    assert alert.advice.endswith((".", "?"))
    assert not alert.resolved_when.endswith(".")
