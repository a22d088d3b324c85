"""A day of meal delivery: restaurants, riders with shifts, orders with the minute they are placed and ready.

Read from a published instance (tab-separated files with a header line: orders.txt, restaurants.txt, couriers.txt,
instance_parameters.txt; places in metres, times in minutes of the day) or generated from a seed.
"""

import csv
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

METRES_PER_DEGREE = 111_195.0


@dataclass(frozen=True)
class Spot:
    x_m: float
    y_m: float


@dataclass(frozen=True)
class Restaurant:
    name: str
    spot: Spot


@dataclass(frozen=True)
class Courier:
    name: str
    spot: Spot
    on_min: float
    off_min: float


@dataclass(frozen=True)
class DayOrder:
    name: str
    restaurant: str
    spot: Spot
    placed_min: float
    ready_min: float


@dataclass(frozen=True)
class Day:
    """Everything that happens by itself; `metres_per_minute` and the service minutes are the instance's physics."""

    name: str
    restaurants: list[Restaurant]
    couriers: list[Courier]
    orders: list[DayOrder]
    metres_per_minute: float
    service_min: float
    target_min: float  # from the click to the door, as it is promised

    @property
    def first_min(self) -> float:
        return min([order.placed_min for order in self.orders] + [courier.on_min for courier in self.couriers])

    @property
    def last_min(self) -> float:
        return max(order.ready_min for order in self.orders)


@dataclass(frozen=True)
class City:
    """Where the day takes place: metres of the day are laid around this centre."""

    name: str
    lat: float
    lng: float
    currency: str
    country: str
    time_zone: str
    dial: str
    streets: tuple[str, ...]

    def place_spot(self, spot: Spot, centre: Spot) -> tuple[float, float]:
        """(latitude, longitude) of a spot, the day's centre lying on the city's."""
        lat = self.lat + (spot.y_m - centre.y_m) / METRES_PER_DEGREE
        lng = self.lng + (spot.x_m - centre.x_m) / (METRES_PER_DEGREE * math.cos(math.radians(self.lat)))
        return round(lat, 6), round(lng, 6)


CITIES = {
    "austin": City(
        "Austin",
        30.2672,
        -97.7431,
        "USD",
        "US",
        "America/Chicago",
        "+1512555",
        ("Congress Ave", "Guadalupe St", "Barton Springs Rd", "Rainey St", "South Lamar Blvd"),
    ),
    "bangalore": City(
        "Bangalore",
        12.9716,
        77.5946,
        "INR",
        "IN",
        "Asia/Kolkata",
        "+91987654",
        ("MG Road", "Brigade Road", "100 Feet Road", "Church Street", "Residency Road"),
    ),
    "berlin": City(
        "Berlin",
        52.52,
        13.405,
        "EUR",
        "DE",
        "Europe/Berlin",
        "+4930555",
        ("Torstraße", "Kantstraße", "Bergmannstraße", "Schönhauser Allee", "Sonnenallee"),
    ),
}


def read_day(folder: Path) -> Day:
    """A published instance. Raises FileNotFoundError or ValueError that names the file."""
    parameters = next(_iterate_rows(folder / "instance_parameters.txt"))
    return Day(
        name=folder.name,
        restaurants=[Restaurant(r["restaurant"], _read_spot(r)) for r in _iterate_rows(folder / "restaurants.txt")],
        couriers=[
            Courier(r["courier"], _read_spot(r), float(r["on_time"]), float(r["off_time"]))
            for r in _iterate_rows(folder / "couriers.txt")
        ],
        orders=[
            DayOrder(r["order"], r["restaurant"], _read_spot(r), float(r["placement_time"]), float(r["ready_time"]))
            for r in _iterate_rows(folder / "orders.txt")
        ],
        metres_per_minute=float(parameters["meters_per_minute"]),
        service_min=float(parameters["pickup service minutes"]),
        target_min=float(parameters["target click-to-door"]),
    )


def _iterate_rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    if not rows or None in rows[0]:
        raise ValueError(f"{file}: expected a header and tab-separated lines")
    yield from rows


def _read_spot(row: dict[str, str]) -> Spot:
    return Spot(float(row["x"]), float(row["y"]))


def generate_day(seed: int, orders: int) -> Day:
    """A day of our own making: a town of some 6 km, lunch and dinner, enough riders with some slack."""
    dice = random.Random(seed)
    restaurants = [Restaurant(f"r{n}", _spot_near(dice, 2_500)) for n in range(1, max(4, orders // 6) + 1)]
    couriers = []
    for n in range(1, max(5, orders // 5) + 1):
        on = dice.choice([0.0, 0.0, 60.0, 180.0])
        couriers.append(Courier(f"c{n}", _spot_near(dice, 2_500), on, on + dice.choice([240.0, 300.0, 420.0])))
    placed = sorted(_draw_mealtime(dice) for _ in range(orders))
    return Day(
        name=f"seed-{seed}",
        restaurants=restaurants,
        couriers=couriers,
        orders=[
            DayOrder(
                f"o{n}", dice.choice(restaurants).name, _spot_near(dice, 3_500), minute, minute + dice.uniform(8, 22)
            )
            for n, minute in enumerate(placed, 1)
        ],
        metres_per_minute=320.0,
        service_min=4.0,
        target_min=40.0,
    )


def _spot_near(dice: random.Random, spread_m: float) -> Spot:
    return Spot(5_000 + dice.uniform(-spread_m, spread_m), 5_000 + dice.uniform(-spread_m, spread_m))


def _draw_mealtime(dice: random.Random) -> float:
    """Minutes after opening: two humps over six hours."""
    centre, width = dice.choice([(70.0, 35.0), (250.0, 45.0)])
    return round(min(345.0, max(2.0, dice.gauss(centre, width))), 1)
