"""Who plays in the day: the seed Handoff is given (stores, riders, staff, the storefront) and everybody's character.

All of it follows from the day and a seed, so that a second run finds the same people; passwords are made once per home.
"""

import json
import random
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.city.day import City, Courier, Day, DayOrder, Restaurant, Spot

KITCHENS = (
    "Spice Garden",
    "Noodle House",
    "Green Bowl",
    "Pizza Corner",
    "Taco Stand",
    "Curry Leaf",
    "Burger Barn",
    "Sushi Place",
    "Soup Kitchen",
    "Bakery",
    "Grill Room",
    "Falafel King",
)
FIRST = (
    "Asha",
    "Ben",
    "Carla",
    "Dev",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Kavya",
    "Liam",
    "Mira",
    "Noah",
    "Omar",
    "Priya",
    "Quentin",
    "Ravi",
    "Sara",
    "Tomas",
    "Uma",
    "Victor",
    "Wei",
    "Yara",
    "Zoe",
)
LAST = ("Abbot", "Bauer", "Costa", "Diaz", "Evans", "Fischer", "Gupta", "Hansen", "Iyer", "Jensen", "Khan", "Lopez")
DISHES = (
    "Butter Chicken",
    "Pad Thai",
    "Margherita",
    "Caesar Salad",
    "Falafel Wrap",
    "Ramen",
    "Veggie Burger",
    "Biryani",
)
WITH_TABLET = 2  # one store in eight works with a tablet, the others with a POS
WITH_COMPANIES = {1: "cooco", 3: "uber", 5: "doordash"}
QUIET_MIN = 5.0  # nobody watches a city that waits longer for its first order
OPS_EMAIL = "ops@handoff.example"
STAFF = {"agent": "ops_agent", "lead": "ops_lead", "finance": "finance"}


@dataclass(frozen=True)
class Character:
    """How a rider behaves: shares of offers rejected and left unanswered, cheats still to be tried."""

    rejects: float
    dawdles: float
    cheats: int


