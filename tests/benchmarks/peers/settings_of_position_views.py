"""Handoff's settings for positions the usual way: no middleware, its one address."""

from config import settings as ours

globals().update({name: getattr(ours, name) for name in dir(ours) if name.isupper()})
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.benchmarks.peers.position_views"
