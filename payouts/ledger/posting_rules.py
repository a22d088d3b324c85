"""What the ledger ought to say of an order or a delivery, less what it says: pure (SPEC M1, P1, P4, R6, R11).

An order. Its store's share comes in on `held` when the payment is proved. A refund takes its part of that share back,
from wherever the money stands: what substitutions give back takes the part that the store earns less by them, all else
takes in proportion. The order delivered, what is left goes to `payable`. An order that ended otherwise
(cancelled, refused, delivery failed or returned) has its refund to wait for: as long as one was asked for that Stripe
has not confirmed, all stays held. What is left after that was kept from the customer, say a cancellation fee: the
store's share of it goes to `payable` too, as a cancellation fee. What was released stays released; later refunds take
it back from `payable`, which may become negative and carries over (M2).

A delivery. The rider's fee and the tip come in once it is delivered in-house: on `payable`, or on `held` while a fraud
flag about it is open. A flag raised later moves them to `held`, unless a payout has taken them already. All flags
dismissed, they are released. One flag upheld, they are reversed where they stand, also when they were paid: the rider
then owes them.

A courier company's job. What the company earns of it comes in on its `payable` account: the fee of a delivery, or that
of a cancellation. When the end is overruled, or the company says another figure, the difference is another entry.

Times are when it happened in the world, `now` where nobody told us.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from foundation import money
from payouts.ledger import references
from payouts.models import AccountKind, EntryKind

HELD, PAYABLE = AccountKind.HELD, AccountKind.PAYABLE


class BookedEntry(NamedTuple):
    """An entry that stands."""

    account: str
    kind: str
    reference: str
    amount_minor: int


@dataclass(frozen=True)
class Booking:
    """What is still to be booked: one entry on `account`, or (with `source`) a pair that moves the amount there."""

    account: AccountKind
    kind: EntryKind
    reference: str
    amount_minor: int
    occurred_at: datetime
    note: str = ""
    source: AccountKind | None = None


@dataclass
class PostingBatch:
    """The bookings so far, and where the money of this fact stands once they are done."""

    fact: str
    stands: list[BookedEntry]
    bookings: list[Booking] = field(default_factory=list)

    def amount_on(self, account: AccountKind) -> int:
        new = sum(b.amount_minor * ((b.account == account) - (b.source == account)) for b in self.bookings)
        return new + sum(entry.amount_minor for entry in self.stands if entry.account == account)

    def total_of(self, kind: EntryKind) -> int:
        return sum(entry.amount_minor for entry in self.stands if entry.kind == kind)

    def has_kind(self, *kinds: EntryKind) -> bool:
        return any(entry.kind in kinds for entry in self.stands)

    def next_reference(self, kind: EntryKind) -> str:
        """The key of the next step of a kind that may come more than once: "order:7:1", "order:7:2"."""
        return f"{self.fact}:{1 + len({entry.reference for entry in self.stands if entry.kind == kind})}"

    def add_booking(
        self, account: AccountKind, kind: EntryKind, amount_minor: int, at: datetime, note: str = ""
    ) -> None:
        if amount_minor:
            self.bookings.append(Booking(account, kind, self.fact, amount_minor, at, note))

    def add_correction(self, account: AccountKind, kind: EntryKind, amount_minor: int, at: datetime, note: str) -> None:
        if amount_minor:
            self.bookings.append(Booking(account, kind, self.next_reference(kind), amount_minor, at, note))

    def add_move(self, source: AccountKind, kind: EntryKind, at: datetime, note: str) -> None:
        """All of it to the other account."""
        if amount := self.amount_on(source):
            target = PAYABLE if source == HELD else HELD
            self.bookings.append(Booking(target, kind, self.next_reference(kind), amount, at, note, source))


def start_batch(fact: str, entries: Iterable[BookedEntry]) -> PostingBatch:
    """`fact` ("order:7") and those of the entries that are about it."""
    return PostingBatch(fact, [entry for entry in entries if references.fact_of(entry.reference) == fact])


@dataclass(frozen=True)
class OrderFacts:
    """What is true of an order. `total_minor`: what was charged. `paid_at` None: no payment of that is proved.
    `asked_minor`: refunds requested, `refunded_minor`: refunds that Stripe confirmed (cumulative). `differences`: what
    substitutions give back, each with the store's part of it."""

    fact: str
    share_minor: int
    total_minor: int
    paid_at: datetime | None = None
    asked_minor: int = 0
    refunded_minor: int = 0
    delivered: bool = False
    ended: bool = False
    ended_at: datetime | None = None
    differences: tuple[tuple[int, int], ...] = ()


