"""Jobs of this room: deadlines that have come. Level-triggered, like every reaction."""

from foundation.jobs import job_handler
from notifications.outbox import delivery_reports


@job_handler("notifications.push_unacknowledged")
def push_unacknowledged(message_id: int) -> None:
    delivery_reports.climb_unless_read(message_id)
