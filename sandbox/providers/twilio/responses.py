"""What messages and calls share: numbers, those that test credentials refuse, and the shape of a refusal."""

from __future__ import annotations

import re

from django.http import HttpResponse

from sandbox.engine.http import json_answer

NUMBER = re.compile(r"\+[1-9]\d{6,14}")
MAGIC_TO = {
    "+15005550001": (21211, "Invalid 'To' Phone Number: +15005550001"),
    "+15005550002": (21612, "Message cannot be sent with the current combination of 'To' and 'From' parameters"),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region"),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number is not a valid mobile number"),
}
MAGIC_FROM = {
    "+15005550001": (21212, "Invalid 'From' Phone Number: +15005550001"),
    "+15005550007": (21606, "The 'From' phone number is not a valid message-capable Twilio phone number"),
    "+15005550008": (21611, "This 'From' number has exceeded the maximum number of queued messages"),
}


def error_response(code: int, message: str, *, status: int = 400) -> HttpResponse:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return json_answer({"code": code, "message": message, "more_info": more_info, "status": status}, status=status)
