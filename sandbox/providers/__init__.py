"""The providers that the sandbox plays. A new one: a package here, and one line in the list."""

from sandbox.engine.provider import Provider
from sandbox.providers.cooco import Cooco
from sandbox.providers.doordash import DoorDash
from sandbox.providers.fcm import Fcm
from sandbox.providers.petpooja import PetPooja
from sandbox.providers.sendgrid import SendGrid
from sandbox.providers.stripe import Stripe
from sandbox.providers.twilio import Twilio
from sandbox.providers.uber import Uber
from sandbox.providers.whatsapp import WhatsApp

PROVIDERS: list[Provider] = [
    Stripe(),
    PetPooja(),
    Cooco(),
    Uber(),
    DoorDash(),
    Fcm(),
    SendGrid(),
    Twilio(),
    WhatsApp(),
]
