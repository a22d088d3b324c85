"""A real Chromium, where there is one, on real processes of Handoff."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser import stage as stages
from tests.browser.stage import Stage

CHROMIUM = Path(os.environ.get("CHROMIUM") or "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (name it by the variable CHROMIUM): the page was not looked at")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's loop lives in the test's own thread
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        except Error as error:
            pytest.skip(f"Chromium does not start here: {error.message.splitlines()[0]}")
        yield started
        started.close()
        connections.close_all()  # beside playwright's loop Django opens connections of their own


@pytest.fixture
def stage(browser: Browser, process_environment: dict[str, str], tmp_path: Path, settings) -> Iterator[Stage]:
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9
    with stages.running(process_environment, tmp_path) as running:
        settings.PUBLIC_URL = running.url
        yield running
