"""Stores: opening one, its hours, whether it takes orders."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.utils.text import slugify

from foundation import events, geo, money
from foundation.errors import Invalid
from foundation.events import Cause
from foundation.models import User
from notifications.contacts import recipients
from orders.models import Store, StoreStaff

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Hours = Mapping[str, Sequence[Sequence[str]]]


def create_store(
    *, name: str, slug: str = "", email: str = "", phone: str = "", language: str = "en", **fields: Any
) -> Store:
    """A new store and whom to write to about it; `fields` are further columns of Store. Raises Invalid."""
    store = Store(name=name, slug=slug or slugify(name)[:60], **fields)
    require_valid(store)
    with transaction.atomic():
        store.recipient = recipients.create_recipient(
            name=name, email=email, phone=phone, language=language, time_zone=store.time_zone
        )
        store.save()
    return store


def assign_staff(user: User, store: Store) -> StoreStaff:
    """The user works for this store (and for no other)."""
    staff, _ = StoreStaff.objects.update_or_create(user=user, defaults={"store": store})
    return staff


def require_valid(store: Store) -> None:
    """Raises Invalid naming the field for what the database cannot check."""
    if not money.is_known_currency(store.currency):
        raise Invalid(f"{store.currency} is not a currency we do business in", field="currency")
    if (store.latitude is None) != (store.longitude is None):
        raise Invalid("latitude and longitude go together", field="latitude")
    if store.point and not geo.is_valid(*store.point):
        raise Invalid("not a place on earth", field="latitude")
    try:
        ZoneInfo(store.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"{store.time_zone!r} is not a time zone", field="time_zone") from error
    if store.commission_bps > 10_000:
        raise Invalid("is more than everything (10000)", field="commission_bps")
    names = store.preferred_carriers
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Invalid("must be a list of carriers, say in_house and cooco", field="preferred_carriers")
    if store.carried_by == Store.Carriers.PREFERRED and not names:
        raise Invalid("must name at least one carrier, in order", field="preferred_carriers")
    if not isinstance(store.opening_hours, dict):
        raise Invalid("must map days (mon, tue, …) to intervals", field="opening_hours")
    for day in store.opening_hours:
        if day not in DAYS:
            raise Invalid(f"{day!r} is none of {', '.join(DAYS)}", field="opening_hours")
        list(_parse_intervals(store.opening_hours, DAYS.index(day)))


def set_available(store: Store, available: bool, by: Cause, why: str = "") -> bool:
    """Whether the store takes orders. Returns whether that changed anything."""
    with transaction.atomic():
        row = Store.objects.select_for_update(no_key=True, of=("self",)).get(pk=store.pk)
        if row.is_available == available:
            return False
        row.is_available = store.is_available = available
        row.save(update_fields=["is_available"])
        events.record_event("store.availability_changed", row, by=by, data={"available": available, "why": why})
    return True


def set_position_policy(store: Store, policy: Store.Positions, by: Cause, why: str = "") -> bool:
    """How positions at its pickups and drop-offs are judged from now on. Returns whether that changed anything."""
    with transaction.atomic():
        row = Store.objects.select_for_update(no_key=True, of=("self",)).get(pk=store.pk)
        if row.position_policy == policy:
            return False
        before, row.position_policy = row.position_policy, policy
        store.position_policy = policy
        row.save(update_fields=["position_policy"])
        data = {"from": str(before), "to": str(policy), "why": why}
        events.record_event("store.position_policy_changed", row, by=by, data=data)
    return True


def is_open(store: Store, at: datetime) -> bool:
    """By its hours, in its own time zone, past midnight too; without hours a store is always open."""
    hours: Hours = store.opening_hours
    if not hours:
        return True
    local = at.astimezone(ZoneInfo(store.time_zone))
    clock = local.time()
    today, yesterday = local.weekday(), (local.weekday() - 1) % 7
    return any(
        opens <= clock and (clock < closes or closes <= opens) for opens, closes in _parse_intervals(hours, today)
    ) or any(clock < closes <= opens for opens, closes in _parse_intervals(hours, yesterday))


def _parse_intervals(hours: Hours, weekday: int) -> Iterator[tuple[time, time]]:
    for interval in hours.get(DAYS[weekday], ()):
        try:
            opens, closes = interval
            yield _parse_time(opens), _parse_time(closes)
        except (TypeError, ValueError) as error:
            raise Invalid(f"{interval!r} is not ['09:00', '22:00']", field="opening_hours") from error


def _parse_time(text: str) -> time:
    """ "24:00" closes at midnight: the first moment of the next day."""
    return time(0) if text == "24:00" else time.fromisoformat(text)
