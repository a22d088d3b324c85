"""Those who act in a story: storefront, customers, kitchens, riders, each by the door that is theirs in life."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import count
from typing import Any

import requests
from django.db.models import F
from django.db.models.functions import Now

from foundation import clock
from foundation.api import authentication
from foundation.geo import Point
from foundation.models import Job, Role, User
from foundation.work import WorkItem, WorkState
from foundation.work_queues import WorkQueue, all_queues
from ops import seeding
from orders.models import Order, Store
from payouts import audit
from payouts.models import ConnectAccount, LedgerAccount, PayeeKind
from payouts.runs import connected_accounts
from riders.models import Rider
from tests.builders import near
from tests.flows.running_handoff import House
from tests.sandbox.process import Sandbox

PATIENCE_S = 40.0
PASSWORD = "a-good-password"
_numbers = count(1)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def code(self) -> str:
        return str(self.body.get("errorCode") or self.body.get("code") or "")


@dataclass
class Phone:
    """Somebody who is signed in at Handoff."""

    url: str
    token: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        said = {"Authorization": f"Bearer {self.token}", **headers}
        response = requests.request(method, self.url + path, json=body, headers=said, timeout=PATIENCE_S)
        return Answer(response.status_code, response.json() if response.content else None)

    def get(self, path: str) -> Answer:
        return self.call("GET", path)


@dataclass(frozen=True)
class Placed:
    """An order as the storefront knows it."""

    order_id: str
    ref: str
    client_secret: str
    home: Point

    @property
    def row(self) -> Order:
        return Order.objects.get(public_id=self.ref)

    @property
    def status(self) -> str:
        return self.row.status

    @property
    def intent(self) -> str:
        return self.client_secret.partition("_secret")[0]


@dataclass
class RiderPhone(Phone):
    rider: Rider
    push_token: str
    at: Point

    def go_online(self, online: bool = True) -> Answer:
        return self.call("PATCH", "/api/v1/rider/availability", {"online": online, **self._position()})

    def report_step(self, placed: Placed, status: str, at: Point | None = None) -> Answer:
        self.at = at or self.at
        return self.call("PATCH", f"/api/v1/rider/orders/{placed.ref}/status", {"status": status, **self._position()})

    def accept(self, placed: Placed) -> Answer:
        return self.call("PATCH", f"/api/v1/rider/orders/{placed.ref}/accept")

    def report_position(self, at: Point) -> Answer:
        self.at = at
        return self.call("POST", "/api/v1/rider/location", self._position())

    def _position(self) -> dict[str, float]:
        return {"lat": self.at.lat, "lng": self.at.lng}


def count_dead() -> dict[str, int]:
    """Dead letters per work queue."""
    return {lane.name: lane.count_dead(1_000) for lane in all_queues().values()}


PLACES = 60  # along a meridian, each out of reach of the others


@dataclass
class Scene:
    """One story's place: a store with its storefront, far from everybody else's."""

    house: House
    number: int = field(default_factory=lambda: next(_numbers))
    dead_before: dict[str, int] = field(default_factory=count_dead)
    dies: dict[str, int] = field(
        default_factory=dict
    )  # rows per work queue whose end as a dead letter is part of the story

    @property
    def outside(self) -> Sandbox:
        return self.house.sandbox

    @property
    def centre(self) -> Point:
        north, east = self.number % PLACES, self.number // PLACES
        return Point(-50 + 1.5 * north, 20.0 + 3 * east)

    # ── who is there ─────────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def storefront(self) -> Phone:
        name = f"storefront-{self.number}"
        user = User.objects.create_user(name, f"{name}@example.test", PASSWORD, role=Role.STOREFRONT)
        return self.sign_in(user)

    def sign_in(self, user: User) -> Phone:
        """By a token like those that /api/v1/auth/token gives; the main road's people sign in there."""
        return Phone(self.house.url, str(authentication.issue_tokens(user)["access"]))

    @cached_property
    def store(self) -> Store:
        """With a PetPooja POS and a Stripe account that may receive money."""
        return self.open_store(pos_kind=Store.Pos.PETPOOJA, pos_rest_id=f"rest-{self.number}")

    def open_store(self, **facts: Any) -> Store:
        """One that Stripe has onboarded: it can be paid."""
        made = self.create_store(**facts)
        self.wait_for(lambda: self.find_connection(made).payouts_enabled, f"{made.slug} to be onboarded")
        return made

    def create_store(self, **facts: Any) -> Store:
        slug = f"store-{next(_numbers)}"
        place = {"latitude": self.centre.lat, "longitude": self.centre.lng, "currency": "USD", "country": "US"}
        return seeding.create_store(slug=slug, name=slug.title(), email=f"{slug}@example.test", **{**place, **facts})

    def connect_again(self, store: Store) -> str:
        """The store opens another account at Stripe; its id."""
        account = connected_accounts.open_account(
            PayeeKind.STORE, store.pk, email=store.recipient.email, country=store.country
        )
        return account.stripe_account

    def find_connection(self, store: Store) -> ConnectAccount:
        return ConnectAccount.objects.get(payee_kind=PayeeKind.STORE, payee_id=store.pk)

    def add_rider(self, **facts: Any) -> RiderPhone:
        """Verified, online at the store's door, with a phone that can be pushed to."""
        name = f"rider-{next(_numbers)}"
        token = f"phone-of-{name}"
        made = seeding.create_rider(username=name, password=PASSWORD, name=name.title(), push_token=token, **facts)
        phone = RiderPhone(**vars(self.sign_in(made.user)), rider=made, push_token=token, at=self.centre)
        assert phone.go_online().status == 200
        return phone

    # ── what they do ─────────────────────────────────────────────────────────────────────────────────────────
    def build_order(self, **facts: Any) -> dict[str, Any]:
        """The body of POST /orders/tracking/init: 40.00 of food, 5.00 for the rider, 3.00 tax, 2.00 tip."""
        number = next(_numbers)
        home = near(self.centre, north_m=900)
        return {
            "order_id": f"order-{number}",
            "store_id": self.store.slug,
            "customer": {"id": f"customer-{number}", "name": "Asha", "email": f"customer-{number}@example.test"},
            "items": [{"id": "i1", "name": "Thali", "quantity": 2, "price_minor": 2_000}],
            "address": {"address": "1 Some Street", "latitude": home.lat, "longitude": home.lng},
            "currency": "USD",
            "tax_minor": 300,
            "tip_minor": 200,
            "delivery_fee_minor": 500,
            **facts,
        }

    def place_order(self, **facts: Any) -> Placed:
        wish = self.build_order(**facts)
        answer = self.storefront.call("POST", "/orders/tracking/init", wish)
        assert answer.status == 201, answer
        home = Point(wish["address"]["latitude"], wish["address"]["longitude"])
        return Placed(wish["order_id"], answer.body["public_id"], answer.body["client_secret"], home)

    def plan_kitchen(self, placed: Placed, outcome: str = "ready", ready_after_s: float = 0.2, **plan: Any) -> None:
        """What the store's POS will do once it has the order."""
        body = {"accept_after_s": 0.0, "ready_after_s": ready_after_s, "outcome": outcome, **plan}
        self.outside.control("PUT", f"petpooja/orders/{placed.ref}", body)

    def pay(self, placed: Placed, card: str = "pm_card_visa") -> requests.Response:
        """As Stripe.js does in the customer's browser."""
        return requests.post(
            f"{self.outside.url}/stripe/v1/payment_intents/{placed.intent}/confirm",
            data={"client_secret": placed.client_secret, "payment_method": card},
            headers={"Authorization": f"Bearer {self.outside.env['STRIPE_PUBLISHABLE_KEY']}"},
            timeout=PATIENCE_S,
        )

    def place_and_pay(self, **facts: Any) -> Placed:
        """A paid order that a kitchen, where the store has a POS, cooks at once."""
        placed = self.place_order(**facts)
        self.plan_kitchen(placed)
        assert self.pay(placed).ok
        return placed

    def carry_order(self, rider: RiderPhone, placed: Placed, to: str = "DELIVERED") -> None:
        """The rider waits for the offer, accepts, and takes every step on the spot, as far as `to`."""
        self.wait_for_offer(rider, placed)
        assert rider.accept(placed).status == 200
        self.wait_for_status(placed, "assigned_to_driver")
        steps = {"PICKED_UP": self.centre, "OUT_FOR_DELIVERY": self.centre, "DELIVERED": placed.home}
        for status, place in steps.items():
            answer = rider.report_step(placed, status, place)
            assert answer.status == 200, answer
            if status == to:
                return

    # ── what is seen ─────────────────────────────────────────────────────────────────────────────────────────
    def read_tracking(self, placed: Placed) -> dict[str, Any]:
        return dict(self.storefront.get(f"/orders/tracking/{placed.ref}").body)

    def wait_for_status(self, placed: Placed, *statuses: str) -> str:
        return str(
            self.wait_for(lambda: placed.status in statuses and placed.status, lambda: f"{statuses}: {placed.row!r}")
        )

    def wait_for_offer(self, rider: RiderPhone, placed: Placed) -> dict[str, Any]:
        """The push about the offer."""

        def push() -> Any:
            pushes = self.list_messages("push", rider.push_token)
            return next((p for p in pushes if p["data"].get("orderId") == placed.ref), None)

        return dict(self.wait_for(push, f"{rider.rider.name} to be offered {placed.ref}"))

    def list_messages(self, channel: str, to: str) -> list[dict[str, Any]]:
        """The messages in somebody's inbox, oldest first."""
        found = self.outside.control("GET", f"messages?channel={channel}&limit=1000")["messages"]
        return [message for message in found if message["to"] == to]

    def expect_emails(self, to: str, *titles: str) -> None:
        """Somebody got these e-mails, and got each of them once."""

        def got() -> list[str]:
            return [message["title"] for message in self.list_messages("email", to)]

        self.wait_for(lambda: set(titles) <= set(got()), lambda: f"{titles} at {to}, got {got()}")
        assert len(got()) == len(set(got()))

    def email_of(self, placed: Placed) -> str:
        return str(placed.row.customer.recipient.email)

    def read_stripe(self, path: str) -> dict[str, Any]:
        key = self.outside.env["STRIPE_SECRET_KEY"]
        answer = requests.get(f"{self.outside.url}/stripe/v1/{path}", auth=(key, ""), timeout=PATIENCE_S)
        answer.raise_for_status()
        return dict(answer.json())

    def read_charge(self, placed: Placed) -> tuple[int, int]:
        """(captured, refunded) of an order at Stripe."""
        intent = self.read_stripe(f"payment_intents/{placed.row.stripe_payment_intent}")
        if not intent["latest_charge"]:
            return 0, 0
        charge = self.read_stripe(f"charges/{intent['latest_charge']}")
        return (charge["amount_captured"], charge["amount_refunded"]) if charge["paid"] else (0, 0)

    def find_account(self, kind: PayeeKind, payee_id: int) -> LedgerAccount:
        return LedgerAccount.objects.get(payee_kind=kind, payee_id=payee_id, kind="payable")

    def read_balance(self, kind: PayeeKind, payee_id: int) -> tuple[int, int]:
        """(held, payable)."""
        rows = LedgerAccount.objects.filter(payee_kind=kind, payee_id=payee_id).values_list("kind", "balance_minor")
        found = dict(rows)
        return found.get("held", 0), found.get("payable", 0)

    def expect_balance(self, kind: PayeeKind, payee_id: int, held: int, payable: int) -> None:
        self.wait_for(
            lambda: self.read_balance(kind, payee_id) == (held, payable),
            lambda: f"{kind} {payee_id} to have {(held, payable)}, has {self.read_balance(kind, payee_id)}",
        )

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────
    def wait_for(self, condition: Callable[[], Any], what: str | Callable[[], str]) -> Any:
        """The first true answer; in vain, it says what was awaited and what the processes complained of."""
        deadline = time.monotonic() + PATIENCE_S
        while not (answer := condition()):
            if time.monotonic() > deadline:
                text = what() if callable(what) else what
                raise AssertionError(f"waited {PATIENCE_S} s in vain for {text}\n{self._complaints()}")
            time.sleep(0.03)
        return answer

    def wait_without_delays(self, condition: Callable[[], Any], what: str) -> Any:
        """As `eventually`, on a day when much has to be tried again: nobody waits for the next try's time."""

        def answer() -> Any:
            self.skip_delays()
            return condition()

        return self.wait_for(answer, what)

    def _complaints(self) -> str:
        logs = sorted(self.house.processes.logs.glob("*.log"))
        lines = [line for log in logs for line in log.read_text(errors="replace").splitlines() if '"info"' not in line]
        return "\n".join(lines[-12:])

    def pass_time(self, placed: Placed, seconds: float) -> None:
        """So much time goes by for this order: its rows are that much older, and its deadlines nearer."""
        past = timedelta(seconds=seconds)
        order = placed.row
        Order.objects.filter(pk=order.pk).update(notified_at=F("notified_at") - past)
        Job.objects.filter(subject=f"order:{order.pk}", state=WorkState.PENDING).update(due_at=F("due_at") - past)

    def skip_delays(self) -> None:
        """Whatever waits for its next try need not wait any longer."""
        for lane in all_queues().values():
            if issubclass(lane.model, WorkItem):
                waiting = lane.model._base_manager.filter(state=WorkState.PENDING, retry_count__gt=0)
                waiting.update(due_at=Now())

    def wait_for_next_second(self) -> None:
        """Stripe's events carry whole seconds; what comes after this is newer than what came before."""
        started = int(time.time())
        self.wait_for(lambda: int(time.time()) > started, "the next second")

    def settle(self) -> None:
        """The providers have told all they have to tell, and every row that was due is done."""

        def idle() -> bool:
            self.skip_delays()
            untold = self.outside.control("GET", "webhooks?state=pending&limit=1")["webhooks"]
            return not untold and not any(has_work(lane) for lane in all_queues().values())

        self.wait_for(idle, "the house to come to rest")

    def prove_books(self) -> None:
        self.settle()
        report = audit.prove_ledger()
        assert report.is_proved, report.failures
        assert {lane: count - self.dead_before[lane] for lane, count in count_dead().items()} == {
            lane: self.dies.get(lane, 0) for lane in all_queues()
        }


def has_work(lane: WorkQueue) -> bool:
    """Whether rows are due, or being worked on."""
    if lane.count_due(clock.database_now() + timedelta(seconds=0.5), 1):
        return True
    return issubclass(lane.model, WorkItem) and lane.model._base_manager.filter(state=WorkState.LEASED).exists()
