"""Bringing people and stores into an empty house: plain functions over the rooms' verbs, shared by `manage.py seed`
and the tests' builders. Each finds what is there already, so that a second seed changes nothing."""

from typing import Any

from django.db import transaction

from foundation.events import Cause
from foundation.models import Role, User
from notifications.contacts import recipients
from orders.models import Store
from orders.stores import stores
from payouts.models import PayeeKind
from payouts.runs import connected_accounts
from riders import riders
from riders.models import Rider

SEED = Cause("system", "seed")


def create_user(username: str, password: str, role: Role, *, email: str = "") -> User:
    """Somebody who signs in; the password of an existing account is brought up to date."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return User.objects.create_user(username=username, password=password, email=email, role=role)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def create_store(*, slug: str, email: str, country: str, **fields: Any) -> Store:
    """A store with its account at Stripe Connect (which the owner still has to fill in there)."""
    found = Store.objects.filter(slug=slug).first()
    if found is None:
        found = stores.create_store(slug=slug, email=email, country=country, **fields)
    connected_accounts.open_account(PayeeKind.STORE, found.pk, email=email, country=country)
    return found


def create_rider(*, username: str, password: str, push_token: str = "", **fields: Any) -> Rider:
    """A verified rider whose phone can be pushed to."""
    found = Rider.objects.select_related("recipient").filter(user__username=username).first()
    if found is None:
        with transaction.atomic():
            found = riders.create_rider(username=username, password=password, **fields)
            riders.verify_rider(found.pk, by=SEED)
    if push_token:
        recipients.register_token(found.recipient, push_token, "android")
    return found


def create_store_staff(*, username: str, password: str, store: str) -> User:
    """Somebody at the store with this slug, with a tablet."""
    somebody = create_user(username, password, Role.STORE_STAFF)
    stores.assign_staff(somebody, Store.objects.get(slug=store))
    return somebody


def seed_all(data: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """All of a seed file: `{staff, storefronts, stores, store_staff, riders}`, each a list of the arguments above."""
    for person in data.get("staff", []):
        create_user(person["username"], person["password"], Role(person["role"]), email=person.get("email", ""))
    for service in data.get("storefronts", []):
        create_user(service["username"], service["password"], Role.STOREFRONT)
    for fields in data.get("stores", []):
        create_store(**fields)
    for fields in data.get("store_staff", []):
        create_store_staff(**fields)
    for fields in data.get("riders", []):
        create_rider(**fields)
    return {kind: len(rows) for kind, rows in data.items()}
