"""`/api/v1/live/…` (SPEC T2): a store's orders for those who ask, and tickets for those who would rather be told."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deliveries import permissions
from deliveries.api import etags
from deliveries.api.live_serializers import SocketTicket, StoreOrdersShown
from deliveries.realtime import tickets
from deliveries.realtime.tickets import TicketClaims
from foundation.api.permissions import require_roles
from foundation.models import User
from orders.stores import open_orders

TAGS = ["live"]


class LiveView(APIView):
    permission_classes: Any = (IsAuthenticated,)

    @property
    def signed_in_user(self) -> User:
        return self.request.user  # type: ignore[return-value]

    def ticket_response(self, path: str) -> Response:
        ends_at = float(self.request.auth["exp"])  # type: ignore[index]
        url = tickets.url_of(TicketClaims(path, self.signed_in_user.pk, ends_at))
        return Response(SocketTicket({"url": url, "expires_in": tickets.TICKET_S}).data)


class StoreOrdersView(LiveView):
    permission_classes = (require_roles(*permissions.STORE_ROLES),)

    @extend_schema(
        responses={200: StoreOrdersShown, 304: etags.NOT_MODIFIED},
        parameters=[etags.IF_NONE_MATCH],
        operation_id="live_store_orders",
        tags=TAGS,
    )
    def get(self, request: Request, store_id: str) -> HttpResponse:
        """The store's orders that are paid and not over, the most urgent first; storefronts see their own. Has an
        ETag: what the store's socket begins with, for those who cannot hold one open."""
        store = permissions.visible_store(self.signed_in_user, store_id)
        found = open_orders.list_open_orders(store, permissions.own_orders_only(self.signed_in_user))
        return etags.answer_with_etag(request, StoreOrdersShown(found).data)


class StoreTicketView(LiveView):
    permission_classes = (require_roles(*permissions.STORE_ROLES),)

    @extend_schema(request=None, responses=SocketTicket, operation_id="live_store_ticket", tags=TAGS)
    def post(self, request: Request, store_id: str) -> Response:
        """Where the socket of this store's orders is. It ends with the token that you ask with."""
        return self.ticket_response(f"/ws/stores/{permissions.visible_store(self.signed_in_user, store_id).slug}")


class OrderTicketView(LiveView):
    @extend_schema(request=None, responses=SocketTicket, operation_id="live_order_ticket", tags=TAGS)
    def post(self, request: Request, order_id: str) -> Response:
        """Where the socket of this order is. It ends with the token that you ask with."""
        return self.ticket_response(f"/ws/orders/{permissions.visible_order(self.signed_in_user, order_id).public_id}")
