"""The console's rider page: actions do what they say, say what they did, and leave a trace."""

import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from foundation.models import Event, Role
from riders.models import Rider
from tests.builders import applicant, rider, user

pytestmark = pytest.mark.django_db
LIST = "/admin/riders/rider/"


def act(client: Client, action: str, *chosen: Rider, reason: str = "", **fields: object) -> list[str]:
    """Run an action on these riders by its confirm page; what the page then says."""
    form = {
        "action": action,
        "_selected_action": [one.pk for one in chosen],
        "confirmed": "1",
        "nonce": str(uuid.uuid4()),
        "reason": reason,
        **fields,
    }
    page = client.post(LIST, form, follow=True)
    assert page.status_code == 200
    if "form" in page.context and page.context["form"].errors:
        return [f"{name}: {' '.join(errors)}" for name, errors in page.context["form"].errors.items()]
    return [str(message) for message in page.context["messages"]]


@pytest.fixture
def lead(client: Client) -> Client:
    client.force_login(user(Role.OPS_LEAD), backend="foundation.access.RoleBackend")
    return client


# spec: A3
def test_ops_suspends_with_a_reason_and_reinstates(lead: Client):
    ravi, asha = rider("Ravi"), rider("Asha")
    assert act(lead, "suspend_rider", ravi) == ["reason: This field is required."]
    assert act(lead, "suspend_rider", ravi, asha, reason="complaints") == ["Ravi: suspended", "Asha: suspended"]
    ravi.refresh_from_db()
    assert (ravi.standing, ravi.suspended_reason, ravi.is_online) == ("suspended", "complaints", False)
    assert Event.objects.get(name="rider.suspended", subject=f"rider:{ravi.pk}").actor.startswith("user:")
    assert LogEntry.objects.get(object_id=str(ravi.pk)).get_change_message() == "suspended: complaints"
    assert act(lead, "reinstate_rider", ravi, reason="sorted out") == ["Ravi: reinstated"]
    assert act(lead, "reinstate_rider", ravi, reason="again") == ["Ravi: The rider is not suspended"]


# spec: A3
def test_ops_verifies_and_sets_capacity(lead: Client):
    new = applicant("Ravi")
    assert act(lead, "verify_rider", new, reason="papers seen") == ["Ravi: verified"]
    assert act(lead, "set_capacity", new, reason="big bag", capacity="5") == ["Ravi: may carry 5 at once"]
    assert act(lead, "set_capacity", new, reason="x", capacity="many") == ["capacity: Enter a whole number."]
    assert act(lead, "set_capacity", new, reason="x", capacity="99") == [
        "capacity: Ensure this value is less than or equal to 10."
    ]
    new.refresh_from_db()
    assert (new.standing, new.max_concurrent) == ("verified", 5)


# spec: A5
def test_others_read_and_cannot_act(client: Client):
    client.force_login(user(Role.READ_ONLY), backend="foundation.access.RoleBackend")
    ravi = rider("Ravi")
    assert b"Ravi" in client.get(f"{LIST}?is_online__exact=1").content
    act(client, "suspend_rider", ravi, reason="because")
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{ravi.pk}/change/", {"name": "Other"}).status_code == 403
    ravi.refresh_from_db()
    assert (ravi.standing, ravi.name) == ("verified", "Ravi")
    assert client.get("/admin/riders/referral/").status_code == 200
