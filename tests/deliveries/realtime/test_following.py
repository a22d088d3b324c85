"""The client of the manual (docs/examples/follow.py) ends level whatever becomes of its connection (SPEC T2): it is cut
off at random, and hints are lost at random, while orders move."""

import json
import random
import socket as sockets_of_python
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from follow import Follower
from websockets.sync.client import ClientConnection

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation.models import Event, User
from orders import cancellation
from orders.models import Order, Store
from orders.stores import stores
from tests.builders import TEST, acknowledged, assigned, order, paid, ready, rider, searching, staff_of, store
from tests.deliveries.api.tracking_calls import step
from tests.deliveries.realtime.sockets_process import Sockets, announce, wait_for
from tests.phone_calls import call, token_of
from tests.test_house import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_S = 30.0


class Unlucky(Follower):
    """Keeps what it saw; its connection can be cut."""

    first_wait_s = 0.05

    def __init__(self, api: str, what: str, somebody: User) -> None:
        super().__init__(api, what, lambda: token_of(somebody))
        self.seen: list[Any] = []
        self.opened: list[ClientConnection] = []

    def show(self, state: Any) -> None:
        super().show(state)
        self.seen.append(state)

    def open(self) -> ClientConnection:
        self.opened.append(super().open())
        return self.opened[-1]

    def cut(self) -> None:
        for connection in self.opened[-1:]:
            try:
                connection.socket.shutdown(sockets_of_python.SHUT_RDWR)
            except OSError:
                continue  # it was cut before


@contextmanager
def following(*followers: Unlucky) -> Iterator[None]:
    threads = [threading.Thread(target=one.run, daemon=True) for one in followers]
    for thread in threads:
        thread.start()
    try:
        for one in followers:
            wait_for(lambda: one.state is not None, PATIENCE_S)  # noqa: B023
        yield
    finally:
        for one in followers:
            one.over = True
            one.cut()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)


def truth(somebody: User, address: str) -> Any:
    return without_eta(call(somebody, "get", address).body)


def without_eta(shown: Any) -> Any:
    """It runs on with the clock."""
    return {name: value for name, value in (shown or {}).items() if name != "eta"}


def evening(here: Store) -> tuple[list[Order], list[Callable[[], Any]]]:
    """Three orders of a store, and what happens to them: one is brought, one called off, one is still at work."""
    brought, called_off, waits = (order(of=here) for _ in range(3))
    carried: list[Delivery] = []
    return [brought, called_off, waits], [
        lambda: paid(brought),
        lambda: paid(called_off),
        lambda: acknowledged(brought),
        lambda: ready(fresh(brought)),
        lambda: carried.append(assigned(rider(), searching(fresh(brought)))),
        lambda: acknowledged(called_off),
        lambda: step(carried[0], DeliveryStatus.PICKED_UP),
        lambda: paid(waits),
        lambda: cancellation.cancel_by_person(called_off.pk, reason="changed my mind", by=TEST),
        lambda: step(carried[0], DeliveryStatus.IN_TRANSIT),
        lambda: step(carried[0], DeliveryStatus.DELIVERED),
        lambda: acknowledged(waits),
    ]


def fresh(placed: Order) -> Order:
    return Order.objects.select_related("store").get(pk=placed.pk)


@pytest.fixture
def house(hearing: Sockets, live_server: Any, settings: Any) -> str:
    """The address of the API, whose tickets lead to the sockets process."""
    settings.SOCKETS_URL = f"ws://127.0.0.1:{hearing.port}"
    return str(live_server.url)


def misfortune(dice: random.Random, followers: list[Unlucky]) -> None:
    """Before the next thing happens: some time, a lost hint or a said one, a cut line or none."""
    if dice.random() < 0.3:
        Event.objects.update(announced=True)
    else:
        announce()
    for one in followers:
        if dice.random() < 0.4:
            one.cut()
    time.sleep(dice.choice([0.0, 0.02, 0.1, 0.3]))


# spec: T2
@pytest.mark.parametrize("seed", range(4))
def test_whoever_follows_ends_level(house: str, seed: int):
    dice, here = random.Random(seed), store()
    orders, happenings = evening(here)
    staff = staff_of(here)
    followers = [Unlucky(house, f"orders/{placed.order_id}", staff) for placed in orders]
    followers.append(Unlucky(house, f"stores/{here.slug}", staff))
    addresses = [f"/orders/tracking/{placed.public_id}" for placed in orders] + [f"/api/v1/live/stores/{here.slug}"]
    with following(*followers):
        for happens in happenings:
            happens()
            misfortune(dice, followers)
        wanted = [truth(staff, address) for address in addresses]
        wait_for(lambda: [without_eta(one.state) for one in followers] == wanted, PATIENCE_S)
    for follower in followers[:-1]:
        versions = [state["version"] for state in follower.seen]
        assert versions == sorted(versions)
    assert [line["public_id"] for line in wanted[-1]["orders"]] == [orders[2].public_id]
    assert sum(len(one.opened) for one in followers) > len(followers)  # the lines were cut


# spec: T2
def test_a_client_that_does_not_ask_is_caught(house: str):
    """Known bad: it hears hints and does nothing."""

    class Lazy(Unlucky):
        def ask(self) -> None:
            pass

    placed = paid(order())
    lazy, good = (kind(house, f"orders/{placed.order_id}", placed.storefront) for kind in (Lazy, Unlucky))
    with following(lazy, good):
        acknowledged(placed)
        announce()
        wait_for(lambda: good.state["current_status"] == "STORE_ACKNOWLEDGED", PATIENCE_S)
        assert lazy.state["current_status"] != "STORE_ACKNOWLEDGED"


# spec: T2, S1
def test_who_may_not_see_it_any_more_stays_away(house: str):
    placed = paid(order())
    somebody = staff_of(placed.store)
    follower = Unlucky(house, f"orders/{placed.order_id}", somebody)
    with following(follower):
        stores.assign_staff(somebody, store())
        wait_for(lambda: follower.over, PATIENCE_S)
    assert len(follower.opened) == 1


# spec: T2
def test_the_manuals_command_prints_the_order(house: str):
    placed = paid(order())
    program = ROOT / "docs" / "examples" / "follow.py"
    command = [sys.executable, "-u", str(program), house, f"orders/{placed.order_id}", token_of(placed.storefront)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        printed = ""
        while not printed.endswith("\n}\n"):
            printed += running.stdout.readline()
        running.kill()
    assert json.loads(printed)["public_id"] == placed.public_id
