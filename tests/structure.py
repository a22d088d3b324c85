"""Figures of the structure: `make house` (python -m tests.structure [FOLDER]) prints what docs/house.md reports.

Everything is read from the source with `ast`; nothing is imported. A room's *floors* are the longest chain of imports
inside it, its *arrows* the pairs (importer, imported) of modules. A *walk* is a list of places that one fact passes;
its
*hops* are the changes of module between them.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

ROOMS = (
    "foundation",
    "notifications",
    "orders",
    "riders",
    "deliveries",
    "payouts",
    "webhooks",
    "ops",
    "config",
    "sandbox",
)
SKIPPED = {"migrations", "tests", ".venv", "__pycache__"}
# Names that frameworks call, or that everybody knows: no verb and object is wanted of them.
PROTOCOL = {"get", "post", "put", "patch", "delete", "save", "run", "call", "handle", "main", "clean", "ready"}
Graph = dict[str, set[str]]
# The places that one fact passes, "module:function", in their order; "row" where it waits (in a table, a socket) until
# a work queue or a job takes it. tests/test_house.py holds that each place exists and names the next one.
WALKS: dict[str, tuple[str, ...]] = {
    "a COOCO webhook to the customer's message": (
        "webhooks.intake:answer_request",
        "webhooks.intake:receive_events",
        "webhooks.storage:store_events",
        "row",
        "webhooks.processing:apply_event",
        "deliveries.couriers.webhooks:handle",
        "deliveries.couriers.updates:apply_event",
        "deliveries.couriers.updates:apply_update",
        "deliveries.couriers.updates:apply_to_delivery",
        "deliveries.couriers.updates:settle_delivery",
        "deliveries.couriers.updates:_tell_progress",
        "orders.delivery_progress:record_picked_up",
        "orders.notices:notify_customer",
        "orders.notices:_enqueue_notice",
        "notifications.outbox.enqueue:enqueue_message",
    ),
    "an offer from dispatch to the rider's earning": (
        "deliveries.dispatch.search:run_search",
        "deliveries.dispatch.search:_search_once",
        "deliveries.dispatch.search:_offer_to_rider",
        "deliveries.fulfilment.offers:make_offer",
        "row",
        "deliveries.fulfilment.offer_responses:accept_offer",
        "deliveries.fulfilment.transitions:assign_rider",
        "row",
        "deliveries.fulfilment.rider_steps:take_step",
        "deliveries.fulfilment.transitions:complete_delivery",
        "deliveries.fulfilment.transitions:_end_delivery",
        "row",
        "payouts.reactions:book_delivery",
        "payouts.reactions:_book_rider",
        "payouts.reactions:_carry_out",
        "payouts.ledger.entries:book_entry",
    ),
    "a charge to a payout": (
        "webhooks.stripe:handle",
        "webhooks.stripe:_apply_evidence",
        "orders.payments:apply_payment_event",
        "orders.payments:_apply_succeeded",
        "orders.payments:_book_payment",
        "orders.transitions:advance_axes",
        "row",
        "payouts.reactions:book_order",
        "payouts.reactions:_carry_out",
        "payouts.ledger.entries:book_entry",
        "row",
        "payouts.runs.runs:freeze_account",
        "payouts.runs.transitions:freeze_payout",
        "row",
        "payouts.runs.transfers:send_payout",
        "foundation.stripe:create_transfer",
    ),
    "a position to a watcher": (
        "deliveries.api.location_fast_lane:_answer_report",
        "deliveries.fulfilment.location_reports:take_together",
        "deliveries.positions.tracks:keep_positions",
        "row",
        "deliveries.realtime.publisher:publish_hints",
        "row",
        "deliveries.realtime.hub:hand_out",
        "deliveries.realtime.hub:offer_hint",
        "row",
        "deliveries.realtime.asgi:_stream_hints",
    ),
}


@dataclass(frozen=True)
class Module:
    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    def function_names(self) -> list[str]:
        """All functions and methods, without dunders, outer underscores and PROTOCOL."""
        names = (n.name for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
        plain = (name.strip("_") for name in names if not name.startswith("__"))
        return [name for name in plain if name not in PROTOCOL]

    def imported_names(self, *, everywhere: bool) -> Iterator[str]:
        """Dotted names of modules and of names in them, those for types too. `everywhere`: inside functions too."""
        top = [inner for node in self.tree.body for inner in (node.body if isinstance(node, ast.If) else [node])]
        for node in ast.walk(self.tree) if everywhere else top:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def read_modules(root: Path) -> dict[str, Module]:
    """Our own modules by dotted name; a package's __init__ stands for nobody."""
    found = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            relative = path.relative_to(root)
            if path.name != "__init__.py" and not SKIPPED & set(relative.parts):
                name = ".".join(relative.with_suffix("").parts)
                found[name] = Module(name, path)
    return found


