"""The one task beat sends, once a second for each lane: "there may be work" (it expires after that second)."""

from celery import shared_task

from foundation import lanes


@shared_task(name="foundation.drain", ignore_result=True)
def drain(lane: str, seconds: float = 1.0) -> int:
    return lanes.drain(lanes.all_lanes()[lane], seconds=seconds)