class Cast:
    """The people of one day in one city; `passwords` maps user names to passwords."""

    def __init__(self, day: Day, city: City, home: Path, seed: int) -> None:
        self.day, self.city, self.seed = day, city, seed
        spots = [restaurant.spot for restaurant in day.restaurants]
        self.centre = Spot(sum(s.x_m for s in spots) / len(spots), sum(s.y_m for s in spots) / len(spots))
        self.passwords = _load_passwords(home / "logins.json", self._user_names())
        self._notebook = home / f"placed-{city.name.lower()}-{day.name}-{seed}.jsonl"
        self._placed = _read_notebook(self._notebook)

    def _user_names(self) -> list[str]:
        tablets = [self.tablet_login(r.name) for r in self.day.restaurants if self.has_tablet(r.name)]
        return [*STAFF, "storefront", *tablets, *map(self.rider_login, self.day.couriers)]

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────────
    def store_slug(self, restaurant: str) -> str:
        return f"{self.city.name.lower()}-{restaurant}"

    def rider_login(self, courier: Courier) -> str:
        return f"rider-{courier.name}"

    def has_tablet(self, restaurant: str) -> bool:
        return [r.name for r in self.day.restaurants].index(restaurant) % 8 == WITH_TABLET

    def tablet_login(self, restaurant: str) -> str:
        return f"tablet-{self.store_slug(restaurant)}"

    def push_token(self, courier: Courier) -> str:
        return f"phone-of-{self.city.name.lower()}-{courier.name}"

    def order_id(self, order: DayOrder) -> str:
        return f"{self.day.name}-{order.name}"

    def place_of(self, spot: Spot) -> tuple[float, float]:
        return self.city.place_spot(spot, self.centre)

    def dice_for(self, what: str) -> random.Random:
        return random.Random(f"{self.seed}:{self.day.name}:{what}")

    # ── characters ───────────────────────────────────────────────────────────────────────────────────────────
    def character_of(self, courier: Courier) -> Character:
        """Most riders are fine; every ninth rejects much, every eleventh dawdles, every fifteenth cheats."""
        number = self.day.couriers.index(courier)
        cheats = 0 if number % 15 != 2 else 5 if number == 2 else 2
        return Character(0.35 if number % 9 == 4 else 0.06, 0.2 if number % 11 == 5 else 0.02, cheats)

    # ── the seed ─────────────────────────────────────────────────────────────────────────────────────────────
    def seed_file(self) -> dict[str, Any]:
        """What `manage.py seed` reads."""
        return {
            "staff": [
                {"username": name, "password": self.passwords[name], "role": role} for name, role in STAFF.items()
            ],
            "storefronts": [{"username": "storefront", "password": self.passwords["storefront"]}],
            "stores": [self._build_store(number, r) for number, r in enumerate(self.day.restaurants)],
            "store_staff": [
                {"username": login, "password": self.passwords[login], "store": self.store_slug(r.name)}
                for r in self.day.restaurants
                if self.has_tablet(r.name) and (login := self.tablet_login(r.name))
            ],
            "riders": [self._build_rider(number, c) for number, c in enumerate(self.day.couriers)],
        }

    def _build_store(self, number: int, restaurant: Restaurant) -> dict[str, Any]:
        lat, lng = self.place_of(restaurant.spot)
        kitchen = KITCHENS[number % len(KITCHENS)]
        return {
            "slug": self.store_slug(restaurant.name),
            "name": kitchen if number < len(KITCHENS) else f"{kitchen} {number // len(KITCHENS) + 1}",
            "address": f"{number + 1} {self.city.streets[number % len(self.city.streets)]}, {self.city.name}",
            "latitude": lat,
            "longitude": lng,
            "time_zone": self.city.time_zone,
            "currency": self.city.currency,
            "country": self.city.country,
            **self._pos_fields(restaurant),
            "email": f"{self.store_slug(restaurant.name)}@stores.example",
            "phone": f"{self.city.dial}{1000 + number:04d}",
            **self._carrier_fields(number),
        }

    def _pos_fields(self, restaurant: Restaurant) -> dict[str, Any]:
        if self.has_tablet(restaurant.name):
            return {"pos_kind": "tablet"}
        return {"pos_kind": "petpooja", "pos_rest_id": f"rest-{restaurant.name}"}

    def _carrier_fields(self, number: int) -> dict[str, Any]:
        """Three stores in eight send with a courier company where they can, the others with our riders."""
        company = WITH_COMPANIES.get(number % 8)
        return {"carried_by": "preferred", "preferred_carriers": [company, "in_house"]} if company else {}

    def _build_rider(self, number: int, courier: Courier) -> dict[str, Any]:
        return {
            "username": self.rider_login(courier),
            "password": self.passwords[self.rider_login(courier)],
            "name": f"{FIRST[number % len(FIRST)]} {LAST[number // len(FIRST) % len(LAST)]}",
            "phone": f"{self.city.dial}{5000 + number:04d}",
            "email": f"{self.rider_login(courier)}@riders.example",
            "push_token": self.push_token(courier),
        }

    def list_people(self) -> list[dict[str, Any]]:
        """Everybody but the customers, as the outside world's address book knows them."""
        seed = self.seed_file()
        stores = [(one["slug"], one["name"], "store", [one["email"], one["phone"]]) for one in seed["stores"]]
        riders = [
            (one["username"], one["name"], "rider", [one["push_token"], one["phone"], one["email"]])
            for one in seed["riders"]
        ]
        everybody = [*stores, *riders, ("ops", "Ops", "ops", [OPS_EMAIL])]
        return [dict(zip(("key", "name", "role", "addresses"), one, strict=True)) for one in everybody]

    # ── what is ordered ──────────────────────────────────────────────────────────────────────────────────────
    def order_body(self, order: DayOrder, promised_at: datetime) -> dict[str, Any]:
        """The body of POST /orders/tracking/init: the very same when a second run asks for it again."""
        order_id = self.order_id(order)
        if order_id not in self._placed:
            self._placed[order_id] = {**self._order_wish(order), "promised_at": promised_at.isoformat()}
            with self._notebook.open("a") as file:
                file.write(json.dumps(self._placed[order_id]) + "\n")
        return self._placed[order_id]

    def begins_min(self) -> float:
        """When the day (or what is left of it, in a second run) begins."""
        ahead = [order.placed_min for order in self.day.orders if self.order_id(order) not in self._placed]
        if not self._placed:
            return max(self.day.first_min, min(ahead, default=self.day.first_min) - QUIET_MIN)
        return min(ahead, default=self.day.last_min)

    def _order_wish(self, order: DayOrder) -> dict[str, Any]:
        dice = self.dice_for(order.name)
        lat, lng = self.place_of(order.spot)
        name = f"{dice.choice(FIRST)} {dice.choice(LAST)}"
        dishes = dice.sample(DISHES, dice.randint(1, 3))
        items: list[dict[str, Any]] = [
            {"id": f"i{n}", "name": dish, "quantity": dice.randint(1, 2), "price_minor": dice.randrange(600, 1900, 50)}
            for n, dish in enumerate(dishes, 1)
        ]
        return {
            "order_id": self.order_id(order),
            "store_id": self.store_slug(order.restaurant),
            "customer": {
                "id": f"customer-{order.name}",
                "name": name,
                "email": f"{order.name}@customers.example",
                "phone": f"{self.city.dial}{7000 + self.day.orders.index(order) % 3000}",
            },
            "items": items,
            "address": {
                "label": "Home",
                "address": f"{dice.randint(1, 250)} {dice.choice(self.city.streets)}, {self.city.name}",
                "latitude": lat,
                "longitude": lng,
            },
            "currency": self.city.currency,
            "tax_minor": sum(item["price_minor"] * item["quantity"] for item in items) * 8 // 100,
            "tip_minor": dice.choice([0, 0, 0, 100, 200, 300]),
            "delivery_fee_minor": dice.choice([350, 400, 500]),
            "instructions": dice.choice(["", "", "Ring bell twice", "Leave at door"]),
            "substitution_preference": self.silent_preference(order),
        }

    def cards_tried(self, order: DayOrder) -> tuple[str, ...]:
        """The cards tried one after the other: some are declined first."""
        declined = self.dice_for(f"card-{order.name}").random() < 0.04
        return ("pm_card_chargeDeclined", "pm_card_visa") if declined else ("pm_card_visa",)

    def kitchen_outcome(self, order: DayOrder) -> str:
        """Now and then a kitchen cannot do it."""
        return "cancel" if self.dice_for(f"kitchen-{order.name}").random() < 0.01 else "ready"

    # ── what has run out ─────────────────────────────────────────────────────────────────────────────────────
    def missing_items(self, order: DayOrder) -> list[dict[str, Any]]:
        """What a store with a tablet proposes for two orders in three: something cheaper, dearer, or nothing."""
        dice = self.dice_for(f"missing-{order.name}")
        if dice.random() > 0.67:
            return []
        item = dice.choice(self._placed[self.order_id(order)]["items"])
        price = max(100, item["price_minor"] + dice.choice([-400, -250, 300]))
        instead = {"name": "Dish of the Day", "quantity": item["quantity"], "price_minor": price}
        return [
            {"item": item["id"], "replacement": dice.choice([instead, instead, instead, None]), "reason": "sold out"}
        ]

    def silent_preference(self, order: DayOrder) -> str:
        return self.dice_for(f"prefers-{order.name}").choice(["refuse", "refuse", "accept"])

    def answer_channel(self, order: DayOrder) -> str:
        """How the customer answers a suggestion: on the page, through the storefront, or not at all."""
        return self.dice_for(f"answers-{order.name}").choice(["page", "page", "api", "silent"])

    def likes_replacement(self, order: DayOrder) -> bool:
        return self.dice_for(f"likes-{order.name}").random() < 0.6


def _read_notebook(file: Path) -> dict[str, dict[str, Any]]:
    """What was placed in this home already, by order id."""
    if not file.exists():
        return {}
    return {body["order_id"]: body for body in map(json.loads, file.read_text().splitlines())}


def _load_passwords(file: Path, names: list[str]) -> dict[str, str]:
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = {name: secrets.token_urlsafe(9) for name in names if name not in known}
    if missing:
        known |= missing
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known, indent=1))
        file.chmod(0o600)
    return known
