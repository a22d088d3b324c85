"""The one task beat sends, once a second for each work queue: "there may be work" (it expires after that second)."""

from celery import shared_task

from foundation import work_queues


@shared_task(name="foundation.drain_queue", ignore_result=True)
def drain_queue(queue: str, seconds: float = 1.0) -> int:
    return work_queues.drain_queue(work_queues.all_queues()[queue], seconds=seconds)
