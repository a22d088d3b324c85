"""The life of an incident; that of a message is a work row's (foundation/work.py)."""

from foundation.lifecycle import LifeCycle
from notifications.models import IncidentStatus

INCIDENT = LifeCycle(
    IncidentStatus,
    IncidentStatus.OPEN,
    {
        IncidentStatus.OPEN: [IncidentStatus.ACKNOWLEDGED, IncidentStatus.RESOLVED],
        IncidentStatus.ACKNOWLEDGED: [IncidentStatus.RESOLVED],
        IncidentStatus.RESOLVED: [],
    },
)
