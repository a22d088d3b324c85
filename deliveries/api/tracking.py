"""`/orders/tracking/…` (SPEC T1, O4): the contract's eight endpoints, and one for ratings.

Who may do what: storefronts place, cancel and speak for the stores of their own orders; store staff take their store's
orders through the store's states; riders carry their own, under the same checks as in the riders' API; customers look,
and answer what the store proposes; ops may do all of it but pretend to be on the spot.
"""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deliveries import permissions
from deliveries.api import etags
from deliveries.api.tracking_serializers import (
    STATUSES,
    AcknowledgeBody,
    DeliveredBody,
    DriverBody,
    LocationBody,
    OrderTracking,
    PlacedOrder,
    PlacementBody,
    RatingBody,
    RatingShown,
    StatusBody,
    SubstitutionsBody,
)
from deliveries.fulfilment import location_reports, ops_actions, rider_steps
from deliveries.lifecycle import DeliveryStatus
from deliveries.tracking import ratings
from deliveries.tracking.snapshot import OrderSnapshot
from foundation import clock, geo, idempotency
from foundation.api.permissions import require_roles
from foundation.errors import Forbidden
from foundation.events import Cause
from foundation.models import OPS_ROLES, Role, User
from orders import place_order, substitutions
from orders.lifecycle import OrderStatus
from orders.models import Order, Substitution
from orders.stores import status_steps
from riders import locks as riders_rows
from riders.api.envelope import read_body
from riders.positions import PositionFix

TAGS = ["order tracking"]
RIDER_STATUSES = {
    OrderStatus.PICKED_UP: DeliveryStatus.PICKED_UP,
    OrderStatus.IN_TRANSIT: DeliveryStatus.IN_TRANSIT,
    OrderStatus.DELIVERED: DeliveryStatus.DELIVERED,
}
STORE_ROLES = (Role.STOREFRONT, Role.STORE_STAFF, *OPS_ROLES)


class TrackingView(APIView):
    """`self.order` is found by either id, if the caller may see it."""

    permission_classes = (IsAuthenticated,)

    @property
    def signed_in_user(self) -> User:
        return self.request.user  # type: ignore[return-value]

    @property
    def request_cause(self) -> Cause:
        if self.signed_in_user.role == Role.RIDER:
            return Cause(f"rider:{riders_rows.rider_of_user(self.signed_in_user).pk}", "api")
        return Cause(f"user:{self.signed_in_user.pk}", "api")

    def visible_order(self, order_id: str) -> Order:
        return permissions.visible_order(self.signed_in_user, order_id)

    def order_response(self, order: Order) -> Response:
        """The order as it is now."""
        fresh = Order.objects.select_related("store", "customer").get(pk=order.pk)
        return Response(OrderTracking(OrderSnapshot(fresh, self.signed_in_user)).data)


class InitView(TrackingView):
    permission_classes = (require_roles(Role.STOREFRONT),)

    @extend_schema(
        request=PlacementBody,
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key is the same request."
            )
        ],
        responses={201: PlacedOrder, 200: OpenApiResponse(PlacedOrder, description="It was placed before.")},
        operation_id="tracking_init",
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Place an order. Pay it with `client_secret`; the same `order_id` and content again is the same order.

        422 when it cannot be delivered ("Order auto-rejected, reason: …"), 409 for an `order_id` of another order.
        """
        key = request.headers.get("Idempotency-Key", "")
        body = PlacementBody(data=request.data)
        body.is_valid(raise_exception=True)
        fingerprint = idempotency.request_fingerprint("POST", request.path, etags.canonical_json(request.data))
        placed = place_order.place_order(self.signed_in_user, body.order_request(), key, fingerprint)
        shown = PlacedOrder(OrderSnapshot(placed.order, self.signed_in_user)).data
        return Response(shown, status=201 if placed.created else 200)


class OrderView(TrackingView):
    @extend_schema(
        responses={200: OrderTracking, 304: etags.NOT_MODIFIED},
        parameters=[etags.IF_NONE_MATCH],
        operation_id="tracking_get",
        tags=TAGS,
    )
    def get(self, request: Request, order_id: str) -> HttpResponse:
        """The order as it stands, its history, who carries it and, while it is on its way, where. Has an ETag."""
        order = self.visible_order(order_id)
        shown = OrderTracking(OrderSnapshot(order, self.signed_in_user)).data
        return etags.answer_with_etag(request, shown, instead={"eta": clock.format_wire(order.eta_at)})


class StatusView(TrackingView):
    permission_classes = (require_roles(*STORE_ROLES, Role.RIDER),)

    @extend_schema(request=StatusBody, responses=OrderTracking, operation_id="tracking_status", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Take the next step of the order's life. The status that already is may be sent again: it changes nothing.

        Stores and storefronts: STORE_ACKNOWLEDGED, PICKING_IN_PROGRESS (while the customer is asked: the proposals are
        taken back), READY_FOR_PICKUP, CANCELLED, and FAILED (the store refuses). Riders, on the spot:
        DRIVER_PICKUP_COMPLETE, IN_TRANSIT, DELIVERED. Ops: a store's, and DELIVERY_FAILED.
        """
        wish = read_body(StatusBody, request.data)
        order, target = self.visible_order(order_id), STATUSES[wish["status"]]
        if self.signed_in_user.role == Role.RIDER:
            self._take_rider_step(order, target, wish["claim"])
        elif target == OrderStatus.DELIVERY_FAILED and self.signed_in_user.role in OPS_ROLES:
            ops_actions.fail_delivery(order.pk, wish["reason"], by=self.request_cause)
        else:
            status_steps.set_status(
                order.pk, target, by=self.request_cause, role=Role(self.signed_in_user.role), reason=wish["reason"]
            )
        return self.order_response(order)

    def _take_rider_step(self, order: Order, target: OrderStatus, claim: PositionFix | None) -> None:
        if target not in RIDER_STATUSES:
            raise Forbidden(f"A rider may not set an order to {target.upper()}")
        rider_steps.take_step(
            order.pk,
            riders_rows.rider_of_user(self.signed_in_user),
            RIDER_STATUSES[target],
            claim,
            by=self.request_cause,
        )


