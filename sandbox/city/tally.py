"""What the city remembers of its day, to be held against what Handoff and Stripe say afterwards."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Orders by what the customers know, offers by what the riders answered, cheats by whether they were caught."""

    placed: dict[str, str] = field(default_factory=dict)  # our order_id → Handoff's id
    refused: dict[str, str] = field(default_factory=dict)  # order_id → the reason that was said
    ready_min: dict[str, float] = field(default_factory=dict)  # when the food stands on the counter
    paid: set[str] = field(default_factory=set)
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)  # Handoff's id → its tracking page, its customer
    apps: dict[str, str] = field(default_factory=dict)  # push token → the customer who looks at that phone
    under_way: dict[str, float] = field(default_factory=dict)  # Handoff's id → the minute when its rider should arrive
    watched: str = ""  # the one that is shown to whoever wants to see an order on its way
    delivered: set[str] = field(default_factory=set)  # Handoff's ids, as the riders handed over
    suggested: dict[str, str] = field(default_factory=dict)  # substitution → whose order, as the tablets were told
    wanted: dict[str, str] = field(default_factory=dict)  # substitution → accepted or refused, by answer or by silence
    answers: Counter[str] = field(default_factory=Counter)
    offers: Counter[str] = field(default_factory=Counter)
    cheats: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    def longest_way(self) -> str:
        """The order on its way that has most of it ahead; "" when there is none."""
        shown = [ref for ref in self.under_way if ref in self.pages]
        return max(shown, key=self.under_way.__getitem__, default="")

    def note_surprise(self, text: str) -> None:
        """Something that should not happen in a healthy day; the first ones are shown at the end."""
        self.surprises.append(text)
