"""Run one command that ends when its parent ends: `python launch.py [options] -- COMMAND ...`.

The process becomes COMMAND (exec), so its pid is the one that the parent started. Standard library only, started by
file name and isolated (`python -I -S`), because it runs before every server and process of the demo.

A parent that is killed cannot clean up, and a database left behind holds its folder for ever. Linux offers a signal at
the death of the parent; it is asked for last, because changing identity clears it. Elsewhere (macOS) only an orderly
stop ends the children.
"""

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534
CANNOT_LAUNCH = 126


def map_root_to_nobody() -> None:
    """Be `nobody` to oneself and root to the outside: PostgreSQL refuses root, yet no file has to change its owner."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "this machine refuses user namespaces")
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {outer_uid} 1"),
        ("gid_map", f"{NOBODY} {outer_gid} 1"),
    ):
        Path("/proc/self", name).write_text(content, encoding="ascii")


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def die_with_parent(parent: int, death_signal: signal.Signals) -> None:
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the signal at the parent's death was refused")
    if os.getppid() != parent:  # it died before we asked: the signal will never come
        raise OSError(f"the parent {parent} is gone")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a command that ends with its parent.")
    parser.add_argument("--parent", type=int, required=True, help="pid whose end ends the command")
    parser.add_argument("--signal", default="SIGTERM", choices=("SIGINT", "SIGTERM", "SIGKILL"))
    identity = parser.add_mutually_exclusive_group()
    identity.add_argument("--map-root", action="store_true", help="in a user namespace where we are not root")
    identity.add_argument("--nobody", action="store_true", help="as the user nobody")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    try:
        if options.map_root:
            map_root_to_nobody()
        elif options.nobody:
            become_nobody()
        die_with_parent(options.parent, signal.Signals[options.signal])
        os.execvp(options.command[0], options.command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"cannot launch {options.command[0]}: {error}", file=sys.stderr)
        sys.exit(CANNOT_LAUNCH)


if __name__ == "__main__":
    main()
