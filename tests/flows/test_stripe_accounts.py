"""Stores come to Stripe, are shut out there, leave, and come back: what they may do here follows."""

from foundation.events import Cause
from orders.models import Store
from payouts.models import PayeeKind
from payouts.runs import runs
from payouts.runs.runs import SkippedAccount, SkipReason


def available(store: Store) -> bool:
    store.refresh_from_db()
    return bool(store.is_available)


# spec: P5, M2
def test_a_store_that_stripe_stops_is_not_paid_and_keeps_its_money(scene):
    store = scene.store
    scene.expect_emails(store.recipient.email, "Welcome: payouts are ready")
    account = scene.find_connection(store).stripe_account
    scene.wait_for_next_second()
    scene.outside.control("PUT", f"stripe/accounts/{account}", {"payouts_enabled": False})
    scene.wait_for(lambda: not scene.find_connection(store).payouts_enabled, "Stripe's word")
    placed = scene.place_and_pay()
    scene.carry_order(scene.add_rider(), placed)
    scene.expect_balance(PayeeKind.STORE, store.pk, 0, 3_700)
    outcome = runs.freeze_account(scene.find_account(PayeeKind.STORE, store.pk).pk, "2026-01-01", by=Cause("clock"))
    assert isinstance(outcome, SkippedAccount)
    assert outcome.reason == SkipReason.NOT_ENABLED
    assert scene.read_balance(PayeeKind.STORE, store.pk) == (0, 3_700)

    scene.wait_for_next_second()
    scene.outside.control("PUT", f"stripe/accounts/{account}", {"payouts_enabled": True})
    scene.wait_for(lambda: scene.find_connection(store).payouts_enabled, "Stripe's word")
    runs.freeze_account(scene.find_account(PayeeKind.STORE, store.pk).pk, "2026-01-01", by=Cause("clock"))
    scene.expect_balance(PayeeKind.STORE, store.pk, 0, 0)
    scene.expect_emails(store.recipient.email, "Welcome: payouts are ready")  # once


# spec: P6, P5, D3
def test_a_store_that_leaves_stripe_takes_no_orders_until_it_is_back(scene):
    store = scene.store
    left = scene.find_connection(store).stripe_account
    scene.wait_for_next_second()
    gone = {"type": "account.application.deauthorized", "object": {"id": "ca_1", "object": "application"}}
    scene.outside.control("POST", "stripe/events", {**gone, "account": left})
    scene.wait_for(lambda: not available(store), "the store to be closed")
    assert scene.find_connection(store).stripe_account == ""
    scene.expect_emails(store.recipient.email, "Please reconnect your Stripe account")
    refused = scene.storefront.call("POST", "/orders/tracking/init", scene.build_order())
    assert (refused.status, refused.code) == (422, "STORE_UNAVAILABLE")
    assert refused.body["detail"].startswith("Order auto-rejected, reason: ")

    back = scene.connect_again(store)
    scene.wait_for(lambda: available(store), "the store to be open again")
    assert scene.find_connection(store).stripe_account == back != left
    assert scene.place_order().status == "pending"
