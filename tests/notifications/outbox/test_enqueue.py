"""Messages as rows: written once per fact and person, in the caller's transaction."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from foundation.work import WorkState
from notifications.contacts import recipients
from notifications.content.catalogue import CATALOGUE, CUSTOMER_EVENTS, CUSTOMER_LANGUAGES
from notifications.content.template import MissingParams
from notifications.models import Message
from notifications.outbox import enqueue


# spec: N2
@pytest.mark.django_db
def test_a_fact_is_told_once_however_often_it_is_reported():
    asha, ravi = recipients.create_recipient(name="Asha"), recipients.create_recipient(name="Ravi")
    for _ in range(50):
        enqueue.enqueue_message(asha.pk, "delivery.failed", {"orderId": "o-1"}, dedupe="delivery:1", order_ref="ref-1")
    enqueue.enqueue_message(asha.pk, "delivery.failed", {"orderId": "o-2"}, dedupe="delivery:2")
    enqueue.enqueue_message(ravi.pk, "delivery.failed", {"orderId": "o-1"}, dedupe="delivery:1")

    rows = Message.objects.order_by("pk").values_list("recipient_id", "dedupe_key", "order_ref", "state")
    assert list(rows) == [
        (asha.pk, f"delivery.failed:delivery:1:{asha.pk}", "ref-1", WorkState.PENDING),
        (asha.pk, f"delivery.failed:delivery:2:{asha.pk}", "", WorkState.PENDING),
        (ravi.pk, f"delivery.failed:delivery:1:{ravi.pk}", "", WorkState.PENDING),
    ]


# spec: N2
@pytest.mark.django_db(transaction=True)
def test_fifty_reports_at_once_are_one_message():
    asha = recipients.create_recipient(name="Asha")

    def report(_: int) -> None:
        try:
            enqueue.enqueue_message(asha.pk, "delivery.failed", {"orderId": "o-1"}, dedupe="delivery:1")
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(report, range(50)))
    assert Message.objects.count() == 1


# spec: N2
@pytest.mark.django_db(transaction=True)
def test_a_message_goes_with_the_transaction_that_wrote_it():
    asha = recipients.create_recipient(name="Asha")
    with transaction.atomic():
        enqueue.enqueue_message(asha.pk, "delivery.failed", {"orderId": "o-1"}, dedupe="delivery:1")
        transaction.set_rollback(True)
    assert not Message.objects.exists()


@pytest.mark.django_db
def test_mistakes_of_the_program_are_found_when_the_message_is_written():
    asha = recipients.create_recipient(name="Asha")
    with pytest.raises(KeyError, match=r"delivery\.teleported"):
        enqueue.enqueue_message(asha.pk, "delivery.teleported", {}, dedupe="x")
    params = {"orderId": "o", "offerId": "1", "store": "Chai Point", "distance_m": 900}
    with pytest.raises(MissingParams, match=r"offer\.made needs deadline, fee"):
        enqueue.enqueue_message(asha.pk, "offer.made", params, dedupe="x")
    with pytest.raises(ValueError, match="longer than 160"):
        enqueue.enqueue_message(asha.pk, "delivery.failed", {"orderId": "o"}, dedupe="x" * 160)
    with pytest.raises(ValueError, match="carrier-pigeon"):
        enqueue.enqueue_message(asha.pk, "delivery.failed", {"orderId": "o"}, dedupe="x", channels=["carrier-pigeon"])
    assert not Message.objects.exists()


# spec: N4
@pytest.mark.parametrize("event", CATALOGUE)
def test_every_event_reads_well_in_every_language(event):
    template = CATALOGUE[event]
    params = {name: f"<{name}>" for name in template.params} | {"distance_m": 1234, "etaMinutes": 15}
    languages = CUSTOMER_LANGUAGES if event in CUSTOMER_EVENTS else ("en",)
    assert set(template.texts) == set(languages)
    for language in languages:
        title, body = template.render_text(language, params)
        assert title
        assert body
        assert len(title) <= 200
        assert "{" not in title + body
    payload = template.push_payload(params)
    assert payload["type"] == event
    assert all(isinstance(value, str) for value in payload.values())
    assert template.channels


# spec: N4
def test_a_language_we_lack_is_english_and_a_region_does_not_matter():
    template = CATALOGUE["delivery.on_the_way"]
    params = {"orderId": "o-1", "etaMinutes": 15}
    assert template.render_text("en", params).body == "Your order is on the way! ETA: 15 minutes"
    assert template.render_text("fi", params) == template.render_text("en", params)
    assert (
        template.render_text("hi-IN", params)
        == template.render_text("hi", params)
        != template.render_text("en", params)
    )


# spec: D2
def test_a_rider_reads_store_distance_fee_and_deadline():
    template = CATALOGUE["offer.made"]
    params = {
        "store": "Chai Point",
        "distance_m": 1234,
        "fee": "₹50.00",
        "deadline": "2026-11-20T10:00:30.000Z",
        "orderId": "6f1c",
        "offerId": 42,
    }
    assert template.render_text("en", params).body == "Chai Point, 1.2 km away, delivery fee ₹50.00"
    assert template.push_payload(params) == {
        "type": "offer.made",
        "orderId": "6f1c",
        "offerId": "42",
        "expiresAt": "2026-11-20T10:00:30.000Z",
    }
