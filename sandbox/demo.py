"""`make demo`: Handoff's processes, the outside world and a city, started together; a day that ends with proved books.

Everything stands in `.demo/`: the data of the database and the broker, the keys, the logins, the logs. A second run
continues there; `make demo-reset` forgets it. Ports that are taken are stepped over.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from sandbox import keys
from sandbox.city import simulation, verification
from sandbox.city.api_clients import COMPANIES
from sandbox.city.clock import CityClock
from sandbox.city.day import CITIES, Day, generate_day, read_day
from sandbox.city.fixtures import OPS_EMAIL, STAFF, Cast
from sandbox.machine import folders, ports
from sandbox.machine.children import MachineError
from sandbox.machine.processes import Processes, answers_get
from sandbox.machine.services import Services

HERE = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# Handoff's own processes, as a deployment starts them; the ports are chosen.
PROGRAMS = {
    "web": "granian --interface wsgi --host 127.0.0.1 --port {web} --workers 2 --blocking-threads 8 --no-ws"
    " --log-level warning config.wsgi:application",
    "sockets": "uvicorn --port {sockets} --ws-per-message-deflate false --log-level warning config.asgi:application",
    "worker": "celery -A config worker --loglevel warning --without-gossip --without-mingle",
    "beat": "celery -A config beat --loglevel warning",
}
PLAUSIBLE_M_PER_S = 50.0
LEAD_MIN = 10.0
COOKING_MIN = 15.0
ANSWER_S, SHORTEST_ANSWER_S = 300.0, 5  # how long customers have to answer a suggestion


@dataclass(frozen=True)
class Options:
    """What may be chosen; each has an environment variable of the same name in capitals."""

    day: Path | None
    speed: float
    until: str
    city: str
    seed: int
    orders: int
    home: Path
    port: int
    verbose: bool


def parse_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    given = os.environ.get
    parser.add_argument("--day", type=Path, default=given("DAY") or None, help="folder of a published instance")
    parser.add_argument("--speed", type=float, default=float(given("SPEED") or 60), help="how much faster the city is")
    parser.add_argument("--until", default=given("UNTIL") or "", choices=("", "done"), help="done: end with the day")
    parser.add_argument("--city", default=given("CITY") or "austin", choices=sorted(CITIES))
    parser.add_argument("--seed", type=int, default=int(given("SEED") or 1), help="of the generated day")
    parser.add_argument("--orders", type=int, default=int(given("ORDERS") or 60), help="of the generated day")
    parser.add_argument("--home", type=Path, default=Path(given("DEMO_HOME") or HERE / ".demo"))
    parser.add_argument(
        "--port", type=int, default=int(given("PORT") or 8000), help="of the web process; others follow"
    )
    parser.add_argument("--verbose", action="store_true", default=bool(given("VERBOSE")), help="show all logs")
    return Options(**vars(parser.parse_args()))


def main() -> int:
    chosen = parse_options()
    chosen.home.mkdir(parents=True, exist_ok=True)
    try:
        day = read_day(chosen.day) if chosen.day else generate_day(chosen.seed, chosen.orders)
    except (OSError, ValueError, KeyError) as error:
        print_line(f"The day cannot be read: {error}")
        return 2
    try:
        folders.check_layout(chosen.home, folders.LAYOUT)
    except MachineError as error:
        print_line(str(error))
        return 2
    signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        with (
            Services(chosen.home) as services,
            Processes(chosen.home / "logs", show=print if chosen.verbose else None) as p,
        ):
            return Demo(chosen, day, services, p).run()
    except KeyboardInterrupt:
        print_line("\nStopped. `make demo` continues here, `make demo-reset` forgets everything.")
        return 130
    except MachineError as error:
        print_line(f"\n{error}\n`.venv/bin/python manage.py doctor` may know more.")
        return 1


def _raise_interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def print_line(text: str) -> None:
    print(text, flush=True)


class Demo:
    """One run: environment, set-up, processes, day, proof."""

    def __init__(self, chosen: Options, day: Day, services: Services, processes: Processes) -> None:
        self.chosen, self.day, self.services, self.processes = chosen, day, services, processes
        self.ports = ports.choose_all({"web": chosen.port, "sockets": chosen.port + 1, "sandbox": chosen.port + 90})
        self.cast = Cast(day, CITIES[chosen.city], chosen.home, chosen.seed)
        self.keys = keys.ensure_keys(chosen.home / "outside", self.process_url("sandbox"))
        self.environment = self._process_environment()

    def process_url(self, process: str) -> str:
        return f"http://127.0.0.1:{self.ports[process]}"

    def _process_environment(self) -> dict[str, str]:
        speed, day = self.chosen.speed, self.day
        return {
            **os.environ,
            **self.services.environment,
            **self.keys,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": self._load_secret("secret-key"),
            "PUBLIC_URL": self.process_url("web"),
            "SOCKETS_URL": self.process_url("sockets").replace("http", "ws"),
            "OPS_EMAIL": OPS_EMAIL,
            "QUIET_HOURS": "",  # the city's day has nothing to do with ours
            "TRAVEL_SPEED_M_PER_MIN": str(day.metres_per_minute * speed),
            "SERVICE_MINUTES": str(day.service_min / speed),
            "PLAUSIBLE_SPEED_M_PER_S": str(PLAUSIBLE_M_PER_S * speed),
            "DISPATCH_LEAD_SECONDS": str(LEAD_MIN * 60 / speed),
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
            "HANDOFF_PROCESS": "command",
        }

    def _load_secret(self, name: str) -> str:
        file = self.chosen.home / name
        if not file.exists():
            file.write_text(secrets.token_urlsafe(48))
            file.chmod(0o600)
        return file.read_text()

    # ── the run ──────────────────────────────────────────────────────────────────────────────────────────────
    def run(self) -> int:
        self._set_up()
        self._start_processes()
        self._print_box()
        addresses = simulation.Addresses(
            self.process_url("web"), self.process_url("sandbox"), self.keys["STRIPE_PUBLISHABLE_KEY"]
        )
        tally = asyncio.run(simulation.run(self.cast, self._city_clock, addresses, print_line))
        print_line("\nThe day is over. Paying the stores, then proving the books …")
        self.run_management("pay_stores")
        self._wait_until_settled()
        proved = verification.verify_day(
            self._read_summary(), asyncio.run(simulation.outside_summary(addresses)), tally, print_line
        )
        if self.chosen.until != "done":
            print_line("\nEverything keeps running for you to look around. Ctrl-C stops it.")
            self._stay_running()
        return 0 if proved else 1

    def _city_clock(self) -> CityClock:
        return CityClock(self.chosen.speed, self.cast.begins_min())

    def _set_up(self) -> None:
        print_line("Database: migrating …")
        self.run_management("migrate", "--verbosity", "0")
        self.run_management("install_schedule")
        self.run_management("collectstatic", "--noinput", "--verbosity", "0")

    def _start_processes(self) -> None:
        print_line("Starting the outside world, web, sockets, worker and beat …")
        outside: list[str | Path] = ["--port", str(self.ports["sandbox"]), "--home", self.chosen.home / "outside"]
        command = [sys.executable, "-m", "sandbox.serve", *outside, "--handoff-url", self.process_url("web")]
        self.processes.start_process("sandbox", command, cwd=HERE)
        self.processes.wait_until(
            lambda: answers_get(self.process_url("sandbox") + "/_control/health"), what="the sandbox"
        )
        self._let_couriers_go()
        self._let_messengers_know()
        self._seed_city()
        for name, line in PROGRAMS.items():
            program, *arguments = line.format(**self.ports).split()
            environment = {**self.environment, "HANDOFF_PROCESS": name}
            self.processes.start_process(name, [BIN / program, *arguments], env=environment, cwd=HERE)
        self.processes.wait_until(lambda: answers_get(self.process_url("web") + "/ready"), what="the web process")
        self.processes.wait_until(
            lambda: answers_get(self.process_url("sockets") + "/health"), what="the sockets process"
        )

    def _let_couriers_go(self) -> None:
        """The courier companies' jobs move by themselves, as fast as the city, and they know which city it is."""
        pace = {"speed": self.chosen.speed, "by_itself": True}
        city = self.cast.city
        place = {"address": city.name, "lat": city.lat, "lng": city.lng}
        for company in COMPANIES:
            for what, told in (("pace", pace), ("places", place)):
                url = f"{self.process_url('sandbox')}/_control/{company}/{what}"
                requests.post(url, json=told, timeout=10).raise_for_status()

    def _let_messengers_know(self) -> None:
        """Who is who, and the WhatsApp templates that Meta would have approved."""
        control = f"{self.process_url('sandbox')}/_control"
        requests.put(f"{control}/people", json={"people": self.cast.list_people()}, timeout=10).raise_for_status()
        for line in self.run_management("whatsapp_templates", quiet=True).splitlines():
            template = json.loads(line)
            words = {
                "name": template["name"],
                "language": template["language"],
                "body": template["components"][0]["text"],
            }
            requests.put(f"{control}/whatsapp/templates", json=words, timeout=10).raise_for_status()

    def _seed_city(self) -> None:
        file, seed = self.chosen.home / "seed.json", self.cast.seed_file()
        for store in seed["stores"]:  # in everybody's time
            store["preparation_minutes"] = round(COOKING_MIN / self.chosen.speed)
            store["substitution_decide_s"] = max(SHORTEST_ANSWER_S, round(ANSWER_S / self.chosen.speed))
        file.write_text(json.dumps(seed))
        file.chmod(0o600)
        self.run_management("seed", str(file))

    def run_management(self, *arguments: str, quiet: bool = False) -> str:
        """Run a management command of Handoff; what it prints is returned and, unless `quiet`, shown."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=HERE,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MachineError(f"manage.py {arguments[0]} failed:\n{done.stderr[-3000:]}{done.stdout[-2000:]}")
        if done.stdout and not quiet:
            print_line(done.stdout.rstrip())
        return done.stdout

    def _read_summary(self) -> dict[str, Any]:
        return dict(json.loads(self.run_management("summary", "--json", quiet=True)))

    def _wait_until_settled(self) -> None:
        """Wait until the money is on its way and no row is due any more."""

        def is_settled() -> bool:
            summary = self._read_summary()
            return not summary["webhooks"]["unprocessed"] and not summary["payouts"]["unsettled"]

        self.processes.wait_until(is_settled, what="the last webhook and payout", within_s=120)

    def _print_box(self) -> None:
        logins = [f"{role.replace('_', ' '):<10} {name:<8} {self.cast.passwords[name]}" for name, role in STAFF.items()]
        lines = [
            f"Handoff in {self.cast.city.name}, {self.chosen.speed:g} times faster",
            f"{self.day.name}: {len(self.day.orders)} orders, {len(self.day.couriers)} riders",
            "",
            f"console          {self.process_url('web')}/admin/",
            f"API docs         {self.process_url('web')}/api/docs",
            f"inboxes          {self.process_url('sandbox')}/inbox   what everybody got; try STOP or a bounce",
            f"on its way       {self.process_url('sandbox')}/live   a customer's page, while its map moves",
            f"outside world    {self.process_url('sandbox')}/   every call it received, and buttons that break things",
            f"sockets          {self.process_url('sockets').replace('http', 'ws')}/ws/orders/<order>",
            f"logs             {self.processes.logs}",
            "",
            *logins,
        ]
        width = max(map(len, lines))
        print_line("┌" + "─" * (width + 2) + "┐")
        for line in lines:
            print_line(f"│ {line:<{width}} │")
        print_line("└" + "─" * (width + 2) + "┘")

    def _stay_running(self) -> None:
        stop = signal.sigwait
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        stop({signal.SIGINT, signal.SIGTERM})
        raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
