"""Private folders: the home of the servers' data and a short one for their sockets."""

import hashlib
import os
import stat
from pathlib import Path

from sandbox.machine.children import MachineError

LAYOUT = "0.1.0"  # from this version on, migrations carry the data of a demo
DATA = ("postgres", "secret-key")  # the key alone: the database stands elsewhere, named or of the user nobody
SOCKET_PATH_MAX = 107  # bytes that Linux keeps for a socket's path


def short_name(home: Path) -> str:
    """A short name for `home`, the same at every start."""
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:10]


def make_private(path: Path, owner_uid: int | None = None, mode: int = 0o700) -> Path:
    """Make `path` readable by its owner only. One that belongs to somebody else is refused: names in /tmp are known."""
    wanted = os.geteuid() if owner_uid is None else owner_uid
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {wanted, os.geteuid()}:
        raise MachineError(f"{path} belongs to somebody else; remove it or choose another home")
    if found.st_uid != wanted:
        os.chown(path, wanted, -1)
    path.chmod(mode)
    return path


def socket_folder(home: Path) -> Path:
    """Where the sockets of `home` live: in /tmp, because a socket's path may not be long."""
    return Path("/tmp") / f"handoff-{short_name(home)}"  # noqa: S108 - private() checks who owns it


def make_socket_folder(home: Path) -> Path:
    """Passable for all, because the servers may run as different users; every socket in it is private itself."""
    return make_private(socket_folder(home), mode=0o711)


def check_socket(path: Path) -> Path:
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise MachineError(f"the socket path {path} is longer than {SOCKET_PATH_MAX} bytes")
    return path


def remove_if_empty(path: Path) -> None:
    """The last server of a home takes the folder of the sockets with it."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


def check_layout(home: Path, layout: str) -> None:
    """Write down that the data in `home` are of this layout. Raises MachineError for data of another one, or of the
    time before layouts were written down: they cannot be carried over."""
    note_layout(home, layout)
    note = home / "layout"
    if not note.exists() or note.read_text().strip() != layout:
        raise MachineError(f"{home} holds data of an older version, which cannot be used any more: make demo-reset")


def note_layout(home: Path, layout: str) -> None:
    """A home without data is of this layout from now on; any other stays what it is."""
    if not any((home / name).exists() for name in DATA):
        home.mkdir(parents=True, exist_ok=True)
        (home / "layout").write_text(f"{layout}\n")
