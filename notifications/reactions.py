"""Jobs of this room: deadlines that have come. Level-triggered, like every reaction."""

from notifications.outbox import delivery_reports


def push_unacknowledged(message_id: int) -> None:
    delivery_reports.climb_unless_read(message_id)
