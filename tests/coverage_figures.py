"""Print how much of each room the tests have run, from SlipCover's JSON (`make coverage`).

Code that runs in processes which tests start (web, workers, sockets) does not count: the figures are lower bounds.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def lines_by_room(report: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """(lines that ran, lines in all) for each room."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for path, figures in report["files"].items():
        room = Path(path).parts[0]
        if "migrations" not in path:
            found[room][0] += len(figures["executed_lines"])
            found[room][1] += len(figures["executed_lines"]) + len(figures["missing_lines"])
    return {room: (ran, all_) for room, (ran, all_) in sorted(found.items())}


def main() -> None:
    rooms = lines_by_room(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    if not rooms:
        sys.exit("no room was measured: is the list of rooms in the Makefile right?")
    for room, (ran, all_) in rooms.items():
        print(f"{room:14} {100 * ran / all_:5.1f} % of {all_:6,} lines")
    ran, all_ = (sum(column) for column in zip(*rooms.values(), strict=True))
    print(f"{'all':14} {100 * ran / all_:5.1f} % of {all_:6,} lines")


if __name__ == "__main__":
    main()
