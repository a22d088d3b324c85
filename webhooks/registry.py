"""Every provider that may tell us something: doors at /webhooks/{provider}, and readers of what was stored.

One more provider is one module in the room that uses it, and one line here.
"""

from functools import cache

from deliveries import courier_doors
from foundation.webhook import Door, Reader
from notifications import doors as message_doors
from webhooks.petpooja import PetPoojaReader
from webhooks.stripe import StripeDoor


@cache
def doors() -> dict[str, Door]:
    """By the word in their URL."""
    return {door.provider: door for door in (StripeDoor(), *courier_doors.doors(), *message_doors.doors())}


@cache
def readers() -> dict[str, Reader]:
    """By the provider of a stored event: all doors, and PetPooja, whose door is /pp_callback/{slug}/."""
    return {**doors(), PetPoojaReader.provider: PetPoojaReader()}
