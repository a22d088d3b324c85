"""Every endpoint of the house: who may call it, on what is theirs and on what is others', and what it then answers.

`served` walks the URL configuration; a test holds this table against it, so that a new endpoint has to say who may call
it before it can be merged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from foundation.models import Role
from tests.builders import CENTRE

HERE = {"lat": CENTRE.lat, "lng": CENTRE.lng}
PAGES = ("admin/", "track/")  # for people: sessions or a link, not tokens; tested where the pages are
FUNCTIONS = {"health": ["GET"], "ready": ["GET"], "webhook": ["GET", "POST"], "pp-callback": ["POST"]}
VERBS = ("get", "post", "put", "patch", "delete")
STAFF = (Role.OPS_AGENT, Role.OPS_LEAD, Role.FINANCE, Role.READ_ONLY)
OPS = (Role.OPS_AGENT, Role.OPS_LEAD)
Answers = dict[Role, tuple[int, int]]


@dataclass(frozen=True)
class Endpoint:
    """`may`: what a role is answered about (its own, somebody else's) order; who is not in it is answered 403.

    `open_to_all`: the answer without any token. `reads`: whether it looks at its body.
    """

    body: Any = None
    may: Answers = field(default_factory=dict)
    open_to_all: int | None = None
    reads: bool = True
    family: str = "tracking"


def riders(own: int, other: int | None = None, **more: Any) -> Endpoint:
    """For riders only; about nobody's order in particular unless `other` says what another rider is answered."""
    return Endpoint(may={Role.RIDER: (own, own if other is None else other)}, family="rider", **more)


def each(*roles: Role, own: int, other: int) -> Answers:
    return dict.fromkeys(roles, (own, other))


PEOPLE: Answers = {
    **each(Role.CUSTOMER, Role.RIDER, Role.STORE_STAFF, own=200, other=200),
    Role.STOREFRONT: (400, 400),
}

SEEN_BY: Answers = {
    **each(*STAFF, own=200, other=200),
    **each(Role.STOREFRONT, Role.STORE_STAFF, Role.CUSTOMER, own=200, other=404),
    Role.RIDER: (200, 403),
}
AT_STORES: Answers = {**each(*STAFF, Role.STOREFRONT, own=200, other=200), Role.STORE_STAFF: (200, 404)}

# The order they are asked about is ready, and a rider has accepted it and not fetched it yet.
ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "health"): Endpoint(open_to_all=200, reads=False),
    ("GET", "ready"): Endpoint(open_to_all=200, reads=False),
    ("GET", "api/schema"): Endpoint(open_to_all=200, reads=False),
    ("GET", "api/docs"): Endpoint(open_to_all=200, reads=False),
    ("POST", "api/v1/auth/token"): Endpoint({"username": "nobody", "password": "wrong"}, open_to_all=401),
    ("POST", "api/v1/auth/refresh"): Endpoint({"refresh": "none"}, open_to_all=401),
    ("POST", "api/v1/auth/logout"): Endpoint({"refresh": "none"}, open_to_all=401),
    ("POST", "webhooks/<path:provider>"): Endpoint({}, open_to_all=503),  # Stripe is not configured in this test
    ("GET", "webhooks/<path:provider>"): Endpoint(open_to_all=405, reads=False),  # Stripe never greets
    ("POST", "pp_callback/<str:slug>/"): Endpoint({}, open_to_all=400, family="petpooja"),
    # ── riders ───────────────────────────────────────────────────────────────────────────────────────────────
    ("GET", "api/v1/rider/me"): riders(200, reads=False),
    ("GET", "api/v1/rider/orders"): riders(200, reads=False),
    ("GET", "api/v1/rider/orders/<str:order_id>"): riders(200, 403, reads=False),
    ("PATCH", "api/v1/rider/orders/<str:order_id>/accept"): riders(200, 403, reads=False),
    ("PATCH", "api/v1/rider/orders/<str:order_id>/reject"): riders(409, 403, body={"reason": "far"}),
    ("PATCH", "api/v1/rider/orders/<str:order_id>/status"): riders(200, 403, body={"status": "PICKED_UP", **HERE}),
    ("POST", "api/v1/rider/location"): riders(200, body=HERE),
    ("PATCH", "api/v1/rider/availability"): riders(200, body={"online": True, **HERE}),
    ("POST", "api/v1/rider/push-token"): riders(200, body={"token": "of-my-phone"}),
    ("DELETE", "api/v1/rider/push-token"): riders(200, body={"token": "of-my-phone"}),
    ("GET", "api/v1/rider/referral"): riders(200, reads=False),
    ("POST", "api/v1/rider/referral"): riders(400, body={"code": "NOBODYS1"}),
    ("GET", "api/v1/rider/referral/top"): riders(200, reads=False),
    # ── notifications: a storefront has to say whose ─────────────────────────────────────────────────────────
    ("GET", "notifications/preferences"): Endpoint(may=PEOPLE, reads=False),
    ("PUT", "notifications/preferences"): Endpoint(
        {"channels": ["email", "push"], "email": "a@b.example", "phone": "+918012345678"}, PEOPLE
    ),
    ("POST", "notifications/push/register-token"): Endpoint({"token": "of-my-phone", "platform": "ios"}, PEOPLE),
    ("DELETE", "notifications/push/unregister-token"): Endpoint({"token": "of-my-phone"}, PEOPLE),
    ("POST", "api/v1/notifications/<str:message_id>/ack"): Endpoint(
        may={
            **each(Role.CUSTOMER, Role.RIDER, Role.STORE_STAFF, own=404, other=404),
            Role.STOREFRONT: (400, 400),  # it has to say whose
        },
        reads=False,
    ),
    ("POST", "notifications/whatsapp/opt-in"): Endpoint({}, dict.fromkeys(PEOPLE, (400, 400))),  # nobody has a number
    ("POST", "notifications/whatsapp/opt-out"): Endpoint({}, PEOPLE),
    # ── live: a storefront may look at any store, and sees its own orders there ──────────────────────────────
    ("GET", "api/v1/live/stores/<str:store_id>"): Endpoint(may=AT_STORES, reads=False),
    ("POST", "api/v1/live/stores/<str:store_id>/ticket"): Endpoint(may=AT_STORES, reads=False),
    ("POST", "api/v1/live/orders/<str:order_id>/ticket"): Endpoint(may=SEEN_BY, reads=False),
    # ── order tracking ───────────────────────────────────────────────────────────────────────────────────────
    ("POST", "orders/tracking/init"): Endpoint({}, each(Role.STOREFRONT, own=400, other=400)),
    ("GET", "orders/tracking/<str:order_id>"): Endpoint(may=SEEN_BY, reads=False),
    ("PUT", "orders/tracking/<str:order_id>/status"): Endpoint(
        {"status": "READY_FOR_PICKUP"},
        {**each(*OPS, own=200, other=200), **each(Role.STOREFRONT, Role.STORE_STAFF, own=200, other=404)},
    ),
    ("POST", "orders/tracking/<str:order_id>/acknowledge"): Endpoint(
        {},
        {**each(*OPS, own=400, other=400), **each(Role.STOREFRONT, Role.STORE_STAFF, own=400, other=404)},
    ),
    ("PUT", "orders/tracking/<str:order_id>/substitutions"): Endpoint(
        {"proposals": [{"item": 0, "replacement": None}]},
        {
            **each(*OPS, own=400, other=400),
            **each(Role.STOREFRONT, Role.STORE_STAFF, own=400, other=404),
            Role.CUSTOMER: (403, 404),
        },
    ),
    ("PUT", "orders/tracking/<str:order_id>/driver"): Endpoint(
        {"vehicle": "blue scooter"}, {**each(*OPS, own=200, other=200), Role.RIDER: (200, 403)}
    ),
    ("PUT", "orders/tracking/<str:order_id>/location"): Endpoint(HERE, {Role.RIDER: (200, 403)}),
    ("PUT", "orders/tracking/<str:order_id>/delivered"): Endpoint(
        {"reason": "the customer called"}, {**each(*OPS, own=400, other=400), Role.RIDER: (400, 403)}
    ),
    ("POST", "orders/tracking/<str:order_id>/rating"): Endpoint(
        {"stars": 5}, each(Role.CUSTOMER, Role.STOREFRONT, own=409, other=404)
    ),
}


def served() -> set[tuple[str, str]]:
    """(method, route) of everything that the URL configuration answers, but for pages."""
    found: set[tuple[str, str]] = set()
    for route, pattern in _walk(get_resolver().url_patterns):
        if route.startswith(PAGES):
            continue
        view = getattr(pattern.callback, "cls", None)
        methods = [verb.upper() for verb in VERBS if hasattr(view, verb)] if view else FUNCTIONS[pattern.name or ""]
        found |= {(method, route) for method in methods}
    return found


def _walk(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield route, pattern


def path_of(route: str, ref: str, store: str = "some-store") -> str:
    """`ref` and `store` in the place of whatever the route leaves open."""
    named = {
        "<str:order_id>": ref,
        "<str:message_id>": ref,
        "<str:store_id>": store,
        "<str:slug>": "some-store",
        "<path:provider>": "stripe",
    }
    for name, value in named.items():
        route = route.replace(name, value)
    return f"/{route}"
