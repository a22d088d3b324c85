"""What every courier company must do: `class TestCooco(CourierContract)` inherits all of it."""

from tests.deliveries.couriers.call_cases import CallCases
from tests.deliveries.couriers.webhook_cases import WebhookEndpointCases


class CourierContract(WebhookEndpointCases, CallCases):
    """Its webhooks (door_cases.py) and our calls to it (call_cases.py). The subclass gives the facts both ask for."""

    def event_type(self, payload):
        (notice,) = self.company.list_events(payload, None)
        return notice.event_type
