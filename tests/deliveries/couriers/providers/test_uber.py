"""Uber Direct: the rules of every courier, and what is special about it."""

import hashlib
import hmac
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from deliveries.couriers.providers.base import CancellationResult, CannotCancel
from deliveries.couriers.providers.status_update import CourierStage
from deliveries.couriers.providers.uber import requests
from deliveries.couriers.providers.uber.courier import Uber
from foundation.errors import Permanent, Transient, Unknown
from foundation.geo import Point
from foundation.models import OutboundCall
from tests.deliveries.couriers.courier_contract import CourierContract
from tests.deliveries.couriers.recording_server import Reply
from tests.deliveries.couriers.shipments import EXTERNAL_ID, READY_AT, handle, one_try, parcel

CUSTOMER = "/v1/customers/cus_of_the_tests"
TOKEN = ("POST", "/oauth/v2/token")
QUOTES = ("POST", f"{CUSTOMER}/delivery_quotes")
REF = "del_gDcyfRgyQcyN0obpqqS_1B"

# Published by Uber with its webhook guide.
VECTOR_KEY = "c5c26d5a-70d6-46c7-a652-d7c09825ad29"
VECTOR_BODY = b'{"kind": "event.courier_update", "location": {"lat": 37.7974109, "lng": -122.424145}}'
VECTOR_SIGNATURE = "cdff8133fb065f8d37a2c1c94c3331b6a82766d14e7ea4faacc4886558cedd65"


