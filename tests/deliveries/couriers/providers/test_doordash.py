"""DoorDash Drive v2: the rules of every courier, and what is special about it."""

import base64
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from deliveries.couriers.providers.base import CancellationResult, CannotCancel
from deliveries.couriers.providers.doordash import auth, requests
from deliveries.couriers.providers.doordash.courier import DoorDash
from deliveries.couriers.providers.status_update import CourierStage
from foundation.errors import Permanent, Transient, Unknown
from foundation.geo import Point
from tests.deliveries.couriers.courier_contract import CourierContract
from tests.deliveries.couriers.recording_server import Reply
from tests.deliveries.couriers.shipments import EXTERNAL_ID, READY_AT, handle, one_try, parcel

API = "/drive/v2"
QUOTES = ("POST", f"{API}/quotes")
ACCEPT = ("POST", f"{API}/quotes/{EXTERNAL_ID}/accept")
JOB = f"{API}/deliveries/{EXTERNAL_ID}"
DUPLICATE = Reply(409, {"code": "duplicate_delivery_id", "external_delivery_id": EXTERNAL_ID})
KEY = bytes(range(200, 234))  # 34 bytes: its base64url needs padding, and holds - and _


class TestDoorDash(CourierContract):
    company = DoorDash()
    type_field = "event_name"
    fields_of_identity = ("external_delivery_id", "event_name", "created_at")
    keeps_signature = False
    signs_body = False
    hints = True
    SECRET = "Basic aGFuZG9mZjpzZWNyZXQ="
    OTHER = "Basic c29tZWJvZHk6ZWxzZQ=="
    ref = EXTERNAL_ID
    needs_ref = False
    create = ("POST", f"{API}/deliveries")
    get = ("GET", JOB)
    cancel = ("PUT", f"{JOB}/cancel")
    created_file = "created"
    cancelled_file = "cancelled"
    live_file = "enroute_to_dropoff"
    fuzzed = ("delivered", "cancelled")

    def use_secrets(self, settings, *secrets):
        settings.DOORDASH_WEBHOOK_AUTHORIZATIONS = list(secrets)

    def headers(self, body, *, secret, at):
        return {"authorization": secret}

    def point_at(self, settings, url):
        settings.DOORDASH_API_BASE = url
        settings.DOORDASH_DEVELOPER_ID, settings.DOORDASH_KEY_ID = "developer-of-the-tests", "key-of-the-tests"
        settings.DOORDASH_SIGNING_SECRET = base64.urlsafe_b64encode(KEY).decode().rstrip("=")

    def turn_off(self, settings):
        settings.DOORDASH_SIGNING_SECRET = ""

    def create_body(self):
        return {
            "external_delivery_id": EXTERNAL_ID,
            "pickup_address": "123 Chef St, Austin, TX 78701",
            "pickup_business_name": "Chef John",
            "pickup_phone_number": "+15555551234",
            "pickup_instructions": "Ring doorbell",
            "pickup_reference_tag": "o_5kq",
            "dropoff_address": "456 Customer Ave, Austin, TX 78702",
            "dropoff_phone_number": "+15555559999",
            "dropoff_contact_given_name": "Jane",
            "dropoff_contact_family_name": "Doe",
            "dropoff_instructions": "Leave at door",
            "order_value": 2400,
            "tip": 200,
            "contactless_dropoff": False,
            "action_if_undeliverable": "return_to_pickup",
            "items": [{"name": "Dosa", "quantity": 2, "price": 1200}],
            "pickup_time": f"{READY_AT:%Y-%m-%dT%H:%M:%S}.000Z",
        }

    def check_headers(self, asked, request_id):
        scheme, _, value = asked.headers["authorization"].partition(" ")
        assert scheme == "Bearer"
        claims = jwt.decode(value, KEY, algorithms=["HS256"], audience="doordash")
        assert (claims["iss"], claims["kid"]) == ("developer-of-the-tests", "key-of-the-tests")

    def secrets(self, settings):
        return [settings.DOORDASH_SIGNING_SECRET, "eyJ"]

    def people_of_theirs(self):
        return ("Dan D.", "+15555550010", "+15555550020", "30.2702", "Corolla")

    # ── the token ────────────────────────────────────────────────────────────────────────────────────────────────
    def test_the_token_to_the_letter(self):
        made = auth.make_token()
        assert jwt.get_unverified_header(made) == {"alg": "HS256", "typ": "JWT", "dd-ver": "DD-JWT-V1"}
        claims = jwt.decode(made, KEY, algorithms=["HS256"], audience="doordash")
        assert set(claims) == {"aud", "iss", "kid", "iat", "exp"}
        assert claims["iat"] < time.time()
        assert time.time() + 60 < claims["exp"] <= claims["iat"] + 1800

    @pytest.mark.parametrize("secret", ["not base64!", "é", "a"])
    def test_a_secret_that_is_none_is_said(self, settings, secret):
        settings.DOORDASH_SIGNING_SECRET = secret
        with pytest.raises(Permanent, match="DOORDASH_SIGNING_SECRET"):
            auth.make_token()
        for _, call in self.every_call()[1:]:
            with pytest.raises(Transient):  # of the job it says nothing
                call()

    def test_padding_may_be_there(self, settings):
        settings.DOORDASH_SIGNING_SECRET = base64.urlsafe_b64encode(KEY).decode()
        assert jwt.decode(auth.make_token(), KEY, algorithms=["HS256"], audience="doordash")

    # ── quotes ───────────────────────────────────────────────────────────────────────────────────────────────────
    # spec: C7
    def test_a_quote(self, provider):
        provider.answers(*QUOTES, Reply(200, self.answer("quote")))
        quote = self.company.request_quote(parcel(), one_try())
        assert (quote.fee_minor, quote.currency, quote.reference) == (975, "USD", EXTERNAL_ID)
        assert quote.arrival_at == datetime(2026, 1, 31, 11, 45, tzinfo=UTC)
        assert timedelta(minutes=4) < quote.expires_at - datetime.now(UTC) <= timedelta(minutes=5)
        assert provider.asked[0].json == self.create_body()

    def test_a_quote_asked_for_again_is_the_one_that_stands(self, provider):
        provider.answers(*QUOTES, DUPLICATE)
        provider.answers(*self.get, Reply(200, self.answer("quote")))
        assert self.company.request_quote(parcel(), one_try(2)).fee_minor == 975
        provider.answers(*self.get, Reply(200, self.answer("confirmed")))
        with pytest.raises(Permanent):
            self.company.request_quote(parcel(), one_try(2))

    def test_too_far_is_a_refusal(self, provider):
        provider.answers(*QUOTES, Reply(422, {"code": "invalid_delivery_parameters", "reason": "distance_too_long"}))
        with pytest.raises(Permanent):
            self.company.request_quote(parcel(), one_try())

    def test_an_answer_without_a_price_is_no_quote(self, provider):
        provider.answers(*QUOTES, Reply(200, {"external_delivery_id": EXTERNAL_ID}))
        with pytest.raises(Unknown):
            self.company.request_quote(parcel(), one_try())

    # ── making a job ─────────────────────────────────────────────────────────────────────────────────────────────
    def test_a_standing_quote_is_accepted(self, provider):
        provider.answers(*ACCEPT, Reply(200, self.answer("created")))
        news = self.company.create_job(parcel(), EXTERNAL_ID, one_try())
        assert (news.stage, news.courier_ref, news.fee_minor) == (CourierStage.REQUESTED, EXTERNAL_ID, 975)
        (asked,) = provider.asked
        assert asked.json["tip"] == 200
        assert asked.json["dropoff_phone_number"] == "+15555559999"
        assert {"external_delivery_id", "pickup_address", "dropoff_address"} & set(asked.json) == set()

    # spec: C2
    def test_an_accept_whose_answer_was_lost_finds_its_job(self, provider):
        provider.answers(*ACCEPT, DUPLICATE)
        provider.answers(*self.get, Reply(200, self.answer("confirmed")))
        assert self.company.create_job(parcel(), EXTERNAL_ID, one_try(2)).stage == CourierStage.ASSIGNED
        assert self.asked(provider, self.create) == []

    @pytest.mark.parametrize("status", [401, 404, 429, 500])
    def test_a_job_that_exists_and_is_not_found_leaves_it_open(self, provider, status):
        """It has said that it has it: nobody else may be sent because the look-up failed."""
        provider.answers(*ACCEPT, DUPLICATE)
        provider.answers(*self.create, DUPLICATE)
        provider.answers(*self.get, Reply(status, {}))
        for quote_ref in (EXTERNAL_ID, ""):
            with pytest.raises(Unknown):
                self.company.create_job(parcel(), quote_ref, one_try(2))

    def test_a_lapsed_quote_is_created_without(self, provider):
        provider.answers(*ACCEPT, Reply(404, {"code": "unknown_delivery_id"}))
        self.made(provider)
        assert self.company.create_job(parcel(), EXTERNAL_ID, one_try()).stage == CourierStage.REQUESTED

    def test_a_lapsed_quote_that_keeps_our_id_is_a_refusal(self, provider):
        provider.answers(*ACCEPT, Reply(400, {"code": "validation_error"}))
        provider.answers(*self.create, DUPLICATE)
        provider.answers(*self.get, Reply(200, self.answer("quote")))
        with pytest.raises(Permanent, match="lapsed"):
            self.company.create_job(parcel(), EXTERNAL_ID, one_try())

    # spec: C2
    def test_a_job_that_exists_is_adopted_if_it_is_ours(self, provider):
        provider.answers(*self.create, DUPLICATE)
        provider.answers(*self.get, Reply(200, self.answer("picked_up")))  # it spells addresses its own way
        assert self.company.create_job(parcel(), "", one_try(2)).stage == CourierStage.PICKED_UP
        other = {**self.answer("picked_up"), "dropoff_address": "9 Elsewhere Rd, Dallas, TX 75001"}
        provider.answers(*self.get, Reply(200, other))
        with pytest.raises(Permanent, match="another"):
            self.company.create_job(parcel(), "", one_try(2))

    def test_its_id_is_ours_so_that_it_can_always_be_asked(self, provider):
        provider.answers(*self.get, Reply(200, self.answer("confirmed")))
        assert self.company.get(handle(""), one_try()).stage == CourierStage.ASSIGNED

    def test_what_it_tells_of_a_job(self, provider):
        provider.answers(*self.get, Reply(200, self.answer("delivered")))
        news = self.company.get(handle(""), one_try())
        assert news.driver == {
            "id": "1232142",
            "name": "Dan D.",
            "phone": "+15555550020",
            "vehicle": "red Toyota Corolla 2006",
        }
        assert news.position == Point(30.2702, -97.7452)
        assert (news.fee_minor, news.currency) == (975, "USD")
        assert set(news.proofs) == {"pickup_verification_image_url", "dropoff_verification_image_url"}
        assert news.occurred_at == datetime(2026, 1, 31, 11, 45, tzinfo=UTC)
        assert news.passed[CourierStage.PICKED_UP] == datetime(2026, 1, 31, 11, 20, tzinfo=UTC)
        assert not news.is_hint

    def test_a_handover_in_vain_is_none(self, provider):
        """A dropoff may have its time although the parcel came back."""
        back = {**self.answer("returned"), "dropoff_time_actual": "2026-01-31T11:45:00Z"}
        provider.answers(*self.get, Reply(200, back))
        news = self.company.get(handle(""), one_try())
        assert set(news.passed) == {CourierStage.PICKED_UP, CourierStage.RETURNED}

    def test_it_can_be_told_of_a_change(self, provider):
        provider.answers("PATCH", JOB, Reply(200, self.answer("confirmed")))
        assert self.company.update(parcel(tip_minor=300), one_try()).stage == CourierStage.ASSIGNED
        body = provider.asked[0].json
        assert body["tip"] == 300
        assert "external_delivery_id" not in body

    # ── stopping it ──────────────────────────────────────────────────────────────────────────────────────────────
    def refuse_cancel(self, provider, reason):
        provider.answers(*self.cancel, Reply(409, {"code": "cancel_not_allowed", "reason": reason}))

    @pytest.mark.parametrize(
        "reason", ["delivery_abandoned", "delivery_completed", "delivery_picked_up", "cancellation_window_closed", ""]
    )
    def test_what_it_will_not_cancel_goes_on(self, provider, reason):
        self.refuse_cancel(provider, reason)
        with pytest.raises(CannotCancel):
            self.company.cancel_job(handle(""), "x", one_try())

    def test_cancelled_already_is_cancelled(self, provider):
        self.refuse_cancel(provider, "delivery_cancelled")
        assert self.company.cancel_job(handle(""), "x", one_try()) == CancellationResult()

    @pytest.mark.parametrize("reason", ["delivery_creation_in_progress", "duplicate_request"])
    def test_what_passes_is_tried_again(self, provider, reason):
        self.refuse_cancel(provider, reason)
        with pytest.raises(Transient):
            self.company.cancel_job(handle(""), "x", one_try())

    # ── its events ───────────────────────────────────────────────────────────────────────────────────────────────
    def test_why_it_was_cancelled(self):
        news = self.company.read_event("DELIVERY_CANCELLED", self.webhooks()["DELIVERY_CANCELLED"])
        assert (news.stage, news.reason) == (CourierStage.CANCELLED, "failed_to_return")

    def test_the_event_id(self):
        (notice,), _ = self.let_in(self.webhooks()["DASHER_CONFIRMED"])
        assert notice.event_id == f"{EXTERNAL_ID}:DASHER_CONFIRMED:2026-01-31T11:05:01.250000Z"

    def test_the_older_apis_names_move_nothing(self):
        for name in ("delivery_created", "dasher_confirmed", "dasher_confirmed_store_arrival", "delivery_cancelled"):
            event = {**self.an_event(), "event_name": name}
            assert self.let_in(event)[0][0].event_type == name
            assert self.company.read_event(name, event) is None


@pytest.mark.parametrize(
    ("shown", "ours", "same"),
    [
        ("123 Chef Street, Austin, TX 78701, USA", "123 Chef St, Austin, TX 78701", True),
        ("123 CHEF ST AUSTIN TX 78701", "123 Chef St., Austin, TX 78701", True),
        ("123 Chef St, Austin", "123 Chef St, Austin, TX 78701", True),
        ("124 Chef St, Austin, TX 78701", "123 Chef St, Austin, TX 78701", False),
        ("MG Road, Bengaluru", "mg road bengaluru", True),
        ("MG Road, Bengaluru", "Brigade Road, Bengaluru", False),
        ("", "123 Chef St", True),
        (None, "123 Chef St", True),
    ],
)
def test_whether_it_is_the_same_way(shown, ours, same):
    made = parcel()
    delivery = {"pickup_address": made.pickup.address, "dropoff_address": shown}
    stop = type(made.dropoff)("x", "", ours, made.dropoff.point)
    assert requests.is_the_same(delivery, parcel(dropoff=stop)) is same