class AcknowledgeView(TrackingView):
    permission_classes = (require_roles(*STORE_ROLES),)

    @extend_schema(request=AcknowledgeBody, responses=OrderTracking, operation_id="tracking_acknowledge", tags=TAGS)
    def post(self, request: Request, order_id: str) -> Response:
        """The store takes the order, and may say how many minutes it needs. Doing it twice is doing it once."""
        prep_minutes = read_body(AcknowledgeBody, request.data)["prep_minutes"]
        order = self.visible_order(order_id)
        status_steps.acknowledge_for_store(order.pk, prep_minutes, by=self.request_cause)
        return self.order_response(order)


class SubstitutionsView(TrackingView):
    permission_classes = (require_roles(*STORE_ROLES, Role.CUSTOMER),)

    @extend_schema(
        request=SubstitutionsBody,
        responses=OrderTracking,
        operation_id="tracking_substitutions",
        tags=TAGS,
    )
    def put(self, request: Request, order_id: str) -> Response:
        """What the store has not got. While it is picking, it sends `proposals`: a replacement for an item, or none.
        The customer sends `decisions`, as the storefront and ops may for them; silence until `decide_by` follows
        `substitution_preference`. Saying the same again changes nothing.

        409 ALREADY_DECIDED, ALREADY_PROPOSED or LEFT_OUT when something else was said before.
        """
        order = self.visible_order(order_id)
        body = SubstitutionsBody(data=request.data)
        body.is_valid(raise_exception=True)
        if proposals := body.list_proposals():
            if self.signed_in_user.role == Role.CUSTOMER:
                raise Forbidden("A customer may not propose")
            substitutions.propose_substitutions(order.pk, proposals, by=self.request_cause)
        else:
            if self.signed_in_user.role == Role.STORE_STAFF:
                raise Forbidden("A store may not decide for the customer")
            how = Substitution.How.OPS if self.signed_in_user.role in OPS_ROLES else Substitution.How.API
            substitutions.decide_substitutions(order.pk, body.list_decisions(), how=how, by=self.request_cause)
        return self.order_response(order)


class DriverView(TrackingView):
    permission_classes = (require_roles(Role.RIDER, *OPS_ROLES),)

    @extend_schema(request=DriverBody, responses=OrderTracking, operation_id="tracking_driver", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Who carries the order. Ops may give it to another rider before it is fetched (`driver_id`); the rider who
        carries it may say how they travel and which phone reaches them."""
        body = read_body(DriverBody, request.data)
        order, rider_id = self.visible_order(order_id), body.pop("driver_id", None)
        if self.signed_in_user.role == Role.RIDER:
            if rider_id is not None:
                raise Forbidden("Only ops may name another driver")
            ops_actions.describe_driver(
                order.pk, body, by=self.request_cause, rider=riders_rows.rider_of_user(self.signed_in_user)
            )
        else:
            if rider_id is not None:
                ops_actions.give_to(order.pk, rider_id, by=self.request_cause)
            if body:
                ops_actions.describe_driver(order.pk, body, by=self.request_cause)
        return self.order_response(order)


class LocationView(TrackingView):
    permission_classes = (require_roles(Role.RIDER),)

    @extend_schema(request=LocationBody, responses=OrderTracking, operation_id="tracking_location", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Where the rider who carries the order is. An impossible or old position is answered, and not believed."""
        body = read_body(LocationBody, request.data)
        order = self.visible_order(order_id)
        recorded_at = body["recorded_at"] or clock.now()
        seen = PositionFix(geo.Point(body["lat"], body["lng"]), recorded_at, body["accuracy"])
        location_reports.take_report(riders_rows.rider_of_user(self.signed_in_user), [seen])
        return self.order_response(order)


class DeliveredView(TrackingView):
    permission_classes = (require_roles(Role.RIDER, *OPS_ROLES),)

    @extend_schema(request=DeliveredBody, responses=OrderTracking, operation_id="tracking_delivered", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Handed over. Riders: within 100 m of the customer, as in the riders' API. Ops: with a `reason`."""
        body = read_body(DeliveredBody, request.data)
        order = self.visible_order(order_id)
        if self.signed_in_user.role == Role.RIDER:
            rider = riders_rows.rider_of_user(self.signed_in_user)
            rider_steps.take_step(order.pk, rider, DeliveryStatus.DELIVERED, body["claim"], by=self.request_cause)
        else:
            ops_actions.confirm_delivery(order.pk, body["reason"], by=self.request_cause)
        return self.order_response(order)


class RatingView(TrackingView):
    permission_classes = (require_roles(Role.CUSTOMER, Role.STOREFRONT),)

    @extend_schema(request=RatingBody, responses={201: RatingShown}, operation_id="tracking_rate", tags=TAGS)
    def post(self, request: Request, order_id: str) -> Response:
        """What the customer thinks of the delivery: 1 to 5 stars and a word. Once; 409 before it was delivered."""
        body = read_body(RatingBody, request.data)
        order = self.visible_order(order_id)
        rating = ratings.rate_delivery(order.pk, body["stars"], body["comment"], by=self.request_cause)
        return Response(RatingShown(rating).data, status=201)
