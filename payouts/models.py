"""Tables of the money room: LedgerAccount, LedgerEntry, ConnectAccount, Payout, BankPayout, CourierPayee,
CourierInvoice, CourierInvoiceLine, CourierDebit.

The ledger is append-only: triggers in the database refuse UPDATE, DELETE and TRUNCATE on entries, number them without
gaps per account and are the only ones to move a balance (migration 0002_ledger_triggers).
"""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries.models import Delivery
from foundation import money
from foundation.models import User
from foundation.work import WorkItem
from payouts.lifecycle import InvoiceStatus, LineResult, PayoutStatus


class PayeeKind(models.TextChoices):
    STORE = "store"
    RIDER = "rider"
    PROVIDER = "provider"


class AccountKind(models.TextChoices):
    HELD = "held"
    PAYABLE = "payable"


class LedgerAccount(models.Model):
    """A payee's money in one currency, `held` (earned, not yet free) or `payable` (SPEC M1). `payee` is "store:4".

    `balance_minor` and `entries` repeat the last entry; they change only under this row's lock.
    """

    payee_kind = models.CharField(max_length=10, choices=PayeeKind.choices)
    payee_id = models.BigIntegerField()
    payee_name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=AccountKind.choices)
    currency = models.CharField(max_length=3)
    balance_minor = models.BigIntegerField(default=0, editable=False)
    entries = models.BigIntegerField(default=0, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payee_kind", "payee_id", "kind", "currency"], name="account_once"),
            models.CheckConstraint(
                condition=~Q(kind=AccountKind.HELD) | Q(balance_minor__gte=0), name="account_held_not_negative"
            ),
        ]
        indexes = [
            models.Index(
                fields=["payee_kind", "currency"],
                condition=Q(kind=AccountKind.PAYABLE) & ~Q(balance_minor=0),
                name="account_to_settle",
            )
        ]

    def __str__(self) -> str:
        return f"{self.payee_name} {self.kind} {self.currency}"

    @property
    def payee(self) -> str:
        return f"{self.payee_kind}:{self.payee_id}"


class EntryKind(models.TextChoices):
    ORDER = "order"
    REFUND = "refund"
    RELEASE = "release"
    DELIVERY_FEE = "delivery_fee"
    TIP = "tip"
    BONUS = "bonus"
    CANCELLATION_FEE = "cancellation_fee"
    HOLD = "hold"
    REVERSAL = "reversal"
    PAYOUT = "payout"
    PAYOUT_RETURN = "payout_return"
    DEBIT = "debit"  # a courier company took it from our Stripe balance itself
    ADJUSTMENT = "adjustment"


# How money comes into the ledger. Such a fact enters it once, on whichever account.
EARNED = (EntryKind.ORDER, EntryKind.DELIVERY_FEE, EntryKind.TIP, EntryKind.BONUS)


