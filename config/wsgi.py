"""The web process: the webhook lane in front, Django behind it (APIs, admin)."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("HANDOFF_PROCESS", "web")

from django.core.wsgi import get_wsgi_application

django_application = get_wsgi_application()

from webhooks.lane import WebhookLane  # noqa: E402  (needs the application registry)

application = WebhookLane(django_application)
