"""The addresses of this room; config/urls.py includes them."""

from django.urls import path

from deliveries.api import live, rider_location, rider_orders, tracking

urlpatterns = [
    path("api/v1/rider/orders", rider_orders.OrdersView.as_view(), name="rider-orders"),
    path("api/v1/rider/orders/<str:order_id>", rider_orders.OrderView.as_view(), name="rider-order"),
    path("api/v1/rider/orders/<str:order_id>/accept", rider_orders.AcceptView.as_view(), name="rider-accept"),
    path("api/v1/rider/orders/<str:order_id>/reject", rider_orders.RejectView.as_view(), name="rider-reject"),
    path("api/v1/rider/orders/<str:order_id>/status", rider_orders.StatusView.as_view(), name="rider-status"),
    path("api/v1/rider/location", rider_location.LocationView.as_view(), name="rider-location"),
    path("api/v1/live/stores/<str:store_id>", live.StoreOrdersView.as_view(), name="live-store"),
    path("api/v1/live/stores/<str:store_id>/ticket", live.StoreTicketView.as_view(), name="live-store-ticket"),
    path("api/v1/live/orders/<str:order_id>/ticket", live.OrderTicketView.as_view(), name="live-order-ticket"),
    path("orders/tracking/init", tracking.InitView.as_view(), name="tracking-init"),
    path("orders/tracking/<str:order_id>", tracking.OrderView.as_view(), name="tracking"),
    path("orders/tracking/<str:order_id>/status", tracking.StatusView.as_view(), name="tracking-status"),
    path("orders/tracking/<str:order_id>/acknowledge", tracking.AcknowledgeView.as_view(), name="tracking-acknowledge"),
    path(
        "orders/tracking/<str:order_id>/substitutions",
        tracking.SubstitutionsView.as_view(),
        name="tracking-substitutions",
    ),
    path("orders/tracking/<str:order_id>/driver", tracking.DriverView.as_view(), name="tracking-driver"),
    path("orders/tracking/<str:order_id>/location", tracking.LocationView.as_view(), name="tracking-location"),
    path("orders/tracking/<str:order_id>/delivered", tracking.DeliveredView.as_view(), name="tracking-delivered"),
    path("orders/tracking/<str:order_id>/rating", tracking.RatingView.as_view(), name="tracking-rating"),
]
