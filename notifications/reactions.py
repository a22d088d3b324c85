"""Jobs of this room: deadlines that have come. Level-triggered, like every reaction."""

from notifications import receipts


def push_unacknowledged(message_id: int) -> None:
    receipts.climb_unless_read(message_id)
