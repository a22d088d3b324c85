"""SMS by Twilio.

Documented at twilio.com/docs/messaging/api/message-resource; authentication and errors in
notifications/channels/twilio_client.py. Form bodies; 201 with `sid`, status `queued`. No idempotency key, bodies up to
1,600 characters.

At most once: an SMS whose fate is unknown is not sent again. Each one costs money and buzzes in a pocket, Twilio cannot
be asked to recognise a repetition, and the next channel of the ladder still tells the person. A worker that dies while
an SMS is under way counts as unknown too (notifications/outbox/delivery.py notes the channel before it sends).
"""

from collections.abc import Sequence

from django.conf import settings

from foundation.errors import CallFailed
from foundation.http import CallRecord
from notifications.channels import sms_segments, twilio_client
from notifications.channels.base import Channel, RenderedMessage
from notifications.contacts import suppressions
from notifications.models import Recipient

CALLBACK = "/webhooks/twilio?message="  # names the message, for a callback may come before we know Twilio's id
RETIRING = {  # what an error says of the number, and will say again (twilio.com/docs/api/errors)
    "21211": "not a phone number",
    "21610": "unsubscribed",
    "21614": "not a mobile number",
    "30004": "blocked",
    "30005": "unknown number",
    "30006": "landline or unreachable carrier",
}


class Sms(Channel):
    name = "sms"
    needs = twilio_client.CREDENTIALS
    resend_unknown = False
    longest = 800  # emoji count twice towards the provider's 1,600
    titled = False

    def addresses_of(self, recipient: Recipient) -> list[str]:
        return [recipient.phone] if recipient.phone.startswith("+") else []

    def count_parts(self, rendered: RenderedMessage) -> int:
        return sms_segments.measure_sms(rendered.body[: self.longest]).segments

    def send_message(self, rendered: RenderedMessage, to: Sequence[str]) -> str:
        form = {
            "to": to[0],
            "from_": settings.TWILIO_FROM_NUMBER,
            "body": rendered.body[: self.longest],
            "status_callback": f"{settings.PUBLIC_URL}{CALLBACK}{rendered.public_id}",
        }
        record = CallRecord(
            "twilio",
            "sms.send",
            rendered.reference,
            url=twilio_client.address_of("Messages"),
            attempt=rendered.attempt,
            request={"to": form["to"], "from": form["from_"], "body": form["body"]},
        )
        try:
            return twilio_client.create_resource("messages", record, form)
        except CallFailed as failure:
            if reason := RETIRING.get(twilio_client.code_of(failure)):
                suppressions.suppress_address(self.name, to[0], reason, detail=twilio_client.code_of(failure))
            raise