class LedgerEntry(models.Model):
    """One booking on one account: never changed, never deleted; a correction is another entry.

    `(account, kind, reference)` is the fact's key: the same fact cannot be booked twice. `sequence` counts from 1
    without gaps, `balance_minor` is the account's balance after this entry; both, and `recorded_at`, are the trigger's.
    """

    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+")
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=20, choices=EntryKind.choices)
    reference = models.CharField(max_length=80)
    amount_minor = models.BigIntegerField()
    balance_minor = models.BigIntegerField()
    order_ref = models.CharField(max_length=40, blank=True, default="")
    note = models.CharField(max_length=200, blank=True, default="")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "reference"], name="entry_fact_once"),
            models.UniqueConstraint(
                fields=["kind", "reference"], condition=Q(kind__in=EARNED), name="entry_earned_once"
            ),
            models.UniqueConstraint(fields=["account", "sequence"], name="entry_sequence_once"),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="entry_not_empty"),
        ]
        indexes = [
            models.Index(fields=["order_ref"], condition=~Q(order_ref=""), name="entry_of_order"),
            models.Index(fields=["account", "occurred_at"], name="entry_of_account_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor}"


class ConnectAccount(models.Model):
    """A payee's account at Stripe Connect. `account.updated` ends here; an older one never wins (SPEC P5, P8).

    `newest` names the account.updated that stands (its time is `updated_at`). After a disconnection `stripe_account` is
    empty, `former_account` says which it was, and `generation` counts up, so that the next one is a new request.
    """

    payee_kind = models.CharField(max_length=10, choices=PayeeKind.choices)
    payee_id = models.BigIntegerField()
    stripe_account = models.CharField(max_length=80, blank=True, default="")
    charges_enabled = models.BooleanField(default=False)
    payouts_enabled = models.BooleanField(default=False)
    requirements = models.JSONField(default=dict)
    updated_at = models.DateTimeField(null=True, help_text="Stripe's time of the newest account.updated seen.")
    newest = models.CharField(max_length=80, blank=True, default="")
    generation = models.PositiveSmallIntegerField(default=0)
    former_account = models.CharField(max_length=80, blank=True, default="")
    welcomed_at = models.DateTimeField(null=True)
    deauthorized_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payee_kind", "payee_id"], name="connect_account_once"),
            models.UniqueConstraint(
                fields=["stripe_account"], condition=~Q(stripe_account=""), name="stripe_account_once"
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_account or self.payee

    @property
    def payee(self) -> str:
        return f"{self.payee_kind}:{self.payee_id}"

    @property
    def is_onboarded(self) -> bool:
        return bool(self.stripe_account) and self.charges_enabled and self.payouts_enabled


class Payout(WorkItem):
    """Money sent to one payee for one period: its own queue. `public_id` is its transfer_group at Stripe.

    Freezing it books −amount on the account; failed, reversed or cancelled books it back (payouts/runs/transitions.py).
    `submitted_at` stands as long as a transfer may exist that we have not heard of. `refusals` counts the answers
    "not enough money", which Stripe remembers under the idempotency key they were given to: each makes the next key.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+")
    period = models.CharField(max_length=20, help_text="Business key of the run, say 2026-11-20.")
    amount_minor = models.PositiveBigIntegerField()
    returned_minor = models.PositiveBigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=12, choices=PayoutStatus.choices, default=PayoutStatus.PENDING)
    destination = models.CharField(max_length=80)
    stripe_transfer = models.CharField(max_length=80, blank=True, default="")
    submitted_at = models.DateTimeField(null=True, help_text="When it was first put before Stripe.")
    refusals = models.PositiveIntegerField(default=0, editable=False)
    transferred_at = models.DateTimeField(null=True, help_text="Stripe's time of the transfer.")
    failure = models.CharField(max_length=300, blank=True, default="")
    approved_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        constraints = [
            models.UniqueConstraint(fields=["account", "period"], name="payout_period_once"),
            models.UniqueConstraint(
                fields=["stripe_transfer"], condition=~Q(stripe_transfer=""), name="payout_transfer_once"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payout_positive"),
            models.CheckConstraint(
                condition=Q(returned_minor__lte=models.F("amount_minor")), name="payout_return_within"
            ),
        ]
        indexes = [
            *WorkItem.Meta.indexes,
            models.Index(fields=["status", "-created_at"], name="payout_by_status"),
            models.Index(fields=["account", "-created_at"], name="payout_of_account"),
            models.Index(fields=["destination", "transferred_at"], name="payout_to_destination"),
        ]

    def __str__(self) -> str:
        return f"payout {self.period} of {money.format_money(self.amount_minor, self.currency)}"

    @property
    def idempotency_key(self) -> str:
        """One key until Stripe's answer is known (SPEC M4); another only after a refusal that we know of."""
        return f"{self.public_id}-{self.refusals}" if self.refusals else str(self.public_id)


class BankPayout(models.Model):
    """What Stripe sent from a payee's Stripe balance to its bank (its "payout", not ours), as its events tell.

    Kept because our payouts are `paid` when such a one, made after their transfer, arrived, and either may be heard of
    first. `made_at` is Stripe's time.
    """

    class Status(models.TextChoices):
        UNDER_WAY = "under_way"
        PAID = "paid"
        FAILED = "failed"

    stripe_payout = models.CharField(max_length=80, unique=True)
    stripe_account = models.CharField(max_length=80)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.UNDER_WAY)
    failure = models.CharField(max_length=300, blank=True, default="")
    made_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["stripe_account", "made_at"], name="bank_payout_of_account")]

    def __str__(self) -> str:
        return self.stripe_payout


