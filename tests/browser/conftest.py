"""A real Chromium, where there is one, on real processes of Handoff."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser import stage as stages
from tests.browser.stage import Stage
from tests.conftest import environment_of_processes

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


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (name it by the variable CHROMIUM): the page was not looked at")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's loop lives in the tests' own thread
        try:
            started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        except Error as error:
            pytest.skip(f"Chromium does not start here: {error.message.splitlines()[0]}")
        yield started
        started.close()
        connections.close_all()  # beside playwright's loop Django opens connections of their own


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Without any page of an earlier test."""
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture(scope="package")
def processes(chromium: Browser, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Web and sockets, started once: like every process of Handoff they keep nothing that the database does not say."""
    with stages.running(environment_of_processes(), tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture
def stage(processes: Stage, browser: Browser, transactional_db: None, settings) -> Stage:
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9
    settings.PUBLIC_URL = processes.url
    return processes
