"""Handoff's settings for the usual way: no middleware, its one address, connections kept."""

from config import settings as ours

globals().update({name: getattr(ours, name) for name in dir(ours) if name.isupper()})
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.benchmarks.peers.one_task_each"
