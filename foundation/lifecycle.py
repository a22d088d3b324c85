"""Life cycles: which moves a status may make, said once per kind of thing and checked when the module is imported."""

from collections.abc import Iterable, Mapping

from django.db.models import TextChoices

from foundation.errors import IllegalMove


class LifeCycle:
    """The one table of legal moves of a status.

    Import fails with ValueError when a status is missing from the table, a move leads nowhere known, or a status
    cannot be reached from the start: a typo in a table is found by starting the program, not by a customer.
    """

    def __init__(self, statuses: type[TextChoices], start: str, moves: Mapping[str, Iterable[str]]):
        self.statuses = statuses
        self.start = str(start)
        self.moves = {str(a): frozenset(str(b) for b in bs) for a, bs in moves.items()}
        self._check_reachable()

    def _check_reachable(self) -> None:
        known = set(self.statuses.values)
        if missing := known - set(self.moves):
            raise ValueError(f"{self.statuses.__name__}: no row for {sorted(missing)}")
        if strange := (set(self.moves) | {b for bs in self.moves.values() for b in bs} | {self.start}) - known:
            raise ValueError(f"{self.statuses.__name__}: unknown statuses {sorted(strange)}")
        reached, frontier = {self.start}, [self.start]
        while frontier:
            fresh = self.moves[frontier.pop()] - reached
            reached |= fresh
            frontier += fresh
        if lost := known - reached:
            raise ValueError(f"{self.statuses.__name__}: never reached {sorted(lost)}")

    def is_allowed(self, current: str, target: str) -> bool:
        return str(target) in self.moves[str(current)]

    def require_move(self, current: str, target: str, *, what: str = "status") -> None:
        """Raise IllegalMove unless `current` may become `target`."""
        if not self.is_allowed(current, target):
            raise IllegalMove(f"Invalid {what} transition from {current} to {target}")


class OrderAxis:
    """A forward-only axis: evidence may come in any order, the furthest that was ever seen stands (docs/house.md)."""

    def __init__(self, states: type[TextChoices], ranks: Mapping[str, int]):
        if set(ranks) != set(states):
            raise ValueError(f"{states.__name__}: every state needs a rank")
        self.states = states
        self.ranks = {str(state): rank for state, rank in ranks.items()}

    def furthest_of(self, current: str, seen: str) -> str:
        """The state after seeing `seen` while standing at `current`: never back, and the first of equals stays."""
        return str(seen) if self.ranks[str(seen)] > self.ranks[str(current)] else str(current)

    def has_reached(self, current: str, state: str) -> bool:
        return self.ranks[str(current)] >= self.ranks[str(state)]
