"""The sockets process: WebSockets only. HTTP lives in the web process (Django under ASGI costs 8 times the CPU)."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("HANDOFF_PROCESS", "sockets")

import django

django.setup()

from deliveries.realtime.asgi import application  # noqa: E402, F401  (needs the application registry)
