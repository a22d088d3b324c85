"""`/api/v1/rider/orders…` (SPEC R1–R6): the contract's paths, envelope and messages, word for word."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api.rider_serializers import (
    STEPS,
    OfferRejection,
    RiderOrder,
    RiderOrderDetail,
    RiderStep,
    RiderStepWished,
)
from deliveries.fulfilment import offer_responses, rider_steps, rider_tasks
from deliveries.lifecycle import OfferStatus
from foundation.errors import Invalid
from orders import locks
from riders.api.envelope import EmptyData, RiderView, envelope_schema, read_body, success_response

TAGS = ["rider orders"]
PAGE = inline_serializer(
    "RiderOrdersEnvelope",
    {
        "success": serializers.BooleanField(),
        "message": serializers.CharField(),
        "data": RiderOrder(many=True),
        "nextCursor": serializers.CharField(allow_null=True, help_text="Give it as `cursor` for the next page."),
    },
)


class OrdersView(RiderView):
    @extend_schema(
        parameters=[
            OpenApiParameter("status", str, enum=sorted(rider_tasks.STATUSES), description="Default: all active."),
            OpenApiParameter("cursor", str, description="`nextCursor` of the page before."),
        ],
        responses=PAGE,
        operation_id="rider_orders",
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """The rider's orders, newest assignment first; an open offer is one that has no `deliveryAcceptedAt` yet."""
        word = request.query_params.get("status") or None
        if word is not None and word not in rider_tasks.STATUSES:
            raise Invalid(f"must be one of {', '.join(sorted(rider_tasks.STATUSES))}", field="status")
        tasks, cursor = rider_tasks.list_tasks(self.rider, word, request.query_params.get("cursor", ""))
        data = RiderOrder(tasks, many=True).data
        return success_response("Rider orders retrieved successfully", data, nextCursor=cursor)


class OrderView(RiderView):
    @extend_schema(responses=envelope_schema("RiderOrder", RiderOrderDetail()), operation_id="rider_order", tags=TAGS)
    def get(self, request: Request, order_id: str) -> Response:
        """One order in detail: items, customer, pickup and drop-off, preferences, timeline."""
        data = RiderOrderDetail(rider_tasks.task_of(self.rider, order_id)).data
        return success_response("Order detail retrieved successfully", data)


class AcceptView(RiderView):
    @extend_schema(
        request=None, responses=envelope_schema("RiderAccept", RiderStep()), operation_id="rider_accept", tags=TAGS
    )
    def patch(self, request: Request, order_id: str) -> Response:
        """Take the order. 409 when the offer ran out, was rejected or withdrawn before.

        Accepting what one has accepted changes nothing: the first answer may have been lost.
        """
        offer = offer_responses.find_offer(order_id, self.rider)
        if offer.status != OfferStatus.ACCEPTED:
            offer_responses.accept_offer(offer.pk, self.rider, by=self.request_cause)
        return success_response(
            "Order accepted successfully", RiderStep(rider_tasks.task_of(self.rider, order_id)).data
        )


class RejectView(RiderView):
    @extend_schema(
        request=OfferRejection,
        responses=envelope_schema("RiderReject", EmptyData()),
        operation_id="rider_reject",
        tags=TAGS,
    )
    def patch(self, request: Request, order_id: str) -> Response:
        """Turn the offer down, with a reason if you like; the next rider is asked at once."""
        reason = read_body(OfferRejection, request.data)["reason"] or ""
        offer = offer_responses.find_offer(order_id, self.rider)
        if offer.status != OfferStatus.REJECTED:
            offer_responses.reject_offer(offer.pk, self.rider, reason, by=self.request_cause)
        return success_response("Order rejected successfully, reassignment in progress")


class StatusView(RiderView):
    @extend_schema(
        request=RiderStepWished,
        responses=envelope_schema("RiderStatus", RiderStep()),
        operation_id="rider_status",
        tags=TAGS,
    )
    def patch(self, request: Request, order_id: str) -> Response:
        """Take the next step: ASSIGNED → PICKED_UP → OUT_FOR_DELIVERY → DELIVERED.

        Pickup and delivery are confirmed within 100 m of the place; farther away they are refused and flagged. What
        `accuracy` says matters where the store's policy allows for drift; a position of minutes ago is no position of
        now (400). The status that already is may be sent again (the first answer may have been lost): it changes
        nothing.
        """
        wish = read_body(RiderStepWished, request.data)
        order = locks.find_order(None, order_id)
        rider_steps.take_step(order.pk, self.rider, STEPS[wish["status"]], wish["claim"], by=self.request_cause)
        data = RiderStep(rider_tasks.task_of(self.rider, order_id)).data
        return success_response(f"Order status updated to {wish['status']}", data)
