"""A rider's standing, availability and referrals."""

import pytest

from foundation.errors import Conflict, Forbidden, IllegalMove, Invalid
from foundation.models import Event, Job
from notifications.models import Message
from riders import availability, positions, referrals, riders
from riders.models import Referral, Rider
from tests.builders import CENTRE, TEST, applicant, rider


def told(event: str) -> list[dict]:
    return [row.data for row in Event.objects.filter(name=event).order_by("pk")]


# spec: R9
@pytest.mark.django_db
def test_only_verified_riders_go_online_and_dispatch_hears_of_it():
    new = applicant()
    with pytest.raises(Forbidden) as refused:
        availability.set_online(new.pk, True, CENTRE, by=TEST)
    assert refused.value.code == "RIDER_NOT_VERIFIED"
    riders.verify_rider(new.pk, by=TEST)
    assert availability.set_online(new.pk, True, CENTRE, by=TEST).is_online
    assert told("rider.availability_changed") == [{"online": True}]
    assert Job.objects.get(handler="deliveries.follow_rider").subject == f"rider:{new.pk}"
    availability.set_online(new.pk, True, CENTRE, by=TEST)
    assert len(told("rider.availability_changed")) == 1
    with pytest.raises(IllegalMove):
        riders.verify_rider(new.pk, by=TEST)


# spec: R4
@pytest.mark.django_db
def test_a_suspended_rider_is_offline_told_why_and_back_only_by_ops():
    one = rider()
    riders.count_fake_attempt(one.pk)
    riders.suspend_rider(one.pk, "too many fake deliveries", by=TEST)
    riders.suspend_rider(one.pk, "again", by=TEST)
    row = Rider.objects.get(pk=one.pk)
    assert (row.standing, row.is_online, row.suspended_reason) == ("suspended", False, "too many fake deliveries")
    assert positions.find_spot(one.pk) is None
    assert Message.objects.get(event="rider.suspended").params == {"reason": "too many fake deliveries"}
    with pytest.raises(Forbidden) as refused:
        availability.set_online(one.pk, True, CENTRE, by=TEST)
    assert refused.value.code == "RIDER_SUSPENDED"
    with pytest.raises(Conflict):
        riders.verify_rider(one.pk, by=TEST)
    back = riders.reinstate_rider(one.pk, by=TEST, note="it was our map")
    assert (back.standing, back.fake_attempts, back.suspended_reason) == ("verified", 0, "")
    with pytest.raises(Conflict):
        riders.reinstate_rider(one.pk, by=TEST)
    riders.suspend_rider(one.pk, "a second time", by=TEST)
    assert Message.objects.filter(event="rider.suspended").count() == 2


@pytest.mark.django_db
def test_what_cannot_be_is_said_clearly():
    riders.create_rider(name="Ravi", username="ravi")
    with pytest.raises(Invalid, match="is taken"):
        riders.create_rider(name="Ravi", username="ravi")
    with pytest.raises(Invalid, match="is not a code"):
        riders.create_rider(name="Asha", username="asha", referral_code="NOBODY22")
    assert not Rider.objects.filter(name="Asha").exists()
    with pytest.raises(Invalid, match="say why"):
        riders.suspend_rider(rider().pk, "  ", by=TEST)


# spec: R9
@pytest.mark.django_db
def test_a_referral_earns_once_at_the_twentieth_delivery():
    referrer = rider("Asha")
    code = referrals.ensure_referral_code(referrer.pk)
    assert referrals.ensure_referral_code(referrer.pk) == code
    new = applicant(referral_code=code.lower())
    for _ in range(19):
        referrals.count_delivery(new.pk, by=TEST)
    assert told("rider.referral_earned") == []
    for _ in range(3):
        referrals.count_delivery(new.pk, by=TEST)
    referral = Referral.objects.get()
    assert told("rider.referral_earned") == [{"referrer": referrer.pk}]
    assert Job.objects.get(handler="payouts.book_referral").subject == f"referral:{referral.pk}"
    assert (referral.deliveries, referral.earned_at is not None) == (20, True)
    referrals.count_delivery(referrer.pk, by=TEST)  # nobody brought this one
    assert [(line.name, line.referred, line.earned) for line in referrals.top_referrers()] == [("Asha", 1, 1)]


# spec: R9
@pytest.mark.django_db
def test_a_code_is_used_once_at_sign_up_and_never_ones_own():
    first, second, new = rider(), rider(), applicant()
    used = referrals.use_code(new.pk, referrals.ensure_referral_code(first.pk))
    assert referrals.use_code(new.pk, referrals.ensure_referral_code(first.pk)) == used
    with pytest.raises(Conflict) as refused:
        referrals.use_code(new.pk, referrals.ensure_referral_code(second.pk))
    assert refused.value.code == "REFERRAL_ALREADY_USED"
    with pytest.raises(Conflict) as refused:
        referrals.use_code(second.pk, referrals.ensure_referral_code(first.pk))
    assert refused.value.code == "REFERRAL_TOO_LATE"
    with pytest.raises(Invalid):
        referrals.use_code(first.pk, referrals.ensure_referral_code(first.pk))
