"""Start the outside world: `python -m sandbox.serve --port 8090 --home DIR --handoff-url http://127.0.0.1:8000`.

One process, threads inside. Prints one line when it answers; ends on SIGINT or SIGTERM. A second start in the same home
continues where the first one stopped.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.serve", description="The providers as one local program.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--home", type=Path, required=True, help="folder for the keys and the SQLite file")
    parser.add_argument("--handoff-url", required=True, help="where webhooks go, e.g. http://127.0.0.1:8000")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # Refusals and faults are this program's trade: Django is to report exceptions only.
    logging.getLogger("django.request").addFilter(lambda record: bool(record.exc_info))
    os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"

    # Imported here: Django reads its settings' name when these are first touched.
    from django.core.wsgi import get_wsgi_application

    from sandbox import keys
    from sandbox.engine import runtime
    from sandbox.engine.server import Server
    from sandbox.providers import PROVIDERS

    server = Server(options.host, options.port)
    base_url = f"http://{options.host}:{server.server_address[1]}"
    keys.ensure_keys(options.home, base_url)
    runtime.start_runtime(options.home, base_url, options.handoff_url, keys.load_keys(options.home), PROVIDERS)
    server.application = get_wsgi_application()
    for number in (signal.SIGINT, signal.SIGTERM):
        # shutdown() waits for the loop to end, so it must not run on the thread of the loop
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"sandbox at {base_url}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    runtime.stop_runtime()


if __name__ == "__main__":
    main()
