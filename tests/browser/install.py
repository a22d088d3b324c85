"""See to it that there is a Chromium for the browser tests: `python tests/browser/install.py`.

Standard library only. Installs Debian's package where that can be done without a question (root, apt-get); elsewhere it
says what to do, and the browser tests are skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

PACKAGE = "chromium"


def say(text: str) -> None:
    print(f"browser: {text}", flush=True)


def present() -> bool:
    return Path(os.environ.get("CHROMIUM") or f"/usr/bin/{PACKAGE}").exists()


def install() -> bool:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", PACKAGE]):
        done = subprocess.run(["apt-get", *command], env=quiet, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            return False
    return present()


def main() -> None:
    if present():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing Chromium for the browser tests (a minute) ...")
        if install():
            return
    say("there is no Chromium: install it, or name one by CHROMIUM. Until then tests/browser is skipped")


if __name__ == "__main__":
    main()
