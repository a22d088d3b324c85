"""Tables of notifications: who is told (Recipient, PushToken, RetiredAddress), in which words (Wording), what (Message)
and what it costs (Spending), who is put through to whom (PhoneCall), and what ops must look at (Incident)."""

import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Case, Value, When
from django.db.models.functions import Now

from foundation.models import User
from foundation.work import OPEN, WorkItem, WorkState


class Recipient(models.Model):
    """Anybody we write to. Knows addresses, wishes and language; knows nothing of orders or riders.

    `whatsapp_opted_in_at`: nobody is written to by WhatsApp who did not ask for it (None). `whatsapp_last_inbound_at`:
    when the person last wrote to us there, which lets us answer in free text for a day. `time_zone` is where their
    clock is, for quiet hours (notifications/outbox/quiet_hours.py). `erased_at`: they are nobody any more, and are told
    nothing at all.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120, blank=True, default="")
    email = models.EmailField(blank=True, default="")
    phone = models.CharField(max_length=20, blank=True, default="", help_text="E.164")
    language = models.CharField(max_length=8, default="en")
    time_zone = models.CharField(
        max_length=40, blank=True, default="", db_default="", help_text="Empty: as configured (DEFAULT_TIME_ZONE)."
    )
    channels = models.JSONField(default=list, blank=True, help_text="Channels wished, in order; empty: the event's.")
    opted_out_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    whatsapp_opted_in_at = models.DateTimeField(null=True, blank=True)
    whatsapp_last_inbound_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["phone"], condition=~models.Q(phone=""), name="recipient_of_phone")]

    def __str__(self) -> str:
        return f"recipient {self.pk}"


class PushToken(models.Model):
    """A device that can be pushed to; registered twice, it belongs to the latest registrant (SPEC N4)."""

    recipient = models.ForeignKey(Recipient, on_delete=models.PROTECT, related_name="+")
    token = models.CharField(max_length=300, unique=True)
    platform = models.CharField(max_length=10, blank=True, default="")
    last_seen_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_reason = models.CharField(max_length=60, blank=True, default="")

    def __str__(self) -> str:
        return f"push token {self.pk}"


class SuppressedAddress(models.Model):
    """An address that nothing is sent to, on one channel (SPEC N3): it bounced, does not exist, or its owner said so.

    True of the address, whoever it is written down for. `reinstated_at` is the way back; only news that is younger
    retires it again (notifications/contacts/suppressions.py).
    """

    channel = models.CharField(max_length=10)
    address = models.CharField(max_length=254, help_text="In lower case.")
    reason = models.CharField(max_length=60)
    detail = models.CharField(max_length=300, blank=True, default="")
    retired_at = models.DateTimeField()
    reinstated_at = models.DateTimeField(null=True, blank=True)
    reinstated_by = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        verbose_name_plural = "retired addresses"
        constraints = [models.UniqueConstraint(fields=["address", "channel"], name="address_retired_once")]

    def __str__(self) -> str:
        return f"{self.channel} address {self.pk}"


class Approval(models.TextChoices):
    """What Meta says of a text that goes out by WhatsApp; "": it does not go there."""

    WAITING = "waiting", "waits for Meta"
    APPROVED = "approved", "approved by Meta"
    REFUSED = "refused", "refused by Meta"


class TextOverride(models.Model):
    """A version of what an event says on a channel ("": on every one) in a language, written by ops (SPEC N4).

    Append-only, which a trigger holds: of a row only the approval moves. Versions count up per event, channel and
    language; the newest is in force, or nothing of ops' own if it is `withdrawn` (then it has no text). What is built
    in counts as version 0. By WhatsApp goes the newest approved one, known to Meta as `registered_as`; a text that is
    brought back keeps the name it is approved under. The verbs are in notifications/content/override_commands.py.
    """

    event = models.CharField(max_length=60)
    channel = models.CharField(max_length=10, blank=True, default="")
    language = models.CharField(max_length=8)
    version = models.PositiveIntegerField()
    withdrawn = models.BooleanField(default=False)
    title = models.CharField(max_length=200, blank=True, default="")
    body = models.TextField(blank=True, default="")
    note = models.CharField(max_length=300, help_text="Why.")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    registered_as = models.CharField(max_length=120, blank=True, default="", help_text="Its name at Meta.")
    approval = models.CharField(max_length=8, choices=Approval.choices, blank=True, default="")
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "template"
        constraints = [
            models.UniqueConstraint(fields=["event", "channel", "language", "version"], name="wording_version_once"),
            models.CheckConstraint(condition=models.Q(version__gt=0), name="wording_version_counts_from_one"),
            models.CheckConstraint(
                condition=models.Q(withdrawn=True, title="", body="", registered_as="")
                | (models.Q(withdrawn=False) & ~models.Q(body="")),
                name="wording_says_something",
            ),
            models.CheckConstraint(
                condition=models.Q(registered_as="", approval="")
                | (~models.Q(registered_as="") & models.Q(approval__in=Approval.values)),
                name="wording_approval_of_registered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} ({self.channel or 'every channel'}, {self.language}) v{self.version}"


class ReceiptOutcome(models.TextChoices):
    """What a provider says became of a message, in the order of their rank (notifications/outbox/receipt.py)."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    BOUNCED = "bounced"


