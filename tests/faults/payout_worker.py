"""A worker for test_payout_kills.py: Handoff's own. `celery -A tests.faults.payout_worker worker`.

PAYOUTS=bad sends every attempt under a fresh key and looks nothing up, as one does who trusts the SDK's own keys.
"""

import os
import uuid

import django

from config.celery import app

django.setup()

from payouts.models import Payout  # noqa: E402
from payouts.runs import transfers  # noqa: E402  (these need the application registry)

__all__ = ["app"]

if os.environ.get("PAYOUTS") == "bad":
    Payout.idempotency_key = property(lambda payout: str(uuid.uuid4()))
    transfers._look_up = lambda payout: None
