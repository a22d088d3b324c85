"""Riders who reject too much are flagged for review (SPEC R9): not blocked, not fined, looked at by ops."""

from deliveries.fraud import flags
from deliveries.fraud.flags import FraudSignal
from deliveries.lifecycle import OfferStatus
from deliveries.models import FraudFlag, FraudKind, Offer
from foundation import clock
from riders.models import Rider

WINDOW = 20
TOO_MANY = 0.30
ANSWERED = (OfferStatus.ACCEPTED, OfferStatus.REJECTED, OfferStatus.EXPIRED)


def review_rider(rider: Rider) -> FraudFlag | None:
    """Flag the rider when over 30 % of the last 20 offers were rejected or ran out. The rider is locked.

    Once per window: nothing is added to a flag that ops has not decided yet, and after the decision 20 further offers
    have to be answered before the next.
    """
    offers = Offer.objects.filter(rider=rider, status__in=ANSWERED)
    last_flag = FraudFlag.objects.filter(rider=rider, kind=FraudKind.REJECTION_RATE).order_by("-created_at").first()
    if last_flag is not None:
        if last_flag.decided_at is None:
            return None
        offers = offers.filter(created_at__gt=last_flag.decided_at)
    answers = list(offers.order_by("-created_at").values_list("status", flat=True)[:WINDOW])
    rejected, expired = answers.count(OfferStatus.REJECTED), answers.count(OfferStatus.EXPIRED)
    if len(answers) < WINDOW or (rejected + expired) / len(answers) <= TOO_MANY:
        return None
    figures = {"offers": len(answers), "rejected": rejected, "expired": expired, "limit_percent": round(100 * TOO_MANY)}
    return flags.raise_flag(FraudSignal(FraudKind.REJECTION_RATE, rider, clock.now(), figures))