def import_graph(modules: dict[str, Module], *, everywhere: bool = False) -> Graph:
    return {
        name: {other for other in module.imported_names(everywhere=everywhere) if other in modules and other != name}
        for name, module in modules.items()
    }


def find_circles(graph: Graph) -> list[list[str]]:
    """Groups of modules that import each other (strongly connected, more than one), by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                circles.append(sorted(group))

    sys.setrecursionlimit(10_000)
    for node in graph:
        if node not in index:
            visit(node)
    return circles


def count_floors(graph: Graph, members: Iterable[str]) -> int:
    """The longest chain of imports among `members`; a circle counts as one floor."""
    inside = set(members)
    heights: dict[str, int] = {}

    def height(node: str, above: frozenset[str]) -> int:
        if node not in heights:
            below = [height(o, above | {node}) for o in graph[node] if o in inside and o not in above]
            heights[node] = 1 + max(below, default=0)
        return heights[node]

    return max((height(node, frozenset({node})) for node in inside), default=0)


def count_used_once(graph: Graph, members: Iterable[str]) -> int:
    """Members that exactly one other module imports: candidates to be part of it."""
    users: dict[str, set[str]] = defaultdict(set)
    for name, imported in graph.items():
        for other in imported:
            users[other].add(name)
    return sum(len(users[name]) == 1 for name in members)


def one_word_share(modules: Iterable[Module]) -> tuple[float, int]:
    """(share in percent, number of functions)."""
    names = [name for module in modules for name in module.function_names()]
    return 100 * sum("_" not in name for name in names) / max(1, len(names)), len(names)


def room_rows(modules: dict[str, Module]) -> Iterator[tuple[str, ...]]:
    graph, whole = import_graph(modules), import_graph(modules, everywhere=True)
    for room in ROOMS:
        mine = {name: module for name, module in modules.items() if module.room == room}
        if not mine:
            continue
        arrows = sum(other in mine for name in mine for other in graph[name])
        flat = sum(name.count(".") == 1 for name in mine)
        share, functions = one_word_share(mine.values())
        circles = find_circles({name: graph[name] & mine.keys() for name in mine})
        yield (
            room,
            f"{len(mine)} ({flat} flat)",
            str(count_floors(graph, mine)),
            str(arrows),
            str(len(circles)),
            f"{share:.0f} % of {functions}",
            str(count_used_once(whole, mine)),
        )


def count_hops(places: Iterable[str]) -> int:
    """Changes of module on the way; a row costs none, being read is what it is for."""
    modules = [place.partition(":")[0] for place in places if place != "row"]
    return sum(one != other for one, other in pairwise(modules))


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    heads = ("room", "modules", "floors", "arrows", "circles", "one-word function names", "used by one module only")
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    modules = read_modules(root)
    for row in room_rows(modules):
        print("| " + " | ".join(row) + " |")
    print("\n| walk | places | hops between modules |\n|---|---|---|")
    for walk, places in WALKS.items():
        print(f"| {walk} | {sum(place != 'row' for place in places)} | {count_hops(places)} |")
    graph = import_graph(modules)
    print(f"\n{len(modules)} modules, {sum(map(len, graph.values()))} arrows, {len(find_circles(graph))} circles")


if __name__ == "__main__":
    main()
