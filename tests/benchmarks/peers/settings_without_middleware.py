"""Handoff's settings, but for the middleware, which the fast lane leaves out as well."""

from config import settings as ours

globals().update({name: getattr(ours, name) for name in dir(ours) if name.isupper()})
MIDDLEWARE: list[str] = []
