"""Make `.venv` and install what Handoff, its sandbox and its tests need: `python3 sandbox/bootstrap.py`.

Standard library only: it runs before anything is installed, under the system's Python. What is installed is pinned by
hash; a stamp of the requirement files in `.venv` makes the next run a matter of milliseconds.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "handoff-stamp"
UNFINISHED = VENV / "handoff-unfinished"
INSTALLER = ROOT / "sandbox/uv.txt"
REQUIREMENTS = [ROOT / "requirements.txt", ROOT / "sandbox/requirements.txt", ROOT / "tests/requirements.txt"]
OLDEST = (3, 11)


def print_line(text: str) -> None:
    print(f"bootstrap: {text}", flush=True)


def exit_with(text: str) -> None:
    sys.exit(f"bootstrap: {text}")


def venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements_digest() -> str:
    """Changes with what is to be installed."""
    digest = hashlib.sha256()
    for file in [INSTALLER, *REQUIREMENTS]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def run(*command: object) -> bool:
    """Run a step with its own output; True when it went well."""
    environment = os.environ | {
        "UV_SYSTEM_CERTS": "true",  # uv brings its own list of authorities; a company's is in the system's
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "VIRTUAL_ENV": str(VENV),
    }
    return subprocess.run([str(part) for part in command], env=environment, check=False).returncode == 0


def is_usable() -> bool:
    """A finished environment of this Python, still in the place where it was made (programs in it carry its path)."""
    settings = VENV / "pyvenv.cfg"
    if UNFINISHED.exists() or not settings.exists() or not settings.read_text().rstrip().endswith(str(VENV)):
        return False
    if not venv_python().exists():
        return False
    ask: list[str] = [str(venv_python()), "-c", "import sys; print(sys.version_info[:2])"]
    told = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    return told.strip() == str(sys.version_info[:2])


def make_venv() -> None:
    """A fresh one: what lies there is of another Python, of another place, or left half done."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        print_line(f"{VENV.name} is not usable: making it anew")
        shutil.rmtree(VENV)
    print_line(f"making {VENV.name} with Python {sys.version.split()[0]}")
    VENV.mkdir()
    UNFINISHED.touch()
    if not run(sys.executable, "-m", "venv", VENV):
        shutil.rmtree(VENV)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        exit_with(
            "this Python cannot make virtual environments. On Debian and Ubuntu: "
            f"apt-get install python{version}-venv (or python3-venv). Then run the same command again."
        )


def install_requirements() -> None:
    """With uv where it can be had, else with pip: the same files, the same hashes, only slower."""
    files = [word for file in REQUIREMENTS for word in ("-r", file)]
    python = venv_python()
    if run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", INSTALLER):
        print_line("installing the pinned packages with uv")
        if run(python, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", *files):
            return
    print_line("uv did not do it; installing with pip, which takes a few minutes")
    if not run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", *files):
        exit_with("the packages could not be installed; the lines above say why (is the package index reachable?)")


def main() -> None:
    if sys.version_info < OLDEST:
        found = f"{sys.executable} is {sys.version.split()[0]}"
        exit_with(f"Python 3.11 or newer is needed, {found}. Name another one: make demo PYTHON=python3.11")
    stamp = requirements_digest()
    if STAMP.exists() and STAMP.read_text() == stamp and is_usable():
        return
    began = time.monotonic()
    if not is_usable():
        make_venv()
    UNFINISHED.touch()
    install_requirements()
    STAMP.write_text(stamp)
    UNFINISHED.unlink()
    print_line(f"ready after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
