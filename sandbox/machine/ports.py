"""Ports for the demo's servers: the wanted one, or the next that is free."""

import socket
from collections.abc import Iterable

HIGHEST = 32_767  # above this Linux hands out ports to outgoing connections, at any moment


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Can a server listen here? One that closed a moment ago does not count as taken; one that listens does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_port(wanted: int, taken: Iterable[int] = (), host: str = "127.0.0.1") -> int:
    """`wanted`, or the first free port above it that is not in `taken` (chosen already, not yet listening)."""
    reserved = set(taken)
    for port in range(wanted, HIGHEST + 1):
        if port not in reserved and is_free(port, host):
            return port
    raise OSError(f"no free port from {wanted} to {HIGHEST} on {host}")


def choose_all(wanted: dict[str, int], host: str = "127.0.0.1") -> dict[str, int]:
    """One port per name, all different."""
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        chosen[name] = choose_port(port, chosen.values(), host)
    return chosen
