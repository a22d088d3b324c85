"""Handoff's door as a plain Django view, without the fast lane in front."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