class Message(WorkItem):
    """One thing said to one person: a row first, sent once (SPEC N2). `dedupe_key` names the fact and the person.

    `channels` is a ladder of its own (empty: the person's and the event's); what was climbed without success is in
    `skipped`, as `[{channel, reason}]`. `channel` is the one it went by, or one that is under way and must not be tried
    twice (notifications/outbox/delivery.py); `why` says whose ladder that was. `title`, `body` and `text_override` are
    what was said and where it stands. `receipt` is the furthest that its provider reported of it (SPEC N3);
    `acknowledged_at` is when the person's own app said that they saw it, which ends the climb whatever a provider says
    later. `urgent`: it has a work queue of its own (notifications/tasks.py).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    recipient = models.ForeignKey(Recipient, on_delete=models.PROTECT, related_name="+")
    event = models.CharField(max_length=60, help_text="Template key, say delivery.on_the_way.")
    dedupe_key = models.CharField(max_length=160, unique=True)
    order_ref = models.CharField(max_length=40, blank=True, default="")
    params = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    urgent = models.BooleanField(default=False, db_default=False, editable=False)
    channels = models.JSONField(default=list)
    skipped = models.JSONField(default=list, db_default=[], editable=False)
    counted_at = models.DateTimeField(null=True, editable=False, help_text="When it took its place in the rate limit.")
    channel = models.CharField(max_length=10, blank=True, default="")
    why = models.CharField(max_length=60, blank=True, default="", db_default="", editable=False)
    title = models.CharField(max_length=200, blank=True, default="")
    body = models.TextField(blank=True, default="")
    text_override = models.ForeignKey(
        TextOverride,
        null=True,
        blank=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The version of ops' own that it was said in; none: built in.",
    )
    provider_id = models.CharField(max_length=200, blank=True, default="")
    receipt = models.CharField(max_length=12, choices=ReceiptOutcome.choices, blank=True, default="", db_default="")
    receipt_at = models.DateTimeField(null=True, blank=True)
    receipt_error = models.CharField(max_length=300, blank=True, default="", db_default="")
    acknowledged_at = models.DateTimeField(null=True, blank=True, help_text="Seen, says the person's app.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        indexes: ClassVar = [
            *(index for index in WorkItem.Meta.indexes if index.fields != ["due_at"]),
            models.Index(  # each of the two work queues finds what is due to it
                fields=["urgent", "due_at"], condition=models.Q(state__in=OPEN), name="message_due_by_urgency"
            ),
            models.Index(fields=["recipient", "-created_at"], name="message_of_recipient"),
            models.Index(fields=["order_ref"], condition=~models.Q(order_ref=""), name="message_of_order"),
            models.Index(
                fields=["recipient", "counted_at"], condition=models.Q(counted_at__isnull=False), name="message_counted"
            ),
            models.Index(fields=["provider_id"], condition=~models.Q(provider_id=""), name="message_of_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.event} → recipient {self.recipient_id}"

    @classmethod
    def replay_rows(cls, pks: Sequence[Any]) -> int:
        """As for every work row; the ladder is climbed anew, from its foot."""
        over = cls.objects.filter(pk__in=pks, state__in=(WorkState.DEAD, WorkState.IGNORED))
        with transaction.atomic():
            over.update(
                skipped=[], channel="", receipt="", receipt_at=None, receipt_error="", acknowledged_at=None, why=""
            )
            return super().replay_rows(pks)


class PhoneCall(WorkItem):
    """Two people to be connected by phone without seeing each other's number (notifications/masked_calls.py).

    `caller` is rung first, `callee` when they answer; both E.164. `started_at`: the provider is being asked.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    order_ref = models.CharField(max_length=40)
    caller = models.CharField(max_length=20)
    callee = models.CharField(max_length=20)
    greeting = models.CharField(max_length=200, help_text="Said to the caller while the callee's phone rings.")
    language = models.CharField(max_length=8, default="en")
    started_at = models.DateTimeField(null=True, editable=False)
    provider_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta(WorkItem.Meta):
        indexes: ClassVar = [
            *WorkItem.Meta.indexes,
            models.Index(fields=["order_ref", "-created_at"], name="phone_call_of_order"),
        ]

    def __str__(self) -> str:
        return f"phone call {self.pk}"


