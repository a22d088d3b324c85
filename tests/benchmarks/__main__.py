"""`python -m tests.benchmarks [AREA ...] [--quick] [--json FOLDER]`: each bench_AREA.py here, in a process of its own.

Ends with 1 when a ratio misses its goal or an outcome is wrong.
"""

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
AREAS = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="keep every round's figures as FOLDER/AREA.json")
    chosen = parser.parse_args()
    if unknown := set(chosen.areas) - set(AREAS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    if len(chosen.areas) == 1:
        return run(chosen.areas[0], quick=chosen.quick, folder=chosen.json)
    passed = [alone(area, sys.argv[1:]) for area in chosen.areas or AREAS]
    return 0 if all(passed) else 1


def alone(area: str, options: list[str]) -> bool:
    """Django is set up once in a process, for one database: each area has its own."""
    rest = [option for option in options if option not in AREAS]
    return subprocess.run([sys.executable, "-m", "tests.benchmarks", area, *rest], check=False).returncode == 0


def run(area: str, *, quick: bool, folder: Path | None) -> int:
    report = import_module(f"tests.benchmarks.bench_{area}").run(quick=quick)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{area}.json").write_text(report.as_json())
    print(report.as_markdown())
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
