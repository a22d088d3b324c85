"""Rules of the house that no linter knows: sizes, names, and which way foreign keys point."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {  # who may point at whom: at a lower number only
    "foundation": 0,
    "notifications": 1,
    "orders": 2,
    "riders": 2,
    "deliveries": 3,
    "payouts": 4,
    "webhooks": 5,
    "ops": 6,
    "config": 7,
}
FILE_LINES, FUNCTION_LINES = 400, 50
SOURCE_SUFFIXES = {".py", ".html", ".css", ".js"}
ROOM_SAYS_NOTHING = {"utils.py", "util.py", "helpers.py", "managers.py", "misc.py", "common.py", "signals.py"}

# The rows that the main road promises; each is named by a test (`# spec: R4`).
PROMISED = {
    *("O1", "O2", "O3", "O4", "O5", "O6", "O7", "O8"),
    *("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8"),
    *("W1", "W2", "W3", "W4", "W5", "W7", "D1", "D2", "D3", "D4", "D7"),
    *("R1", "R2", "R3", "R4", "R5", "R6", "R7", "R9", "N1", "N2", "N3", "N4", "N5"),
    *("T1", "T2", "T3", "T4"),
    *("M1", "M2", "M4", "A3", "S1", "S5", "S6", "S7", "S8"),
}


def sources(*folders: str) -> Iterator[Path]:
    """Our own source files: nothing generated, nothing vendored."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SOURCE_SUFFIXES and not {"migrations", "vendor", "__pycache__"} & set(path.parts):
                yield path


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_too_long():
    lengths = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*FLOORS, "sandbox", "tests")
    }
    assert len(lengths) > 100  # the walk finds the house
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_too_long():
    long = {}
    for path in sources(*FLOORS, "sandbox"):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{relative(path)}:{node.name}"] = lines
    assert long == {}


def test_files_are_named_for_what_they_do():
    assert [relative(path) for path in sources(*FLOORS, "sandbox") if path.name in ROOM_SAYS_NOTHING] == []


def forward_relations() -> Iterator[tuple[str, str, models.ForeignKey]]:
    """(own room, other room, key) for every foreign key that leaves its room for another room of ours."""
    for label in FLOORS:
        if not apps.is_installed(label):
            continue
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.local_fields:
                if isinstance(field, models.ForeignKey):
                    target = field.remote_field.model._meta.app_label
                    if target in FLOORS and target != label:
                        yield label, target, field


def test_foreign_keys_point_down_and_protect():
    relations = list(forward_relations())
    assert relations
    for own, other, field in relations:
        assert FLOORS[other] < FLOORS[own], f"{field} points up, to {other}"
        assert field.remote_field.on_delete is models.PROTECT, f"{field} does not protect what it points at"
        assert field.remote_field.related_name == "+", f"{field} gives {other} a name from above"


def test_every_promised_row_is_named_by_a_test():
    assert sorted(PROMISED - named_rows()) == []


def named_rows() -> set[str]:
    """Rows named in comments such as `# spec: R4, W5`."""
    said = (
        line
        for path in sources("tests")
        if path.suffix == ".py" and path.name != Path(__file__).name
        for line in re.findall(r"#\s*spec:(.*)", path.read_text(encoding="utf-8"))
    )
    return {row for line in said for row in re.findall(r"\b[A-Z]\d+\b", line)}