class ChannelSpending(models.Model):
    """What one channel's messages cost on one UTC day, in millionths of the currency that MESSAGE_PRICES is in.

    `warned_at`, `capped_at`: when ops was told that the day's cap was near, and that it was reached; once each.
    """

    channel = models.CharField(max_length=10)
    day = models.DateField()
    messages = models.PositiveIntegerField(default=0)
    spent_micros = models.PositiveBigIntegerField(default=0)
    warned_at = models.DateTimeField(null=True)
    capped_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "spending"
        constraints = [models.UniqueConstraint(fields=["day", "channel"], name="spending_once")]

    def __str__(self) -> str:
        return f"{self.channel} on {self.day}"


class Severity(models.TextChoices):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class IncidentStatus(models.TextChoices):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


STANDING = models.Q(status__in=[IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED])
STORM = "storm"  # the kind of an incident that stands for many (notifications/incidents/grouping.py)


class Incident(models.Model):
    """Something ops must look at: alert, ticket or difference (SPEC N5). One open row per `dedupe_key`.

    `count`: how often it was reported, or, of what a sweep holds, how many there are. `folded_into` is the one that
    stands for it and its like. `reported_at`: when it was settled how ops hears of it (None: that is to come, see
    notifications/incidents/alerting.py); `mailed_at`: when a mail about it alone, or a reminder of it, last left.
    """

    kind = models.CharField(max_length=60)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    rank = models.GeneratedField(
        expression=Case(
            When(severity=Severity.CRITICAL, then=Value(0)),
            When(severity=Severity.WARNING, then=Value(1)),
            default=Value(2),
        ),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    status = models.CharField(max_length=12, choices=IncidentStatus.choices, default=IncidentStatus.OPEN)
    dedupe_key = models.CharField(max_length=160)
    title = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    subject = models.CharField(max_length=60, blank=True, default="", help_text="kind:id of the row it is about.")
    order_ref = models.CharField(max_length=40, blank=True, default="")
    count = models.PositiveIntegerField(default=1, db_default=1)
    first_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())
    folded_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reported_at = models.DateTimeField(null=True, blank=True, editable=False)
    mailed_at = models.DateTimeField(null=True, blank=True, editable=False)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dedupe_key"], condition=STANDING, name="incident_open_once")]
        indexes = [
            models.Index(
                fields=["rank", "-last_at"], condition=STANDING & models.Q(folded_into=None), name="incident_queue"
            ),
            models.Index(fields=["first_at"], condition=STANDING & models.Q(reported_at=None), name="incident_untold"),
            models.Index(fields=["kind"], condition=STANDING, name="incident_standing"),
            models.Index(fields=["-first_at"], name="incident_recent"),
            models.Index(fields=["dedupe_key", "-id"], name="incident_of_key"),
            models.Index(fields=["subject"], condition=~models.Q(subject=""), name="incident_of_subject"),
            models.Index(fields=["order_ref"], condition=~models.Q(order_ref=""), name="incident_of_order"),
            models.Index(
                fields=["folded_into", "-last_at"],
                condition=models.Q(folded_into__isnull=False),
                name="incident_folded",
            ),
        ]

    def __str__(self) -> str:
        return self.title
