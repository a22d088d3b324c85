"""Handoff's web and sockets processes as a browser meets them, and browsers that remember what went wrong in them."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page, Request

from notifications.channels import twilio_client
from sandbox.machine import ports
from sandbox.machine.processes import Processes, answers_get
from tests.processes import manage

BIN = Path(sys.executable).parent
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1200, "height": 900}}
SOCKET_FAILED = "WebSocket connection to"  # the browser says it in the console, whatever a page does about it


class Stage:
    """`url` is the web process's; the sockets process may be killed and started again."""

    def __init__(self, processes: Processes, environment: Mapping[str, str], web: int, sockets: int) -> None:
        self.processes, self.environment = processes, environment
        self.url, self.sockets_url = f"http://127.0.0.1:{web}", f"http://127.0.0.1:{sockets}"
        self._web, self._sockets = web, sockets

    def start_web(self) -> None:
        options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self._web), "--no-ws"]
        self._start("web", BIN / "granian", *options, "--blocking-threads", "4", "config.wsgi:application")
        self.processes.wait_until(lambda: answers_get(self.url + "/health"), what="the web process", within_s=60)

    def start_sockets(self) -> None:
        self._start("sockets", BIN / "uvicorn", "--port", str(self._sockets), "config.asgi:application")
        self.processes.wait_until(lambda: answers_get(self.sockets_url + "/health"), what="sockets", within_s=60)

    def kill_sockets(self) -> None:
        self.processes.running["sockets"].process.kill()
        self.processes.stop_process("sockets")

    def _start(self, name: str, *command: str | Path) -> None:
        self.processes.start_process(name, command, env={**self.environment, "HANDOFF_PROCESS": name})


@contextmanager
def running(environment: Mapping[str, str], folder: Path) -> Iterator[Stage]:
    chosen = ports.choose_all({"web": 24_000 + os.getpid() % 2_000, "sockets": 27_000 + os.getpid() % 2_000})
    addresses = {
        "PUBLIC_URL": f"http://127.0.0.1:{chosen['web']}",
        "SOCKETS_URL": f"ws://127.0.0.1:{chosen['sockets']}",
        "STATIC_ROOT": str(folder / "static"),
        **dict.fromkeys(
            twilio_client.CREDENTIALS, "+15005550006"
        ),  # calls are on, and nobody makes them: no worker runs
    }
    environment = {**environment, **addresses}
    manage({**environment, "HANDOFF_PROCESS": "command"}, "collectstatic", "--noinput", "--verbosity", "0")
    with Processes(folder / "logs") as processes:
        stage = Stage(processes, environment, chosen["web"], chosen["sockets"])
        stage.start_web()
        stage.start_sockets()
        yield stage


@dataclass
class Visit:
    """One page in a browser of its own. `complaints`: console errors, and requests that went anywhere else."""

    context: BrowserContext
    page: Page
    stage: Stage
    complaints: list[str] = field(default_factory=list)
    sizes: dict[str, float] = field(default_factory=dict)
    _urls: dict[str, str] = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """Bytes that came over the line, headers and all, compressed as they were."""
        return sum(self.sizes.values())

    @property
    def network(self) -> CDPSession:
        return self._network

    def watch(self) -> None:
        self._network = self.context.new_cdp_session(self.page)
        self._network.send("Network.enable")
        self._network.on("Network.requestWillBeSent", self._sent)
        self._network.on("Network.loadingFinished", self._loaded)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._asked)
        self.page.on("websocket", lambda socket: self._judge(socket.url))

    def _sent(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["request"]["url"].removeprefix(self.stage.url)

    def _loaded(self, event: dict[str, Any]) -> None:
        url = self._urls.get(event["requestId"], "?")
        self.sizes[url] = self.sizes.get(url, 0) + event["encodedDataLength"]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        self._judge(request.url)

    def _judge(self, url: str) -> None:
        ours = (self.stage.url + "/", self.stage.sockets_url.replace("http", "ws") + "/", "data:")
        if not url.startswith(ours):
            self.complaints.append(f"asked for {url}")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()


def visit(browser: Browser, stage: Stage, address: str = "", **options: Any) -> Visit:
    """A browser of its own that opens `address` (empty: nothing yet)."""
    context = browser.new_context(**(options or PHONE))
    made = Visit(context, context.new_page(), stage)
    made.watch()
    if address:
        made.page.goto(address)
    return made
