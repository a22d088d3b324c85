"""COOCO by its contract: the rules of every courier, and what is special about it."""

import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from deliveries.couriers import providers
from deliveries.couriers.providers.base import CancellationResult, CannotCancel
from deliveries.couriers.providers.cooco.courier import Cooco
from deliveries.couriers.providers.status_update import CourierStage
from foundation import stripe
from foundation.errors import Permanent, Unknown
from foundation.geo import Point
from foundation.work import Exact
from tests.deliveries.couriers.courier_contract import CourierContract
from tests.deliveries.couriers.recording_server import Reply
from tests.deliveries.couriers.shipments import EXTERNAL_ID, READY_AT, handle, one_try, parcel

JOB = "/v2/deliveries/cooco-delivery-12345"


def sign(body: bytes, secret: str, at: float) -> dict[str, str]:
    digest = hmac.new(secret.encode(), b"%d." % int(at) + body, hashlib.sha256).hexdigest()
    return {"x-cooco-signature": f"sha256={digest}", "x-cooco-timestamp": str(int(at))}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestCooco(CourierContract):
    company = Cooco()
    too_old_after_s = 300
    type_field = "event"
    fields_of_identity = ("delivery_id", "event", "timestamp")
    ref = "cooco-delivery-12345"
    create = ("POST", "/v2/deliveries")
    get = ("GET", JOB)
    cancel = ("PATCH", f"{JOB}/cancel")
    created_status = 201
    created_file = "created"
    cancelled_file = "cancel"
    live_file = "in_transit"
    fuzzed = ("in_transit",)

    def use_secrets(self, settings, *secrets):
        settings.COOCO_WEBHOOK_SECRETS = list(secrets)

    def headers(self, body, *, secret, at):
        return sign(body, secret, at)

    def point_at(self, settings, url):
        settings.COOCO_API_BASE, settings.COOCO_API_KEY = f"{url}/v2", "cooco-api-key-of-the-tests"
        settings.PUBLIC_URL = "https://handoff.example"

    def turn_off(self, settings):
        settings.COOCO_API_KEY = ""

    def create_body(self):
        """The contract's example, with our parcel in it."""
        return {
            "external_id": EXTERNAL_ID,
            "pickup": {
                "address": "123 Chef St, Austin, TX 78701",
                "latitude": 30.2672,
                "longitude": -97.7431,
                "contact_name": "Chef John",
                "contact_phone": "+15555551234",
                "instructions": "Ring doorbell",
            },
            "dropoff": {
                "address": "456 Customer Ave, Austin, TX 78702",
                "latitude": 30.275,
                "longitude": -97.75,
                "contact_name": "Jane Doe",
                "contact_phone": "+15555559999",
                "instructions": "Leave at door",
            },
            "delivery_window": {
                "pickup_after": f"{READY_AT:%Y-%m-%dT%H:%M:%S}Z",
                "deliver_by": f"{READY_AT + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}Z",
            },
            "package": {"description": "Food order (2 items)", "requires_signature": False, "fragile": True},
            "callback_url": "https://handoff.example/webhooks/cooco",
            "metadata": {"order_id": "o_5kq", "chef_id": "chef-john", "customer_id": "c_77"},
        }

    def check_headers(self, asked, request_id):
        assert asked.headers["authorization"] == "Bearer cooco-api-key-of-the-tests"
        assert asked.headers["x-ridendine-request-id"] == str(request_id)

    def secrets(self, settings):
        return [settings.COOCO_API_KEY]

    def people_of_theirs(self):
        return ("COOCO Driver", "+15555550000", "-97.745")

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    # spec: C2
    def test_its_retries_are_the_contracts(self):
        assert self.company.create_retries == Exact((1, 2, 4, 8, 16))
        assert providers.find_provider("cooco").create_retries.tries == 6

    def test_one_item_is_one_item(self, provider):
        self.made(provider)
        self.company.create_job(parcel(items=parcel().items[:0]), "", one_try())
        (asked,) = self.asked(provider, self.create)
        assert asked.json["package"]["description"] == "Food order (0 items)"

    def test_what_a_new_job_tells(self, provider):
        self.made(provider)
        news = self.company.create_job(parcel(), "", one_try())
        assert (news.status_text, news.tracking_url) == ("pending", "https://track.cooco.com/12345")
        assert news.arrival_at == utc("2026-01-31T11:45:00")
        assert (news.fee_minor, news.currency) == (None, "")

    def test_the_same_request_id_goes_with_every_call(self, provider):
        request_id = uuid.uuid4()
        provider.answers(*self.get, Reply(200, self.answer("in_transit")))
        provider.answers(*self.cancel, Reply(200, self.answer("cancel")))
        self.company.get(handle(self.ref), one_try(request_id=request_id))
        self.company.cancel_job(handle(self.ref), "Customer cancelled order", one_try(request_id=request_id))
        for asked in provider.asked:
            self.check_headers(asked, request_id)
        assert provider.asked[-1].json == {"reason": "Customer cancelled order"}

    def test_a_polled_job_tells_what_lost_webhooks_would_have(self, provider):
        provider.answers(*self.get, Reply(200, self.answer("in_transit")))
        news = self.company.get(handle(self.ref), one_try())
        assert news.passed == {
            CourierStage.REQUESTED: utc("2026-01-31T11:00:00"),
            CourierStage.ASSIGNED: utc("2026-01-31T11:05:00"),
            CourierStage.PICKED_UP: utc("2026-01-31T11:20:00"),
            CourierStage.IN_TRANSIT: utc("2026-01-31T11:22:00"),
        }
        assert news.occurred_at == utc("2026-01-31T11:22:00")
        assert news.driver == {"name": "COOCO Driver", "phone": "+15555550000"}
        assert news.position == Point(30.27, -97.745)
        assert timedelta(minutes=7.5) < news.arrival_at - datetime.now(UTC) < timedelta(minutes=8.5)

    # spec: C2 C6
    def test_a_cancellation_says_what_it_costs(self, provider):
        provider.answers(*self.cancel, Reply(200, self.answer("cancel")))
        assert self.company.cancel_job(handle(self.ref), "x", one_try()) == CancellationResult(500, "USD")

    @pytest.mark.parametrize("status", [409, 422])
    def test_cancelled_already_is_cancelled(self, provider, status):
        provider.answers(*self.cancel, Reply(status, {"status": "cancelled", "cancellation_fee": 500}))
        assert self.company.cancel_job(handle(self.ref), "x", one_try()) == CancellationResult(500, "USD")
        provider.answers(*self.cancel, Reply(status, {"status": "cancelled"}))
        assert self.company.cancel_job(handle(self.ref), "x", one_try()) == CancellationResult()

    def test_an_answer_that_it_goes_on_is_no_cancellation(self, provider):
        provider.answers(*self.cancel, Reply(200, {"delivery_id": self.ref, "status": "in_transit"}))
        with pytest.raises(CannotCancel):
            self.company.cancel_job(handle(self.ref), "x", one_try())
        provider.answers(*self.cancel, Reply(200, {"delivery_id": self.ref, "status": "on hold"}))
        with pytest.raises(Unknown):
            self.company.cancel_job(handle(self.ref), "x", one_try())

    # spec: C2
    def test_a_job_that_exists_is_adopted(self, provider):
        provider.answers(*self.create, Reply(409, {"code": "duplicate", "delivery_id": self.ref}))
        provider.answers(*self.get, Reply(200, self.answer("driver_assigned")))
        news = self.company.create_job(parcel(), "", one_try(2))
        assert (news.courier_ref, news.stage) == (self.ref, CourierStage.ASSIGNED)

    def test_a_job_of_somebody_else_is_not(self, provider):
        provider.answers(*self.create, Reply(409, {"delivery_id": self.ref}))
        provider.answers(*self.get, Reply(200, {**self.answer("in_transit"), "external_id": "RND-9"}))
        with pytest.raises(Permanent):
            self.company.create_job(parcel(), "", one_try(2))

    def test_a_conflict_that_names_no_job_leaves_it_open(self, provider):
        provider.answers(*self.create, Reply(409, {"code": "duplicate"}))
        with pytest.raises(Unknown):
            self.company.create_job(parcel(), "", one_try(2))

    @pytest.mark.parametrize("status", [401, 404, 429, 500])
    def test_a_job_that_exists_and_is_not_found_leaves_it_open(self, provider, status):
        """It has said that it has it: nobody else may be sent because the look-up failed."""
        provider.answers(*self.create, Reply(409, {"delivery_id": self.ref}))
        provider.answers(*self.get, Reply(status, {}))
        with pytest.raises(Unknown):
            self.company.create_job(parcel(), "", one_try(2))

    # ── quotes ───────────────────────────────────────────────────────────────────────────────────────────────────
    # spec: C6 C7
    def test_a_quote_is_computed_and_nobody_is_asked(self, provider):
        noon = datetime(2026, 3, 4, 18, tzinfo=UTC)  # 12:00 in Austin
        quote = self.company.request_quote(parcel(ready_at=noon, distance_m=4000), one_try())
        assert (quote.fee_minor, quote.currency, quote.reference) == (500, "USD", "")
        at_six = self.company.request_quote(parcel(ready_at=noon + timedelta(hours=6), distance_m=4000), one_try())
        assert at_six.fee_minor == 650
        assert quote.expires_at > datetime.now(UTC)
        assert provider.asked == []

    def test_it_charges_in_dollars_only(self):
        with pytest.raises(Permanent, match="USD"):
            self.company.request_quote(parcel(currency="INR"), one_try())

    # ── its signature ────────────────────────────────────────────────────────────────────────────────────────────
    # spec: W1
    def test_stripes_own_code_makes_the_same_signature(self):
        """The layout is Stripe's, whose SDK says independently whether it is right."""
        now = time.time()
        made = sign(self.body, self.SECRET, now)
        header = f"t={made['x-cooco-timestamp']},v1={made['x-cooco-signature'].removeprefix('sha256=')}"
        assert stripe.verify_signature(self.body, header, [self.SECRET])
        assert self.let_in(self.body, headers=made)

    # spec: W1
    @pytest.mark.parametrize(
        ("sent", "signed"),
        [
            (
                b'{"event": "delivery.assigned", "delivery_id": "d", "timestamp": "t", "n": 12.0}',
                b'{"event":"delivery.assigned","delivery_id":"d","timestamp":"t","n":12}',
            ),
            (
                b'{"event":"\\u0064elivery.assigned","delivery_id":"d","timestamp":"\\u00e9","9":1e-7,"10":-0}',
                '{"9":1e-7,"10":0,"event":"delivery.assigned","delivery_id":"d","timestamp":"é"}'.encode(),
            ),
        ],
    )
    def test_the_body_as_javascript_writes_it_counts_too(self, sent, signed):
        headers = sign(signed, self.SECRET, time.time())
        (notice,), _ = self.let_in(sent, headers=headers)
        assert notice.payload == json.loads(sent)
        assert notice.payload == json.loads(signed)

    def test_no_time_that_is_none_is_taken(self):
        good = sign(self.body, self.SECRET, time.time())
        for odd in ("soon", "-1", "1e9", "９", "9" * 5000, good["x-cooco-timestamp"] + ".5", ""):
            self.refused(
                self.body,
                401,
                "wrong_signature" if odd else "missing_signature",
                headers={**good, "x-cooco-timestamp": odd},
            )

    # ── its events ───────────────────────────────────────────────────────────────────────────────────────────────
    def read(self, name):
        return self.company.read_event(name, self.webhooks()[name])

    # spec: C3
    def test_the_event_id_is_delivery_event_and_time(self):
        (notice,), _ = self.let_in(self.webhooks()["delivery.assigned"])
        assert notice.event_id == "cooco-delivery-12345:delivery.assigned:2026-01-31T11:05:00Z"

    def test_the_driver_who_was_assigned(self):
        assert self.read("delivery.assigned").driver == {
            "id": "cooco-driver-789",
            "name": "COOCO Driver",
            "phone": "+15555550000",
            "vehicle": "Toyota Camry - ABC123",
        }

    def test_photos_and_signatures(self):
        assert self.read("delivery.picked_up").proofs == {
            "pickup_photo_url": "https://cdn.cooco.com/photos/12345-pickup.jpg",
            "pickup_signature": "Chef John",
        }
        done = self.read("delivery.completed")
        assert done.proofs == {
            "delivery_photo_url": "https://cdn.cooco.com/photos/12345-delivered.jpg",
            "recipient_signature": "Jane Doe",
        }
        assert done.attempted_at == Point(30.275, -97.75)

    # spec: S3
    def test_what_is_no_address_is_no_photo(self):
        event = self.webhooks()["delivery.picked_up"]
        for odd in ("javascript:alert(1)", "//cdn", "data:text/html,x", "ftp://x/y", "https://x\n.y", 7):
            event["data"]["pickup_photo_url"] = odd
            assert "pickup_photo_url" not in self.company.read_event("delivery.picked_up", event).proofs

    def test_where_the_driver_is_and_when_he_comes(self):
        news = self.read("delivery.in_transit")
        assert news.position == Point(30.27, -97.745)
        assert news.arrival_at == utc("2026-01-31T11:30:00")

    # spec: C9
    def test_why_it_failed(self):
        news = self.read("delivery.failed")
        assert (news.reason, news.driver_notes) == ("customer_not_available", "Called customer 3 times, no answer")
        assert news.attempted_at == Point(30.275, -97.75)
