"""Live watching (SPEC T2, T4) with a real sockets process, a real broker and real WebSockets."""

import json
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from rest_framework_simplejwt.tokens import AccessToken
from websockets.exceptions import InvalidStatus

from deliveries.eta import delay_alerts
from deliveries.fulfilment import location_reports
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from deliveries.realtime import publisher
from foundation import clock
from foundation.models import Event, Role, User
from orders.models import Order
from riders.models import RiderSpot
from riders.positions import PositionFix
from tests.builders import acknowledged, assigned, moved, near, paid_order, ready, rider, signed_in, staff_of, user
from tests.deliveries.realtime.sockets_process import Sockets, closed_with, read, read_until, run, wait_for
from tests.phone_calls import call, token_of
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db(transaction=True)


# spec: T2
def test_a_snapshot_first_and_then_hints(hearing: Sockets):
    placed = paid_order()
    with hearing.watch(placed.storefront, placed) as socket:
        snapshot = read(socket)
        assert (snapshot["topic"], snapshot["name"]) == (f"order:{placed.public_id}", "snapshot")
        assert snapshot["version"] == snapshot["data"]["version"] == placed.version
        assert snapshot["data"]["current_status"] == "STORE_NOTIFIED"
        publisher.QUEUE.drain_once()  # all of it is in the snapshot: nobody hears of it again
        ready(acknowledged(placed))
        publisher.QUEUE.drain_once()
        hints = read_until(socket, "order:status")
        assert all(set(hint) == {"topic", "version", "name"} for hint in hints)
        while hints[-1]["version"] < Order.objects.get(pk=placed.pk).version:
            hints.append(read(socket))
    versions = [hint["version"] for hint in hints]
    assert versions == sorted(versions)
    assert versions[0] > snapshot["version"]
    assert {"order:preparation_changed", "order:status"} <= {hint["name"] for hint in hints}


# spec: T2, P1
def test_the_contracts_names_are_on_the_wire(hearing: Sockets):
    delivery = assigned()
    with hearing.watch(delivery.order.storefront, delivery.order) as socket:
        read(socket)
        drain_queues(publisher.QUEUE)
        moved(delivery, DeliveryStatus.DELIVERED)
        publisher.QUEUE.drain_once()
        names = {message["name"] for message in read_until(socket, "order:status")}
        assert {"order:delivered", "delivery:status", "order:status"} <= names


# spec: T2, T4
def test_positions_come_with_their_hint(hearing: Sockets):
    delivery = moved(assigned(), DeliveryStatus.PICKED_UP)
    drain_queues(publisher.QUEUE)
    with hearing.watch(signed_in(delivery.order.customer), delivery.order) as socket:
        assert read(socket)["data"]["driver_location"] is None
        seen = PositionFix(near(north_m=40), clock.now() + timedelta(seconds=2))
        location_reports.take_report(delivery.rider, [seen])
        publisher.QUEUE.drain_once()
        assert read(socket) == publisher.location_hint(delivery.order.public_id, *seen.point, seen.recorded_at)
    with hearing.watch(signed_in(delivery.order.customer), delivery.order) as socket:
        assert read(socket)["data"]["driver_location"]["latitude"] == near(north_m=40).lat


# spec: T2, D7
def test_an_expectation_that_changes_is_hinted_at_and_read_anew(hearing: Sockets):
    delivery = assigned()
    delay_alerts.sweep_orders()
    drain_queues(publisher.QUEUE)
    somebody = signed_in(delivery.order.customer)
    address = f"/orders/tracking/{delivery.order.public_id}"
    with hearing.watch(somebody, delivery.order) as socket:
        read(socket)
        before = call(somebody, "get", address)
        # The rider proves to be far from the store.
        RiderSpot.objects.update(seen_at=clock.now() - timedelta(minutes=5))
        location_reports.take_report(delivery.rider, [PositionFix(near(north_m=-5_000), clock.now())])
        delay_alerts.sweep_orders()
        assert read_until(socket, "delivery:eta")[-1] == {
            "topic": f"order:{delivery.order.public_id}", "version": None, "name": "delivery:eta",
        }  # fmt: skip
    now = call(somebody, "get", address, if_none_match=before.headers["ETag"])
    assert (now.status, now.body["eta"] > before.body["eta"]) == (200, True)
    assert call(somebody, "get", address, if_none_match=now.headers["ETag"]).status == 304


