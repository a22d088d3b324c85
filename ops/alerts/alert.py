"""One line of the list of alerts."""

from dataclasses import dataclass

WARNING, CRITICAL, BOTH = "warning", "critical", "warning or critical"
BY_HAND = "no: somebody says how it ended"


@dataclass(frozen=True)
class Alert:
    """`ends`: how it is resolved by itself, or that it is not."""

    kind: str
    severity: str
    raised: str
    do: str
    ends: str = BY_HAND
