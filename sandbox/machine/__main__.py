"""A database and a broker for development.

python -m sandbox.machine up --home DIR     start both, print their variables, stay until Ctrl-C
python -m sandbox.machine run -- COMMAND    run COMMAND beside a throw-away pair (or what DATABASE_URL, BROKER_URL name)
python -m sandbox.machine destroy --home DIR    forget the data
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox.machine import folders
from sandbox.machine.children import MachineError
from sandbox.machine.services import Services


def run_services(home: Path, max_connections: int) -> int:
    """Always the embedded ones, whatever the environment names."""
    forget_named_servers()
    folders.note_layout(home, folders.LAYOUT)  # `make demo` may continue here
    with Services(home, max_connections=max_connections) as services:
        for name, value in services.environment.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        while True:
            services.check_running()
            time.sleep(0.5)


def run(command: list[str]) -> int:
    """The exit code of COMMAND."""
    with tempfile.TemporaryDirectory(prefix="handoff-run-") as home:
        services = Services(Path(home))
        try:
            environment = os.environ | services.start()
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            services.destroy()


def destroy_services(home: Path) -> int:
    forget_named_servers()
    Services(home).destroy()
    return 0


def forget_named_servers() -> None:
    for name in ("DATABASE_URL", "BROKER_URL", "LIVE_URL"):
        os.environ.pop(name, None)


def raise_interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.machine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=("up", "run", "destroy"))
    parser.add_argument("command", nargs="*", help="for run: the command and its arguments, after --")
    parser.add_argument("--home", type=Path, default=Path(".demo"), help="folder of the data (default .demo)")
    parser.add_argument("--max-connections", type=int, default=200)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        if options.verb == "run":
            return run(options.command)
        return (
            destroy_services(options.home)
            if options.verb == "destroy"
            else run_services(options.home, options.max_connections)
        )
    except KeyboardInterrupt:
        return 0
    except MachineError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