# spec: T2, S1
def test_only_who_may_see_the_order_may_watch_it(hearing: Sockets):
    delivery: Delivery = assigned()
    placed = delivery.order
    for somebody in (placed.storefront, staff_of(placed.store), delivery.rider.user, user(Role.READ_ONLY)):
        with hearing.watch(somebody, placed) as socket:
            assert read(socket)["name"] == "snapshot"
    path = f"/ws/orders/{placed.public_id}"
    stranger, retired = rider("Stranger").user, user()
    User.objects.filter(pk=retired.pk).update(is_active=False)
    refusals = [
        (path, None, 401),
        (path, "", 401),
        (path, "x.y.z", 401),
        (path, token_of(placed.storefront) + "x", 401),
        (path, token_of(retired), 401),
        (path, token_of(stranger), 403),
        (path, token_of(user(Role.STOREFRONT)), 404),
        (path, token_of(user(Role.CUSTOMER)), 404),
        (path, token_of(user(Role.STORE_STAFF)), 404),
        ("/ws/orders/o_unknown", token_of(user()), 404),
        ("/ws/orders/a%20b", token_of(user()), 400),
        ("/ws/orders/", token_of(user()), 404),
        ("/ws/other", token_of(user()), 404),
    ]
    for address, token, status in refusals:
        with pytest.raises(InvalidStatus) as refused, hearing.open(address, token):
            pass
        assert refused.value.response.status_code == status, (address, token)
        assert json.loads(refused.value.response.body)["code"]
    wait_for(lambda: hearing.health()["sockets"] == 0)


# spec: T2, S1
def test_a_page_of_somebody_else_may_not_open_a_socket(hearing: Sockets):
    placed = paid_order()
    with pytest.raises(InvalidStatus) as refused:
        hearing.watch(placed.storefront, placed, origin="https://evil.example").close()
    assert (refused.value.response.status_code, json.loads(refused.value.response.body)["code"]) == (
        403, "ORIGIN_REFUSED",
    )  # fmt: skip
    with hearing.watch(placed.storefront, placed, origin="http://localhost:8000") as socket:
        assert read(socket)["name"] == "snapshot"


# spec: T2, S1
def test_a_token_may_come_in_a_header_and_ends_the_socket_with_itself(hearing: Sockets):
    placed = paid_order()
    token = AccessToken.for_user(placed.storefront)
    token.set_exp(lifetime=timedelta(seconds=3))
    header = {"Authorization": f"Bearer {token}"}
    with hearing.open(f"/ws/orders/{placed.public_id}", additional_headers=header) as socket:
        assert read(socket)["name"] == "snapshot"
        assert closed_with(socket) == (4401, "token expired")


# spec: S2
def test_tokens_stay_out_of_the_log(hearing: Sockets):
    placed = paid_order()
    token = token_of(placed.storefront)
    with hearing.open(f"/ws/orders/{placed.public_id}", token) as socket:
        read(socket)
    with pytest.raises(InvalidStatus):
        hearing.open("/ws/orders/o_unknown", token)
    wait_for(lambda: "/ws/orders/o_unknown" in hearing.log)
    assert f"/ws/orders/{placed.public_id}" in hearing.log
    assert token not in hearing.log
    assert token.split(".")[1] not in hearing.log


# spec: T2
def test_a_lost_hint_is_only_a_late_one(hearing: Sockets):
    placed = paid_order()
    with hearing.watch(placed.storefront, placed) as socket:
        version = read(socket)["version"]
        acknowledged(placed)
        Event.objects.update(announced=True)  # marked, and the worker died before it could publish
        hint = read(socket)  # within COMPARE_EVERY_S
        assert (hint["name"], hint["version"] > version) == ("order:status", True)


# spec: T2
def test_what_clients_say_is_not_listened_to_and_all_watchers_hear(hearing: Sockets):
    placed = paid_order()
    watching = [hearing.watch(placed.storefront, placed) for _ in range(12)]
    for socket in watching:
        read(socket)
        socket.send("x" * 10_000)
        socket.send(b"\x00\xff")
    acknowledged(placed)
    publisher.QUEUE.drain_once()
    assert all(read_until(socket, "order:status") for socket in watching)
    for socket in watching:
        socket.close()
    wait_for(lambda: hearing.health()["sockets"] == 0)


# spec: T2, W5
def test_a_broker_that_goes_away_and_comes_back_costs_no_news(
    own_valkey, process_environment, tmp_path: Path, settings
):
    broker = own_valkey()
    environment = {**process_environment, "LIVE_URL": broker.live_url}
    settings.LIVE_URL = broker.live_url
    for sockets in run(tmp_path, environment):
        wait_for(lambda: sockets.health()["live"])  # noqa: B023 - there is one
        placed = paid_order()
        with sockets.watch(placed.storefront, placed) as socket:
            version = read(socket)["version"]
            broker.stop()
            wait_for(lambda: not sockets.health()["live"])  # noqa: B023
            acknowledged(placed)
            assert publisher.QUEUE.drain_once() > 0  # said to nobody, and nothing breaks
            assert not Event.objects.filter(announced=False).exists()
            broker.start()
            assert read(socket)["version"] > version
            wait_for(lambda: sockets.health()["live"])  # noqa: B023
            ready(placed)
            publisher.QUEUE.drain_once()
            assert read_until(socket, "order:status")


# spec: S6
def test_the_process_says_how_it_is_and_serves_no_pages(hearing: Sockets):
    assert hearing.health() == {"status": "ok", "live": True, "sockets": 0}
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(f"http://127.0.0.1:{hearing.port}/admin/", timeout=5)
    assert missing.value.code == 404
