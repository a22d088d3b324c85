"""Where message providers tell what became of what they took: /webhooks/{sendgrid,twilio,whatsapp}.

One more is one module here and one line in `webhook_providers`.
"""

from foundation.webhook import WebhookProvider
from notifications.webhooks.sendgrid import SendGridWebhooks
from notifications.webhooks.twilio import TwilioWebhooks
from notifications.webhooks.whatsapp import WhatsAppWebhooks


def webhook_providers() -> list[WebhookProvider]:
    """All of them, whether they are configured or not: those that are not answer 503."""
    return [SendGridWebhooks(), TwilioWebhooks(), WhatsAppWebhooks()]
