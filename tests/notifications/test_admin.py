"""The console's pages of notifications: queues with actions, for those who may, each with a reason and a trace."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from foundation.models import Role, User
from foundation.work import WorkState
from notifications.contacts import recipients, suppressions
from notifications.incidents import service
from notifications.models import Incident, IncidentStatus, Message, PushToken, Recipient, SuppressedAddress
from notifications.outbox import enqueue

pytestmark = pytest.mark.django_db
PAGES = ("incident", "message", "recipient", "pushtoken", "suppressedaddress")


@pytest.fixture
def asha() -> Recipient:
    asha = recipients.create_recipient(name="Asha", email="asha@customers.example", phone="+918012345678")
    recipients.register_token(asha, "a-device-token-that-is-secret")
    return asha


@pytest.fixture
def dead(asha) -> Message:
    enqueue.enqueue_message(asha.pk, "delivery.failed", {"orderId": "o-1"}, dedupe="delivery:1", order_ref="order-7")
    (message,) = Message.claim_batch(limit=1, lease_s=60)
    Message.objects.update(skipped=[{"channel": "sms", "reason": "permanent: 21211"}])
    message.mark_dead("no channel took it")
    return message


@pytest.fixture
def incident() -> Incident:
    service.open_incident(
        "dead_letters", severity="warning", title="Dead letters", dedupe="dead:messages", order_ref="order-7"
    )
    return Incident.objects.get()


def gone() -> SuppressedAddress:
    suppressions.suppress_address("email", "Asha@customers.example", "hard bounce", detail="550 5.1.1")
    return SuppressedAddress.objects.get()


def sign_in(client, role: Role) -> User:
    user = User.objects.create_user(f"{role}-person", role=role)
    client.force_login(user)
    return user


def act(client, page: str, action: str, row, **fields):
    """Tick one row, choose the action, and send the confirm page off as a browser would."""
    url = reverse(f"admin:notifications_{page}_changelist") + ("?status=all" if page == "incident" else "")
    form = {"action": action, "_selected_action": [row.pk], "select_across": "0"}
    confirm = client.post(url, form)
    nonce = re.search(rb'name="nonce" value="([^"]+)"', confirm.content)
    if nonce is None:
        return confirm
    sent = {**form, "confirmed": "yes", "reason": "because", "nonce": nonce.group(1).decode(), **fields}
    return client.post(url, sent, follow=True)


# spec: A3
@pytest.mark.parametrize("page", PAGES)
def test_pages_open_for_all_staff_and_change_nothing_by_hand(client, page, asha, dead, incident):
    sign_in(client, Role.READ_ONLY)
    listing = client.get(reverse(f"admin:notifications_{page}_changelist"))
    assert listing.status_code == 200
    row = {"incident": incident, "message": dead, "recipient": asha, "pushtoken": PushToken.objects.get()}.get(
        page, gone()
    )
    detail = client.get(reverse(f"admin:notifications_{page}_change", args=[row.pk]))
    assert detail.status_code == 200
    assert b"a-device-token-that-is-secret" not in listing.content + detail.content
    assert b'name="_save"' not in detail.content
    assert client.get(reverse(f"admin:notifications_{page}_add")).status_code == 403


# spec: A3 A5 N5
def test_an_agent_acknowledges_and_resolves_with_a_reason(client, incident):
    agent = sign_in(client, Role.OPS_AGENT)
    act(client, "incident", "acknowledge_incident", incident)
    incident.refresh_from_db()
    assert (incident.status, incident.decided_by) == (IncidentStatus.ACKNOWLEDGED, agent)

    act(client, "incident", "resolve_incident", incident, reason="Replayed them all")
    incident.refresh_from_db()
    assert (incident.status, incident.resolution) == (IncidentStatus.RESOLVED, "Replayed them all")
    assert "resolved: Replayed them all" in {entry.get_change_message() for entry in LogEntry.objects.all()}

    refused = act(client, "incident", "resolve_incident", incident)
    assert "Invalid incident transition" in refused.content.decode()


# spec: A3
def test_the_queue_shows_what_is_not_resolved_unless_asked(client, incident):
    sign_in(client, Role.OPS_AGENT)
    url = reverse("admin:notifications_incident_changelist")
    assert "Dead letters" in client.get(url).content.decode()
    service.resolve_key("dead:messages", "right again")
    gone = client.get(url)
    assert f"/incident/{incident.pk}/change/" not in gone.content.decode()
    for query in ("?status=all", "?status=resolved", "?q=order-7"):
        assert f"/incident/{incident.pk}/change/" in client.get(url + query).content.decode()


# spec: A3 W4
def test_a_dead_letter_is_sent_again_or_put_aside(client, dead):
    sign_in(client, Role.OPS_LEAD)
    act(client, "message", "put_aside", dead, reason="number is wrong for good")
    dead.refresh_from_db()
    assert (dead.state, dead.error_message) == (WorkState.DISCARDED, "discarded: number is wrong for good")

    Message.objects.update(state=WorkState.DEAD)
    act(client, "message", "send_again", dead)
    dead.refresh_from_db()
    assert (dead.state, dead.retry_count, dead.skipped) == (WorkState.PENDING, 0, [])
    assert "only what is dead" in act(client, "message", "send_again", dead).content.decode()


# spec: A3
def test_messages_are_found_by_order_or_recipient(client, dead, asha):
    sign_in(client, Role.READ_ONLY)
    url = reverse("admin:notifications_message_changelist")
    for query, found in [
        ("order-7", True),
        (f"recipient:{asha.pk}", True),
        ("order-8", False),
        ("recipient:99", False),
    ]:
        assert (f"/message/{dead.pk}/change/" in client.get(url, {"q": query}).content.decode()) is found
    assert "21211" in client.get(reverse("admin:notifications_message_change", args=[dead.pk])).content.decode()


# spec: A3 N2
def test_the_ladder_says_why_each_channel_did_not_do_and_why_the_one_did(client, dead):
    sign_in(client, Role.READ_ONLY)
    url = reverse("admin:notifications_message_change", args=[dead.pk])
    Message.objects.update(state=WorkState.DONE, channel="email", why="the event's ladder")
    page = client.get(url).content.decode()
    assert "<td>sms</td><td>permanent: 21211</td>" in page
    assert "<td>email</td><td>chosen: the first that does, of the event&#x27;s ladder</td>" in page


# spec: A3 W7
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("text", ["abc", "recipient:", "recipient:x", "²", "9" * 30, "' OR 1=1", "o'clock", "-1"])
def test_a_search_for_nonsense_finds_nothing(client, page, text, dead, incident):
    sign_in(client, Role.READ_ONLY)
    found = client.get(reverse(f"admin:notifications_{page}_changelist"), {"q": text})
    assert found.status_code == 200
    assert "0 results" in found.content.decode()


# spec: A3
def test_recipients_and_their_devices_are_found_by_number(client, asha):
    sign_in(client, Role.READ_ONLY)
    for page, row in (("recipient", asha), ("pushtoken", PushToken.objects.get())):
        for number, found in ((asha.pk, True), (asha.pk + 1, False)):
            listing = client.get(reverse(f"admin:notifications_{page}_changelist"), {"q": number}).content.decode()
            assert (f"/{page}/{row.pk}/change/" in listing) is found


# spec: A3
def test_recipients_are_opted_out_and_their_addresses_mended(client, asha):
    sign_in(client, Role.OPS_LEAD)
    act(client, "recipient", "opt_out", asha)
    asha.refresh_from_db()
    assert asha.opted_out_at is not None
    act(client, "recipient", "opt_in", asha)

    act(client, "recipient", "change_addresses", asha, phone="+1 415 867 5309")
    wrong = act(client, "recipient", "change_addresses", asha, phone="12", email="new@customers.example")
    assert "country code" in wrong.content.decode()
    asha.refresh_from_db()
    assert (asha.phone, asha.email, asha.opted_out_at) == ("+14158675309", "asha@customers.example", None)

    token = PushToken.objects.get()
    act(client, "pushtoken", "retire_token", token)
    token.refresh_from_db()
    assert token.retired_reason == "by ops"


# spec: A3 N2
def test_a_person_is_forgotten_once_and_for_all(client, asha):
    sign_in(client, Role.OPS_LEAD)
    act(client, "recipient", "erase_recipient", asha)
    asha.refresh_from_db()
    assert asha.erased_at is not None
    assert (asha.name, asha.email, asha.phone) == ("", "", "")
    assert not PushToken.objects.exists()
    assert "is forgotten already" in act(client, "recipient", "erase_recipient", asha).content.decode()


# spec: A3 N3
def test_a_retired_address_is_found_with_its_reason_and_brought_back(client):
    retired = gone()
    lead = sign_in(client, Role.OPS_LEAD)
    listing = client.get(reverse("admin:notifications_suppressedaddress_changelist"), {"q": "asha@customers.example"})
    assert "hard bounce" in listing.content.decode()
    act(client, "suppressedaddress", "reinstate_address", retired, reason="She has a new mailbox")
    retired.refresh_from_db()
    assert (retired.reinstated_by, bool(retired.reinstated_at)) == (f"user:{lead.pk}", True)
    assert "She has a new mailbox" in LogEntry.objects.latest("pk").get_change_message()
    assert "in use again already" in act(client, "suppressedaddress", "reinstate_address", retired).content.decode()


# spec: A3 N3
def test_ops_note_what_people_wish_of_whatsapp_and_bring_devices_back(client, asha):
    sign_in(client, Role.OPS_LEAD)
    act(client, "recipient", "whatsapp_opt_in", asha)
    asha.refresh_from_db()
    assert asha.whatsapp_opted_in_at
    act(client, "recipient", "whatsapp_opt_out", asha)
    asha.refresh_from_db()
    assert asha.whatsapp_opted_in_at is None
    assert SuppressedAddress.objects.get().channel == "whatsapp"

    token = PushToken.objects.get()
    act(client, "pushtoken", "retire_token", token)
    act(client, "pushtoken", "bring_back", token)
    token.refresh_from_db()
    assert (token.retired_at, token.retired_reason) == (None, "")


# spec: A5
@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.FINANCE])
def test_those_who_may_only_look_can_do_nothing(client, role, dead, incident, asha):
    sign_in(client, role)
    act(client, "incident", "resolve_incident", incident)
    act(client, "message", "put_aside", dead)
    act(client, "recipient", "opt_out", asha)
    incident.refresh_from_db()
    dead.refresh_from_db()
    asha.refresh_from_db()
    assert (incident.status, dead.state, asha.opted_out_at) == (IncidentStatus.OPEN, WorkState.DEAD, None)
