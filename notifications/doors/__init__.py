"""Where message providers tell what became of what they took: /webhooks/{sendgrid,twilio,whatsapp}.

One more is one module here and one line in `doors`.
"""

from foundation.webhook import Door
from notifications.doors.sendgrid import SendGridDoor
from notifications.doors.twilio import TwilioDoor
from notifications.doors.whatsapp import WhatsAppDoor


def doors() -> list[Door]:
    """All of them, whether they are configured or not: those that are not answer 503."""
    return [SendGridDoor(), TwilioDoor(), WhatsAppDoor()]