class CourierPayee(models.Model):
    """Gives a courier company the number that its ledger accounts carry as `payee_id` ("provider:3").

    Made when something is first booked for the company, so that adding one stays a line in deliveries/couriers.
    """

    courier = models.CharField(max_length=12, unique=True, help_text="As in Delivery.courier.")

    def __str__(self) -> str:
        return self.courier


class CourierInvoice(models.Model):
    """What a courier company asks for a period's deliveries (SPEC C6, M6). It takes the money itself: nothing is sent.

    Both ends of the period are in it, as days in UTC. A corrected version `replaces` an earlier one; the same file
    (`file_sha256`) is the same invoice. `due_at` is when the company may take the money.
    """

    courier = models.CharField(max_length=12)
    number = models.CharField(max_length=60)
    period_from = models.DateField()
    period_to = models.DateField()
    issued_on = models.DateField()
    due_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    total_minor = models.PositiveBigIntegerField()
    status = models.CharField(max_length=10, choices=InvoiceStatus.choices, default=InvoiceStatus.IMPORTED)
    file_sha256 = models.CharField(max_length=64, editable=False)
    replaces = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    imported_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["courier", "number"],
                condition=~Q(status=InvoiceStatus.REPLACED),
                name="courier_invoice_number_once",
            ),
            models.UniqueConstraint(fields=["courier", "file_sha256"], name="courier_invoice_file_once"),
            models.UniqueConstraint(fields=["replaces"], name="courier_invoice_replaced_once"),
            models.CheckConstraint(
                condition=Q(period_from__lte=models.F("period_to")), name="courier_invoice_period_forward"
            ),
        ]
        indexes = [models.Index(fields=["status", "due_at"], name="courier_invoice_by_status")]

    def __str__(self) -> str:
        return f"{self.courier} invoice {self.number}"


class CourierInvoiceLine(models.Model):
    """One delivery on an invoice beside what we expected of it; or (`position` null) one that is not on it.

    `position` is the line of the file. `expected_minor` is what our ledger says, null for what we do not know. Once
    accepted, what the company asks stands, and the ledger follows it (payouts/invoices/matching.py).
    """

    invoice = models.ForeignKey(CourierInvoice, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField(null=True)
    external_id = models.CharField(max_length=60)
    courier_ref = models.CharField(max_length=80, blank=True, default="")
    kind = models.CharField(max_length=20)
    completed_at = models.DateTimeField(null=True)
    amount_minor = models.PositiveBigIntegerField(null=True)
    expected_minor = models.BigIntegerField(null=True)
    verdict = models.CharField(max_length=18, choices=LineResult.choices, blank=True, default="")
    delivery = models.ForeignKey(Delivery, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    accepted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)
    acceptance = models.CharField(max_length=300, blank=True, default="", help_text="Why it was accepted.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position_once"),
            models.UniqueConstraint(
                fields=["invoice", "delivery"], condition=Q(position__isnull=True), name="invoice_line_missing_once"
            ),
        ]
        indexes = [models.Index(fields=["verdict", "-id"], name="invoice_line_by_verdict")]

    def __str__(self) -> str:
        where = "not on it" if self.position is None else f"line {self.position}"
        return f"{self.external_id or self.courier_ref} ({where})"


class CourierDebit(models.Model):
    """Money that a courier company took from our Stripe balance for an invoice; negative: it gave some back."""

    invoice = models.ForeignKey(CourierInvoice, on_delete=models.PROTECT, related_name="+")
    courier = models.CharField(max_length=12)
    amount_minor = models.BigIntegerField()
    debited_on = models.DateField()
    reference = models.CharField(max_length=80, help_text="Stripe's id of the balance transaction.")
    recorded_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["courier", "reference"], name="courier_debit_once"),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="courier_debit_not_empty"),
        ]

    def __str__(self) -> str:
        return f"debit {self.reference}"
