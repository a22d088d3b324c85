"""SMS by Twilio.

Documented at twilio.com/docs/messaging/api/message-resource; authentication and errors in notifications/twilio.py. Form
bodies; 201 with `sid`, status `queued`. No idempotency key, bodies up to 1,600 characters.

At most once: an SMS whose fate is unknown is not sent again. Each one costs money and buzzes in a pocket, Twilio cannot
be asked to recognise a repetition, and the next channel of the ladder still tells the person. A worker that dies while
an SMS is under way counts as unknown too (notifications/sending.py notes the channel before it sends).
"""

from collections.abc import Sequence

from django.conf import settings

from foundation.errors import CallFailed
from foundation.http import CallRecord
from notifications import addresses, lengths, twilio
from notifications.channels.base import Channel, Letter
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
    needs = twilio.CREDENTIALS
    resend_unknown = False
    longest = 800  # emoji count twice towards the provider's 1,600
    titled = False

    def addresses(self, recipient: Recipient) -> list[str]:
        return [recipient.phone] if recipient.phone.startswith("+") else []

    def parts(self, letter: Letter) -> int:
        return lengths.sms(letter.body[: self.longest]).segments

    def send(self, letter: Letter, to: Sequence[str]) -> str:
        form = {
            "to": to[0],
            "from_": settings.TWILIO_FROM_NUMBER,
            "body": letter.body[: self.longest],
            "status_callback": f"{settings.PUBLIC_URL}{CALLBACK}{letter.public_id}",
        }
        record = CallRecord(
            "twilio",
            "sms.send",
            letter.reference,
            url=twilio.address_of("Messages"),
            attempt=letter.attempt,
            request={"to": form["to"], "from": form["from_"], "body": form["body"]},
        )
        try:
            return twilio.create("messages", record, form)
        except CallFailed as failure:
            if reason := RETIRING.get(twilio.code_of(failure)):
                addresses.retire(self.name, to[0], reason, detail=twilio.code_of(failure))
            raise
