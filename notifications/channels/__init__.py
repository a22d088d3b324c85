"""The channels, by name. One line each."""

from notifications.channels.base import Channel
from notifications.channels.email import Email
from notifications.channels.push import Push
from notifications.channels.sms import Sms
from notifications.channels.whatsapp import WhatsApp

CHANNELS: dict[str, Channel] = {channel.name: channel for channel in (Push(), WhatsApp(), Sms(), Email())}