def wire(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def token(value: str = "token-of-the-tests", life_s: float = 2_592_000) -> Reply:
    return Reply(200, {"access_token": value, "expires_in": life_s, "token_type": "Bearer", "scope": "eats.deliveries"})


class TestUber(CourierContract):
    company = Uber()
    type_field = "kind"
    fields_of_identity = ("delivery_id", "kind", "data.status", "data.updated")
    ref = REF
    create = ("POST", f"{CUSTOMER}/deliveries")
    get = ("GET", f"{CUSTOMER}/deliveries/{REF}")
    cancel = ("POST", f"{CUSTOMER}/deliveries/{REF}/cancel")
    created_file = "pending"
    cancelled_file = "canceled"
    live_file = "dropoff"
    fuzzed = ("delivered",)
    ADDRESSES: ClassVar = {
        "pickup_address": '{"street_address": ["123 Chef St"], "city": "Austin", "state": "TX", "zip_code": "78701",'
        ' "country": "US"}',
        "dropoff_address": '{"street_address": ["456 Customer Ave"], "city": "Austin", "state": "TX",'
        ' "zip_code": "78702", "country": "US"}',
    }

    def use_secrets(self, settings, *secrets):
        settings.UBER_WEBHOOK_SIGNING_KEYS = list(secrets)

    def headers(self, body, *, secret, at):
        return {"x-uber-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}

    def point_at(self, settings, url):
        settings.UBER_API_BASE, settings.UBER_AUTH_BASE = f"{url}/v1", url
        settings.UBER_CUSTOMER_ID, settings.UBER_CLIENT_ID = "cus_of_the_tests", "client-of-the-tests"
        settings.UBER_CLIENT_SECRET = "client-secret-of-the-tests"

    def turn_off(self, settings):
        settings.UBER_CLIENT_SECRET = ""

    def welcome(self, provider):
        provider.answers(*TOKEN, token())

    def quote_body(self):
        return {
            **self.ADDRESSES,
            "pickup_latitude": 30.2672,
            "pickup_longitude": -97.7431,
            "pickup_phone_number": "+15555551234",
            "dropoff_latitude": 30.275,
            "dropoff_longitude": -97.75,
            "dropoff_phone_number": "+15555559999",
            "pickup_ready_dt": wire(READY_AT),
            "pickup_deadline_dt": wire(READY_AT + timedelta(minutes=20)),
            "dropoff_ready_dt": wire(READY_AT),
            "dropoff_deadline_dt": wire(READY_AT + timedelta(hours=1)),
            "manifest_total_value": 2400,
            "external_store_id": "chef-john",
        }

    def create_body(self):
        return {
            **self.quote_body(),
            "pickup_name": "Chef John",
            "pickup_notes": "Ring doorbell",
            "dropoff_name": "Jane Doe",
            "dropoff_notes": "Leave at door",
            "manifest_items": [{"name": "Dosa", "quantity": 2, "size": "small", "price": 1200}],
            "manifest_reference": "o_5kq",
            "external_id": EXTERNAL_ID,
            "idempotency_key": EXTERNAL_ID,
            "deliverable_action": "deliverable_action_meet_at_door",
            "undeliverable_action": "return",
            "tip": 200,
        }

    def check_headers(self, asked, request_id):
        assert asked.headers["authorization"] == "Bearer token-of-the-tests"

    def secrets(self, settings):
        return [settings.UBER_CLIENT_SECRET, "token-of-the-tests"]

    def people_of_theirs(self):
        return ("Ada P.", "+15555550001", "30.2701", "ada.jpeg")

    # ── the token ────────────────────────────────────────────────────────────────────────────────────────────────
    def look(self):
        return self.company.get(handle(self.ref), one_try())

    def test_one_token_serves_many_calls(self, provider):
        provider.answers(*self.get, Reply(200, self.answer("dropoff")))
        for _ in range(3):
            self.look()
        (asked,) = self.asked(provider, TOKEN)
        assert asked.form == {
            "client_id": "client-of-the-tests",
            "client_secret": "client-secret-of-the-tests",
            "grant_type": "client_credentials",
            "scope": "eats.deliveries",
        }
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"

    @pytest.mark.django_db(transaction=True)
    def test_threads_share_it(self, provider):
        from django.db import connection

        provider.answers(*TOKEN, Reply(200, token().body, silent_s=0.2))
        provider.answers(*self.get, Reply(200, self.answer("dropoff")))

        def look() -> None:
            try:
                self.look()
            finally:
                connection.close()

        threads = [threading.Thread(target=look) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(self.asked(provider, self.get)) == 6
        assert len(self.asked(provider, TOKEN)) == 1

    def test_it_is_renewed_before_it_ends(self, provider):
        provider.answers(*TOKEN, token(life_s=0.4))
        provider.answers(*self.get, Reply(200, self.answer("dropoff")))
        self.look()
        time.sleep(0.25)  # half of its life is over
        self.look()
        assert len(self.asked(provider, TOKEN)) == 2

    def test_a_refused_one_is_renewed_once(self, provider):
        provider.answers(*TOKEN, token("old"), token("new"))
        provider.answers(*self.get, Reply(401, {"code": "unauthorized"}), Reply(200, self.answer("dropoff")))
        assert self.look().stage == CourierStage.IN_TRANSIT
        assert [one.headers["authorization"] for one in self.asked(provider, self.get)] == ["Bearer old", "Bearer new"]
        provider.answers(*self.get, Reply(401, {"code": "unauthorized"}))
        with pytest.raises(Transient):
            self.look()
        assert len(self.asked(provider, self.get)) == 4

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_credentials_that_are_refused_refuse_a_job(self, provider, status):
        """And say nothing of one that there is."""
        provider.answers(*TOKEN, Reply(status, {"error": "invalid_client"}))
        with pytest.raises(Permanent):
            self.company.create_job(parcel(), "", one_try())
        for _, call in self.every_call()[1:]:
            with pytest.raises(Transient):
                call()

    @pytest.mark.parametrize("reply", [Reply(500), Reply(200, b"<html>"), Reply(200, {}), Reply(429)])
    def test_without_a_token_nothing_was_sent(self, provider, reply):
        provider.answers(*TOKEN, reply)
        with pytest.raises(Transient):
            self.company.create_job(parcel(), "", one_try())
        assert self.asked(provider, self.create) == []

    # ── quotes ───────────────────────────────────────────────────────────────────────────────────────────────────
    # spec: C7
    def test_a_quote(self, provider):
        provider.answers(*QUOTES, Reply(200, self.answer("quote")))
        quote = self.company.request_quote(parcel(), one_try())
        assert (quote.fee_minor, quote.currency, quote.reference) == (599, "USD", "dqt_6gQ2dt31TjiOPfwux-NCXg")
        assert quote.arrival_at == datetime(2026, 1, 31, 11, 40, tzinfo=UTC)
        assert quote.expires_at == datetime(2026, 1, 31, 11, 10, tzinfo=UTC)
        assert self.asked(provider, QUOTES)[0].json == self.quote_body()

    def test_no_couriers_now_passes(self, provider):
        provider.answers(*QUOTES, Reply(503, {"code": "couriers_busy", "message": "busy", "kind": "error"}))
        with pytest.raises(Transient):
            self.company.request_quote(parcel(), one_try())

    def test_nowhere_to_go_is_a_refusal(self, provider):
        provider.answers(*QUOTES, Reply(400, {"code": "address_undeliverable", "kind": "error"}))
        with pytest.raises(Permanent):
            self.company.request_quote(parcel(), one_try())

    def test_an_answer_without_a_price_is_no_quote(self, provider):
        for odd in ({}, {"id": "dqt_1"}, {"fee": 5}, {"id": "dqt_1", "fee": "5"}, {"id": "dqt_1", "fee": -5}):
            provider.answers(*QUOTES, Reply(200, odd))
            with pytest.raises(Unknown):
                self.company.request_quote(parcel(), one_try())

    def test_what_is_ready_is_fetched_as_soon_as_possible(self, provider):
        self.made(provider)
        self.company.create_job(parcel(ready_at=datetime.now(UTC) - timedelta(minutes=1)), "", one_try())
        assert [name for name in self.asked(provider, self.create)[0].json if name.endswith("_dt")] == []

    # ── making a job ─────────────────────────────────────────────────────────────────────────────────────────────
    def test_a_quote_is_used(self, provider):
        self.made(provider)
        self.company.create_job(parcel(contact_free=True, tip_minor=0), "dqt_1", one_try())
        body = self.asked(provider, self.create)[0].json
        assert body["quote_id"] == "dqt_1"
        assert body["deliverable_action"] == "deliverable_action_leave_at_door"
        assert "tip" not in body

    @pytest.mark.parametrize("code", ["expired_quote", "used_quote"])
    def test_a_stale_quote_is_asked_for_anew_once(self, provider, code):
        provider.answers(*self.create, Reply(400, {"code": code}), Reply(200, self.answer("pending")))
        provider.answers(*QUOTES, Reply(200, self.answer("quote")))
        assert self.company.create_job(parcel(), "dqt_old", one_try()).courier_ref == REF
        used = [one.json["quote_id"] for one in self.asked(provider, self.create)]
        assert used == ["dqt_old", "dqt_6gQ2dt31TjiOPfwux-NCXg"]
        provider.answers(*self.create, Reply(400, {"code": code}))
        with pytest.raises(Unknown if code == "used_quote" else Permanent):
            self.company.create_job(parcel(), "dqt_old", one_try())
        assert len(self.asked(provider, self.create)) == 4

    # spec: C2
    def test_a_job_that_exists_is_adopted(self, provider):
        duplicate = {"code": "duplicate_delivery", "kind": "error", "metadata": {"delivery_id": REF}}
        provider.answers(*self.create, Reply(409, duplicate))
        provider.answers(*self.get, Reply(200, self.answer("pickup")))
        news = self.company.create_job(parcel(), "dqt_1", one_try(2))
        assert (news.courier_ref, news.stage) == (REF, CourierStage.ASSIGNED)

        provider.answers(*self.get, Reply(200, {**self.answer("pickup"), "external_id": "somebody-else"}))
        with pytest.raises(Permanent):
            self.company.create_job(parcel(), "", one_try(2))
        for odd in ({}, {"metadata": []}, {"metadata": {"delivery_id": None}}):
            provider.answers(*self.create, Reply(409, {"code": "duplicate_delivery", **odd}))
            with pytest.raises(Unknown):
                self.company.create_job(parcel(), "", one_try(2))

    @pytest.mark.parametrize("status", [401, 404, 429, 500])
    def test_a_job_that_exists_and_is_not_found_leaves_it_open(self, provider, status):
        """It has said that it has it: nobody else may be sent because the look-up failed."""
        duplicate = {"code": "duplicate_delivery", "metadata": {"delivery_id": REF}}
        provider.answers(*self.create, Reply(409, duplicate))
        provider.answers(*self.get, Reply(status, {}))
        with pytest.raises(Unknown):
            self.company.create_job(parcel(), "", one_try(2))

    def test_a_used_quote_may_have_been_used_by_us(self, provider):
        """So that a refusal to quote again does not say that nothing was made."""
        provider.answers(*QUOTES, Reply(400, {"code": "address_undeliverable"}))
        for code, conclusion in (("used_quote", Unknown), ("expired_quote", Permanent)):
            provider.answers(*self.create, Reply(400, {"code": code}))
            with pytest.raises(conclusion):
                self.company.create_job(parcel(), "dqt_old", one_try(2))

    def test_an_unknown_account_is_not_an_unknown_job(self, provider):
        for where, call in self.every_call()[1:]:
            provider.answers(*where, Reply(404, {"code": "customer_not_found", "kind": "error"}))
            with pytest.raises(Transient):
                call()

    def test_what_it_costs_and_who_carries(self, provider):
        provider.answers(*self.get, Reply(200, self.answer("delivered")))
        news = self.look()
        assert (news.fee_minor, news.currency) == (799, "USD")
        assert news.driver == {"name": "Ada P.", "phone": "+15555550001", "vehicle": "car"}
        assert news.proofs == {
            "dropoff_picture": "https://tb-static.uber.example/photo.jpg",
            "dropoff_signature": "https://tb-static.uber.example/signature.png",
        }

    # ── stopping it ──────────────────────────────────────────────────────────────────────────────────────────────
    def test_what_cannot_be_cancelled_goes_on_unless_it_is_cancelled(self, provider):
        provider.answers(*self.cancel, Reply(400, {"code": "noncancelable_delivery", "kind": "error"}))
        provider.answers(*self.get, Reply(200, self.answer("pickup_complete")))
        with pytest.raises(CannotCancel):
            self.company.cancel_job(handle(REF), "x", one_try())
        provider.answers(*self.get, Reply(200, self.answer("canceled")))
        assert self.company.cancel_job(handle(REF), "x", one_try()) == CancellationResult()

    # ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────
    # spec: W1
    @pytest.mark.parametrize("name", ["x-uber-signature", "x-postmates-signature"])
    def test_the_published_vector(self, settings, name):
        self.use_secrets(settings, "another", VECTOR_KEY)
        assert (
            self.door.verify_signature(self.knock(VECTOR_BODY, {name: VECTOR_SIGNATURE})).signature == VECTOR_SIGNATURE
        )

    def test_either_signature_may_hold(self):
        good = self.headers(self.body, secret=self.SECRET, at=0)["x-uber-signature"]
        both = {"x-uber-signature": "0" * 64, "x-postmates-signature": good}
        assert self.door.verify_signature(self.knock(self.body, both)).signature == good
        self.refused(self.body, 401, "wrong_signature", headers=dict.fromkeys(both, "0" * 64))

    def read(self, name):
        (notice,), _ = self.let_in(self.webhooks()[name])
        return self.company.read_event(notice.event_type, notice.payload)

    def test_pending_with_a_courier_is_assigned(self):
        assert self.read("pending_with_courier").stage == CourierStage.ASSIGNED
        assert self.read("pending").stage == CourierStage.REQUESTED

    def test_near_is_not_there(self):
        assert self.read("pickup_imminent").stage == CourierStage.ASSIGNED

    def test_where_the_courier_is(self):
        news = self.read("courier_update")
        assert (news.position, news.stage, news.courier_ref) == (Point(30.2711, -97.7461), None, REF)
        assert news.occurred_at == datetime(2026, 1, 31, 11, 23, 20, tzinfo=UTC)
        assert self.company.is_position("event.courier_update")

    def test_two_positions_are_two_events(self):
        first, second = self.webhooks()["courier_update"], self.webhooks()["courier_update"]
        second["location"]["lat"] += 0.0001
        ids = {self.let_in(one)[0][0].event_id for one in (first, second, first)}
        assert len(ids) == 2

    def test_the_way_back_returns_ours(self):
        """It is a delivery of its own that is `delivered` when it is back at the store."""
        news = self.read("way_back_delivered")
        assert (news.courier_ref, news.external_id, news.stage) == (REF, "", CourierStage.RETURNED)

    def test_other_events_are_nobodys_business(self):
        assert self.read("refund_request") is None


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("country", "line", "street", "city", "state", "zip_code"),
    [
        ("US", "123 Chef St, Austin, TX 78701", "123 Chef St", "Austin", "TX", "78701"),
        ("US", "1 Main St, Apt 4, Salem, OR 97301-1234, USA", "1 Main St, Apt 4", "Salem", "OR", "97301-1234"),
        ("US", "901 Market Street, San Francisco CA 94103", "901 Market Street", "San Francisco", "CA", "94103"),
        ("US", "5 Elm Street, Dallas, Texas, 75001", "5 Elm Street", "Dallas", "Texas", "75001"),
        ("US", "5 Elm Street, Dallas, TX", "5 Elm Street", "Dallas", "TX", ""),
        ("US", "Somewhere", "Somewhere", "", "", ""),
        ("US", "12345", "12345", "", "", ""),
        ("CA", "111 Wellington St, Ottawa, ON K1A 0A9, Canada", "111 Wellington St", "Ottawa", "ON", "K1A 0A9"),
        ("GB", "10 Downing St, London SW1A 2AA", "10 Downing St", "London", "", "SW1A 2AA"),
        ("IN", "12, MG Road, Bengaluru 560001, India", "12, MG Road", "Bengaluru", "", "560001"),
        ("DE", "Hauptstr. 5, Berlin 10115", "Hauptstr. 5", "Berlin", "", "10115"),
    ],
)  # fmt: skip
def test_an_address_in_pieces(country, line, street, city, state, zip_code):
    assert json.loads(requests.format_address(line, country)) == {
        "street_address": [street],
        "city": city,
        "state": state,
        "zip_code": zip_code,
        "country": country,
    }


@pytest.mark.parametrize("line", ["", ",", " , ,", "a,b,c,d,e,f", "78701", "TX 78701", ", 78701", "x" * 5000, "1,2,3"])
@pytest.mark.parametrize("country", ["US", "GB", "IN", "JP", ""])
def test_no_address_is_a_crash(line, country):
    split = requests.split_address(line, country)
    assert all(isinstance(split[name], str) for name in ("city", "state", "zip_code", "country"))
    assert len(split["street_address"]) == 1


@pytest.mark.django_db
def test_the_log_keeps_no_token(provider, settings):
    TestUber().point_at(settings, provider.url)
    provider.answers(*TOKEN, token("very-secret-token"))
    provider.answers("GET", f"{CUSTOMER}/deliveries/x", Reply(404, {"code": "delivery_not_found"}))
    with pytest.raises(Permanent):
        Uber().get(handle("x"), one_try())
    row = OutboundCall.objects.get(purpose="token")
    assert (row.provider, row.outcome) == ("uber", "ok")
    assert "very-secret-token" not in str(row.answer)
    assert "client-secret-of-the-tests" not in str(row.request)