def reversed_share(facts: OrderFacts) -> int:
    """How much of the store's share the confirmed refunds take back. Differences count as confirmed first, the rest is
    in proportion to what is left: a difference that is added later changes nothing about those before it."""
    taken_minor, share_minor = 0, facts.share_minor
    confirmed_minor, charged_minor = facts.refunded_minor, facts.total_minor
    for amount_minor, part_minor in facts.differences:
        confirmed = min(confirmed_minor, amount_minor)
        taken_minor += money.share_of(part_minor, confirmed, amount_minor)
        confirmed_minor, charged_minor = confirmed_minor - confirmed, charged_minor - amount_minor
        share_minor -= part_minor
    return taken_minor + money.share_of(share_minor, confirmed_minor, charged_minor)


def postings_for_order(facts: OrderFacts, entries: Iterable[BookedEntry], now: datetime) -> list[Booking]:
    if facts.paid_at is None:
        return []
    batch = start_batch(facts.fact, entries)
    if not batch.has_kind(EntryKind.ORDER):
        batch.add_booking(HELD, EntryKind.ORDER, facts.share_minor, facts.paid_at)
    reversed_minor = reversed_share(facts)
    released = batch.has_kind(EntryKind.RELEASE, EntryKind.CANCELLATION_FEE)
    note = f"refunded {facts.refunded_minor} of {facts.total_minor}"
    batch.add_correction(
        PAYABLE if released else HELD, EntryKind.REFUND, -reversed_minor - batch.total_of(EntryKind.REFUND), now, note
    )
    at = facts.ended_at or now
    if facts.delivered:
        batch.add_move(HELD, EntryKind.RELEASE, at, "delivered")
    elif facts.ended and facts.asked_minor <= facts.refunded_minor:
        batch.add_move(HELD, EntryKind.CANCELLATION_FEE, at, "kept of an order that was not delivered")
    return batch.bookings


@dataclass(frozen=True)
class DeliveryFacts:
    """What is true of a delivery. `earned_at` None: nothing is earned by it. `paid_out`: a payout took what stands on
    `payable`."""

    fact: str
    fee_minor: int
    tip_minor: int
    earned_at: datetime | None = None
    suspected: bool = False
    upheld: bool = False
    paid_out: bool = False


def postings_for_delivery(facts: DeliveryFacts, entries: Iterable[BookedEntry], now: datetime) -> list[Booking]:
    if facts.earned_at is None:
        return []
    batch = start_batch(facts.fact, entries)
    where = HELD if facts.suspected or facts.upheld else PAYABLE
    if not batch.has_kind(EntryKind.DELIVERY_FEE):
        batch.add_booking(where, EntryKind.DELIVERY_FEE, facts.fee_minor, facts.earned_at)
    if not batch.has_kind(EntryKind.TIP):
        batch.add_booking(where, EntryKind.TIP, facts.tip_minor, facts.earned_at)
    if facts.upheld:
        for account in (HELD, PAYABLE):
            batch.add_booking(account, EntryKind.REVERSAL, -batch.amount_on(account), now, "fraud flag upheld")
    elif facts.suspected:
        if not facts.paid_out:
            batch.add_move(PAYABLE, EntryKind.HOLD, now, "fraud flag open")
    else:
        batch.add_move(HELD, EntryKind.RELEASE, now, "fraud flags dismissed")
    return batch.bookings


@dataclass(frozen=True)
class CourierFacts:
    """What is true of a courier company's job. `kind` is DELIVERY_FEE, CANCELLATION_FEE, or None: nothing is earned by
    it as it stands."""

    fact: str
    kind: EntryKind | None = None
    amount_minor: int = 0
    ended_at: datetime | None = None


def postings_for_courier_job(facts: CourierFacts, entries: Iterable[BookedEntry], now: datetime) -> list[Booking]:
    batch = start_batch(facts.fact, entries)
    due_minor = facts.amount_minor if facts.kind else 0
    if facts.kind and not batch.has_kind(facts.kind):
        batch.add_booking(PAYABLE, facts.kind, due_minor, facts.ended_at or now)
    note = f"it ended as {facts.kind} of {due_minor}" if facts.kind else "it earns nothing after all"
    batch.add_correction(PAYABLE, EntryKind.REVERSAL, due_minor - batch.amount_on(PAYABLE), now, note)
    return batch.bookings
