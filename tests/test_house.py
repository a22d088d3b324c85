"""Rules of the house that no linter knows: sizes, names, and which way foreign keys point."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from django.apps import apps
from django.db import models

from tests import structure

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

# called through an object or a table
INDIRECT = {"handle", "apply_event", "keep_positions", "take_step", "make_offer", "complete_delivery", "take_together"}
ROW = re.compile(r"\b[A-Z]\d+\b")
SQL_TABLE = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+\"?(foundation|notifications|orders|riders|deliveries|payouts|webhooks)_(\w+)"
)


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


def test_raw_sql_names_tables_of_its_own_room_or_of_floors_below():
    """What import-linter sees of Python holds for statements too."""
    wrong, seen = [], 0
    for path in sources(*FLOORS):
        if path.suffix == ".py":
            own = path.relative_to(ROOT).parts[0]
            for match in SQL_TABLE.finditer(path.read_text(encoding="utf-8")):
                seen += 1
                if match[1] != own and FLOORS[match[1]] >= FLOORS[own]:
                    wrong.append(f"{relative(path)} reads {match[1]}_{match[2]}")
    assert seen > 40  # the pattern finds statements
    assert wrong == []


def test_no_two_modules_import_each_other():
    modules = structure.read_modules(ROOT)
    assert len(modules) > 400
    assert structure.find_circles(structure.import_graph(modules)) == []


def test_functions_say_what_they_do():
    """At most a quarter of a room's functions have names of one word (dunders and protocol methods left out)."""
    modules = structure.read_modules(ROOT).values()
    shares = {
        room: structure.one_word_share(module for module in modules if module.room == room)[0]
        for room in structure.ROOMS
    }
    assert {room: round(share) for room, share in shares.items() if share > 25} == {}


def test_every_walk_leads_from_function_to_function():
    modules = structure.read_modules(ROOT)
    for walk, places in structure.WALKS.items():
        for place, following in pairwise(places):
            if place == "row":
                continue
            module, _, name = place.partition(":")
            bodies = [
                ast.unparse(node)
                for node in ast.walk(modules[module].tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
            ]
            assert bodies, f"{walk}: there is no {place}"
            wanted = following.partition(":")[2]
            assert following == "row" or any(wanted in body for body in bodies) or wanted in INDIRECT, (
                f"{walk}: {place} does not call {wanted}"
            )


# ── rows of docs/specification.md ────────────────────────────────────────────────────────────────────────────────────
def stated_rows() -> dict[str, bool]:
    """Every row of the specification; False: it says that it is planned."""
    text = (ROOT / "docs" / "specification.md").read_text(encoding="utf-8")
    items = re.split(r"^- (?=\*\*[A-Z]\d+\*\*)", text, flags=re.MULTILINE)[1:]
    return {ROW.search(item)[0]: "*(planned)*" not in re.split(r"^#", item, flags=re.MULTILINE)[0] for item in items}


def named_rows() -> dict[str, list[str]]:
    """Rows named in comments such as `# spec: R4, W5`, with the files that hold a test below the comment."""
    found: dict[str, list[str]] = {}
    for path in sources("tests"):
        if path.suffix == ".py" and path.name != Path(__file__).name:
            text = path.read_text(encoding="utf-8")
            for line in re.findall(r"#\s*spec:(.*)", text):
                for row in ROW.findall(line):
                    found.setdefault(row, [])
                    if (
                        re.search(r"^\s*(?:async )?def test_|^\s+def test_", text, re.MULTILINE)
                        or "_cases" in path.name
                    ):
                        found[row].append(relative(path))
    return found


def test_every_row_that_a_test_names_is_stated():
    assert sorted(named_rows().keys() - stated_rows().keys()) == []


def test_every_row_that_is_not_planned_is_named_by_a_file_of_tests():
    built = {row for row, is_built in stated_rows().items() if is_built}
    assert len(built) > 60
    named = {row for row, files in named_rows().items() if files}
    assert sorted(built - named) == []


def test_a_row_that_tests_name_is_not_called_planned():
    planned = {row for row, is_built in stated_rows().items() if not is_built}
    assert sorted(planned & named_rows().keys()) == []


def test_every_row_that_code_or_docs_name_is_stated():
    """`SPEC R4` in a docstring or a document leads somewhere."""
    known, unknown = stated_rows(), set()
    for path in (*sources(*FLOORS), *(ROOT / "docs").rglob("*.md")):
        for said in re.findall(r"SPEC ((?:[A-Z]\d+(?:, |–|-)?)+)", path.read_text(encoding="utf-8")):
            unknown |= {f"{relative(path)}: {row}" for row in ROW.findall(said) if row not in known}
    assert sorted(unknown) == []
