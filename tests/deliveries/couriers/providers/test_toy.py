"""A fifth courier is one module, one line and one class of tests (SPEC C1): here is one."""

import hashlib
import hmac

import pytest

from deliveries.couriers import providers, webhooks
from deliveries.couriers.providers.base import CourierProvider
from deliveries.couriers.providers.status_update import CourierStage
from tests.deliveries.couriers.courier_contract import CourierContract
from tests.deliveries.couriers.recording_server import Reply
from tests.deliveries.couriers.shipments import EXTERNAL_ID, one_try, parcel
from tests.deliveries.couriers.toy import Swift


# spec: C1
class TestSwift(CourierContract):
    company = Swift()
    type_field = "event"
    fields_of_identity = ("id",)
    ref = EXTERNAL_ID
    needs_ref = False
    create = ("POST", "/jobs")
    get = ("GET", f"/jobs/{EXTERNAL_ID}")
    cancel = ("POST", f"/jobs/{EXTERNAL_ID}/off")
    created_file = "booked"
    cancelled_file = "off"
    live_file = "fetched"
    fuzzed = ("done",)

    def use_secrets(self, settings, *secrets):
        settings.SWIFT_WEBHOOK_SECRETS = list(secrets)

    def headers(self, body, *, secret, at):
        return {"x-swift-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}

    def point_at(self, settings, url):
        settings.SWIFT_API_BASE, settings.SWIFT_API_KEY = url, "swift-key-of-the-tests"

    def turn_off(self, settings):
        settings.SWIFT_API_KEY = ""

    def create_body(self):
        return {"id": EXTERNAL_ID, "to": "456 Customer Ave, Austin, TX 78702"}

    def check_headers(self, asked, request_id):
        assert asked.headers["authorization"] == "Bearer swift-key-of-the-tests"

    def secrets(self, settings):
        return [settings.SWIFT_API_KEY]

    def people_of_theirs(self):
        return ()

    def test_a_price(self, provider):
        provider.answers("POST", "/prices", Reply(200, {"cents": 450}))
        assert self.company.request_quote(parcel(), one_try()).fee_minor == 450


# spec: C1
def test_every_company_offers_the_same_and_has_a_door():
    assert list(providers.courier_providers()) == ["cooco", "uber", "doordash"]
    doors = {door.provider: door for door in webhooks.webhook_providers()}
    assert set(doors) == set(providers.courier_providers())
    for name, company in providers.courier_providers().items():
        assert isinstance(company, CourierProvider)
        assert len(name) <= 12  # Delivery.courier
        assert company.title
        assert {CourierStage.REQUESTED, CourierStage.ASSIGNED, CourierStage.PICKED_UP, CourierStage.DELIVERED} <= set(
            company.status_words.values()
        )
        assert doors[name].provider_module is company
    with pytest.raises(KeyError):
        providers.find_provider("swift")


# spec: S5
def test_without_keys_no_company_is_asked(settings):
    for name in ("COOCO_API_KEY", "UBER_CLIENT_ID", "DOORDASH_DEVELOPER_ID"):
        setattr(settings, name, "")
    assert providers.enabled_providers() == []
    settings.COOCO_API_KEY, settings.COOCO_API_BASE = "key", "https://api.cooco.example/v2"
    assert [company.name for company in providers.enabled_providers()] == ["cooco"]
