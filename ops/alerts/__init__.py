"""Every kind of incident: what raises it, what to do about it, and whether it is resolved without anybody (SPEC N5).

The console and the mails show what to do; docs/alerts.md is made of this list (`manage.py alerts > docs/alerts.md`). A
test finds every kind that the code reports and looks for it here.
"""

from ops.alerts import money, operations, platform
from ops.alerts.alert import Alert

GROUPS: dict[str, list[Alert]] = {
    "Handoff itself": platform.PLATFORM,
    "Providers": platform.PROVIDERS,
    "Orders and deliveries": operations.ORDERS,
    "Riders": operations.RIDERS,
    "Money": money.MONEY,
}
BY_KIND = {alert.kind: alert for alerts in GROUPS.values() for alert in alerts}
ADVICE = {kind: alert.advice for kind, alert in BY_KIND.items()}

INTRODUCTION = """# Alerts

What ops is told of, and what to do. This page is made from `ops/alerts`; the console and the mails say the same.

Everything is an incident in the console, the worst first. **Critical** ones are also mailed to `OPS_EMAIL` within
seconds, again when they are over, and once more every `OPS_REMIND_MINUTES` while nobody acknowledges them.
**Warnings** are mailed together, at most every `OPS_DIGEST_MINUTES`. Whatever is wrong has one open incident, which
counts up. When many of a kind open at once they are folded into one, a *storm*, and one mail leaves; each stays a row
under it. What a person resolved is not opened again by a sweep for a quarter of an hour: figures need a while.
"""


def as_markdown() -> str:
    """The list as a page of the documentation."""
    lines = [INTRODUCTION.rstrip()]
    for title, alerts in GROUPS.items():
        lines += ["", f"## {title}", ""]
        lines += ["| alert | severity | what raises it | what to do | resolved by itself? |", "|---|---|---|---|---|"]
        lines += [f"| `{a.kind}` | {a.severity} | {a.raised_when} | {a.advice} | {a.resolved_when} |" for a in alerts]
    return "\n".join(lines) + "\n"
