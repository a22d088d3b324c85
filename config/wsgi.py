"""The web process: the fast lanes for webhooks and positions in front, Django behind them (APIs, admin)."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("HANDOFF_PROCESS", "web")

from django.core.wsgi import get_wsgi_application

django_application = get_wsgi_application()

from deliveries.api.location_fast_lane import LocationFastLane  # noqa: E402  (need the application registry)
from webhooks.fast_lane import WebhookFastLane  # noqa: E402

application = WebhookFastLane(LocationFastLane(django_application))
