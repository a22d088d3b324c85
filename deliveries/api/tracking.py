"""`/orders/tracking/…` (SPEC T1, O4): the contract's eight endpoints, and one for ratings.

Who may do what: storefronts place, cancel and speak for the stores of their own orders; store staff take their store's
orders through the store's states; riders carry their own, under the same checks as in the riders' API; customers look,
and answer what the store proposes; ops may do all of it but pretend to be on the spot.
"""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deliveries import access, by_ops, location, ratings, rider_steps, store_steps
from deliveries.api import etags
from deliveries.api.tracking_bodies import (
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
from deliveries.lifecycle import DeliveryStatus
from deliveries.selectors import Tracking
from foundation import clock, geo, idempotency
from foundation.api.permissions import roles
from foundation.errors import Forbidden
from foundation.events import Cause
from foundation.models import OPS_ROLES, Role, User
from orders import placing, substitutions
from orders.lifecycle import OrderStatus
from orders.models import Order, Substitution
from riders import rows as riders_rows
from riders.api.envelope import read
from riders.positions import Seen

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
    def user(self) -> User:
        return self.request.user  # type: ignore[return-value]

    @property
    def by(self) -> Cause:
        if self.user.role == Role.RIDER:
            return Cause(f"rider:{riders_rows.of(self.user).pk}", "api")
        return Cause(f"user:{self.user.pk}", "api")

    def order(self, order_id: str) -> Order:
        return access.visible_order(self.user, order_id)

    def answer(self, order: Order) -> Response:
        """The order as it is now."""
        fresh = Order.objects.select_related("store", "customer").get(pk=order.pk)
        return Response(OrderTracking(Tracking(fresh, self.user)).data)


class InitView(TrackingView):
    permission_classes = (roles(Role.STOREFRONT),)

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
        fingerprint = idempotency.fingerprint("POST", request.path, etags.canonical(request.data))
        placed = placing.place(self.user, body.placement(), key, fingerprint)
        shown = PlacedOrder(Tracking(placed.order, self.user)).data
        return Response(shown, status=201 if placed.created else 200)


class OrderView(TrackingView):
    @extend_schema(
        responses={200: OrderTracking, 304: etags.NOT_MODIFIED},
        parameters=[etags.IF_NONE_MATCH],
        operation_id="tracking_get",
        tags=TAGS,
    )
    def get(self, request: Request, order_id: str) -> Response:
        """The order as it stands, its history, who carries it and, while it is on its way, where. Has an ETag."""
        order = self.order(order_id)
        shown = OrderTracking(Tracking(order, self.user)).data
        return etags.answer(request, shown, instead={"eta": clock.wire(order.eta_at)})


class StatusView(TrackingView):
    permission_classes = (roles(*STORE_ROLES, Role.RIDER),)

    @extend_schema(request=StatusBody, responses=OrderTracking, operation_id="tracking_status", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Take the next step of the order's life. The status that already is may be sent again: it changes nothing.

        Stores and storefronts: STORE_ACKNOWLEDGED, PICKING_IN_PROGRESS (while the customer is asked: the proposals are
        taken back), READY_FOR_PICKUP, CANCELLED, and FAILED (the store refuses). Riders, on the spot:
        DRIVER_PICKUP_COMPLETE, IN_TRANSIT, DELIVERED. Ops: a store's, and DELIVERY_FAILED.
        """
        wish = read(StatusBody, request.data)
        order, target = self.order(order_id), STATUSES[wish["status"]]
        if self.user.role == Role.RIDER:
            self._ride(order, target, wish["claim"])
        elif target == OrderStatus.DELIVERY_FAILED and self.user.role in OPS_ROLES:
            by_ops.fail(order.pk, wish["reason"], by=self.by)
        else:
            store_steps.take(order.pk, target, by=self.by, role=Role(self.user.role), reason=wish["reason"])
        return self.answer(order)

    def _ride(self, order: Order, target: OrderStatus, claim: Seen | None) -> None:
        if target not in RIDER_STATUSES:
            raise Forbidden(f"A rider may not set an order to {target.upper()}")
        rider_steps.take(order.pk, riders_rows.of(self.user), RIDER_STATUSES[target], claim, by=self.by)


class AcknowledgeView(TrackingView):
    permission_classes = (roles(*STORE_ROLES),)

    @extend_schema(request=AcknowledgeBody, responses=OrderTracking, operation_id="tracking_acknowledge", tags=TAGS)
    def post(self, request: Request, order_id: str) -> Response:
        """The store takes the order, and may say how many minutes it needs. Doing it twice is doing it once."""
        prep_minutes = read(AcknowledgeBody, request.data)["prep_minutes"]
        order = self.order(order_id)
        store_steps.acknowledge(order.pk, prep_minutes, by=self.by)
        return self.answer(order)


class SubstitutionsView(TrackingView):
    permission_classes = (roles(*STORE_ROLES, Role.CUSTOMER),)

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
        order = self.order(order_id)
        body = SubstitutionsBody(data=request.data)
        body.is_valid(raise_exception=True)
        if proposals := body.proposed():
            if self.user.role == Role.CUSTOMER:
                raise Forbidden("A customer may not propose")
            substitutions.propose(order.pk, proposals, by=self.by)
        else:
            if self.user.role == Role.STORE_STAFF:
                raise Forbidden("A store may not decide for the customer")
            how = Substitution.How.OPS if self.user.role in OPS_ROLES else Substitution.How.API
            substitutions.decide(order.pk, body.decided(), how=how, by=self.by)
        return self.answer(order)


class DriverView(TrackingView):
    permission_classes = (roles(Role.RIDER, *OPS_ROLES),)

    @extend_schema(request=DriverBody, responses=OrderTracking, operation_id="tracking_driver", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Who carries the order. Ops may give it to another rider before it is fetched (`driver_id`); the rider who
        carries it may say how they travel and which phone reaches them."""
        body = read(DriverBody, request.data)
        order, rider_id = self.order(order_id), body.pop("driver_id", None)
        if self.user.role == Role.RIDER:
            if rider_id is not None:
                raise Forbidden("Only ops may name another driver")
            by_ops.describe_driver(order.pk, body, by=self.by, rider=riders_rows.of(self.user))
        else:
            if rider_id is not None:
                by_ops.give_to(order.pk, rider_id, by=self.by)
            if body:
                by_ops.describe_driver(order.pk, body, by=self.by)
        return self.answer(order)


class LocationView(TrackingView):
    permission_classes = (roles(Role.RIDER),)

    @extend_schema(request=LocationBody, responses=OrderTracking, operation_id="tracking_location", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Where the rider who carries the order is. An impossible or old position is answered, and not believed."""
        body = read(LocationBody, request.data)
        order = self.order(order_id)
        recorded_at = body["recorded_at"] or clock.now()
        seen = Seen(geo.Point(body["lat"], body["lng"]), recorded_at, body["accuracy"])
        location.report(riders_rows.of(self.user), [seen])
        return self.answer(order)


class DeliveredView(TrackingView):
    permission_classes = (roles(Role.RIDER, *OPS_ROLES),)

    @extend_schema(request=DeliveredBody, responses=OrderTracking, operation_id="tracking_delivered", tags=TAGS)
    def put(self, request: Request, order_id: str) -> Response:
        """Handed over. Riders: within 100 m of the customer, as in the riders' API. Ops: with a `reason`."""
        body = read(DeliveredBody, request.data)
        order = self.order(order_id)
        if self.user.role == Role.RIDER:
            rider = riders_rows.of(self.user)
            rider_steps.take(order.pk, rider, DeliveryStatus.DELIVERED, body["claim"], by=self.by)
        else:
            by_ops.deliver(order.pk, body["reason"], by=self.by)
        return self.answer(order)


class RatingView(TrackingView):
    permission_classes = (roles(Role.CUSTOMER, Role.STOREFRONT),)

    @extend_schema(request=RatingBody, responses={201: RatingShown}, operation_id="tracking_rate", tags=TAGS)
    def post(self, request: Request, order_id: str) -> Response:
        """What the customer thinks of the delivery: 1 to 5 stars and a word. Once; 409 before it was delivered."""
        body = read(RatingBody, request.data)
        order = self.order(order_id)
        rating = ratings.rate(order.pk, body["stars"], body["comment"], by=self.by)
        return Response(RatingShown(rating).data, status=201)
