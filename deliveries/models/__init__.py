"""Tables of the deliveries room."""

from deliveries.models.courier_job import CourierJob
from deliveries.models.couriers import CircuitBreaker, CourierCall, CourierQuote
from deliveries.models.delivery import IN_HOUSE, Delivery
from deliveries.models.dispatch import DispatchDecision, Offer
from deliveries.models.fraud import FraudFlag, FraudKind
from deliveries.models.positions import LearnedSpeed, Track
from deliveries.models.tracking import Rating, TrackingLink

__all__ = [
    "IN_HOUSE",
    "CircuitBreaker",
    "CourierCall",
    "CourierJob",
    "CourierQuote",
    "Delivery",
    "DispatchDecision",
    "FraudFlag",
    "FraudKind",
    "LearnedSpeed",
    "Offer",
    "Rating",
    "Track",
    "TrackingLink",
]
