"""One line of the list of alerts."""

from dataclasses import dataclass

WARNING, CRITICAL, BOTH = "warning", "critical", "warning or critical"
BY_HAND = "no: somebody says how it ended"


@dataclass(frozen=True)
class Alert:
    """`resolved_when`: how it is resolved by itself, or that it is not."""

    kind: str
    severity: str
    raised_when: str
    advice: str
    resolved_when: str = BY_HAND
