"""What messages cost, and the most that a channel may cost in one UTC day (SPEC N2).

A message's price is taken off the day before its provider is called, and given back when the provider refused it for
sure: what nobody knows may have been charged. One statement on one row, (day, channel), decides: of any number of
workers no two spend the last of it. What is free is neither counted nor held back.
"""

from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from notifications.incidents import service
from notifications.models import ChannelSpending, Severity

CAP_REACHED, CAP = "daily cap reached", "daily_cap"
NEAR = 0.8  # of the cap: ops is told that it will be reached
MICROS = 1_000_000

_RESERVE = """
    INSERT INTO notifications_channelspending AS s (channel, day, messages, spent_micros)
    VALUES (%(channel)s, (clock_timestamp() AT TIME ZONE 'UTC')::date, 1, %(price)s)
    ON CONFLICT (day, channel) DO UPDATE
    SET messages = s.messages + 1, spent_micros = s.spent_micros + excluded.spent_micros
    WHERE %(cap)s::bigint IS NULL OR s.spent_micros + excluded.spent_micros <= %(cap)s::bigint
    RETURNING id, spent_micros
"""


@dataclass(frozen=True)
class Reservation:
    """The price of one message, taken off its day. `row` None: it is free."""

    row: int | None = None
    micros: int = 0


def reserve_budget(channel: str, parts: int = 1, *, beyond_cap: bool = False) -> Reservation | None:
    """Take the price of a message of so many `parts` off today's money; None: the cap does not allow it.

    Ops is told when the cap is near, and when it is reached: once each per channel and day. `beyond_cap`: it counts,
    and nothing holds it back.
    """
    price, cap = settings.MESSAGE_PRICES.get(channel, 0) * parts, settings.MESSAGE_DAILY_CAPS.get(channel)
    if not price:
        return Reservation()
    limit = None if beyond_cap else cap
    found = None
    if limit is None or price <= limit:
        with connection.cursor() as cursor:
            cursor.execute(_RESERVE, {"channel": channel, "price": price, "cap": limit})
            found = cursor.fetchone()
    if found is None:
        _report_incident(
            channel, "capped_at", Severity.CRITICAL, f"Today's money for {channel} is spent: it is passed over"
        )
        return None
    row, spent = found
    if cap is not None and spent - price < NEAR * cap <= spent:
        _report_incident(channel, "warned_at", Severity.WARNING, f"{NEAR:.0%} of today's money for {channel} is spent")
    return Reservation(row, price)


def give_back(reserved: Reservation) -> None:
    """The provider did not take the message."""
    if reserved.row is not None:
        ChannelSpending.objects.filter(pk=reserved.row).update(
            messages=F("messages") - 1, spent_micros=F("spent_micros") - reserved.micros
        )


def format_micros(micros: int) -> str:
    """In the currency that MESSAGE_PRICES is in."""
    return f"{micros // MICROS}.{micros % MICROS:06d}".rstrip("0").removesuffix(".")


def _report_incident(channel: str, once: str, severity: Severity, title: str) -> None:
    """An incident for ops, unless the day has had this one already; who comes late with a warning does not say it of a
    day whose money is spent by now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date")
        day: date = cursor.fetchone()[0]
    with transaction.atomic():
        ChannelSpending.objects.bulk_create([ChannelSpending(channel=channel, day=day)], ignore_conflicts=True)
        today = ChannelSpending.objects.filter(channel=channel, day=day)
        if not today.filter(**{"capped_at": None, once: None}).update(**{once: Now()}):
            return
        row = today.get()
        service.open_incident(
            CAP,
            severity=severity,
            title=title,
            dedupe=f"{CAP}:{channel}:{day}",
            subject=f"spending:{row.pk}",
            detail={
                "channel": channel,
                "day": day,
                "spent": format_micros(row.spent_micros),
                "cap": format_micros(settings.MESSAGE_DAILY_CAPS[channel]),
                "messages": row.messages,
            },
        )
