"""What a channel must offer. Adding one: a module here, and one line in `notifications/channels/__init__.py`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from django.conf import settings

from notifications.models import Recipient

TIMEOUT_S = 10.0
NO_ADDRESS = "no address"


@dataclass(frozen=True)
class RenderedMessage:
    """What is to be said, in the recipient's language. `data` is for apps; `public_id` names the message to providers
    (it comes back in their status reports); `reference` and `attempt` go into the record of the call.

    For providers that keep templates of their own: `registered_as` names it, `language` is the one the words are in,
    `blanks` are the values in the blanks of its body, in their order. `text_override` is the row of the text; None:
    they are built in.
    """

    public_id: UUID
    reference: str
    attempt: int
    title: str
    body: str
    data: Mapping[str, str]
    registered_as: str = ""
    language: str = "en"
    blanks: Sequence[str] = ()
    text_override: int | None = None


class Channel(ABC):
    """One way to reach people, by one provider's own SDK, every call with a time-out and kept as an OutboundCall.

    `needs` are the settings without which the channel is off. `resend_unknown`: whether a message is sent again when
    nobody knows if the first try arrived (at least once), or never (at most once); each module says why.

    `longest` is how many characters of a body it takes, `titled` whether it carries a title, `approved_only` whether
    nothing goes out by it but words that its provider has approved.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    resend_unknown: ClassVar[bool]
    longest: ClassVar[int] = 4_000
    titled: ClassVar[bool] = True
    approved_only: ClassVar[bool] = False

    def missing_settings(self) -> list[str]:
        return [name for name in self.needs if not getattr(settings, name)]

    def is_enabled(self) -> bool:
        return not self.missing_settings()

    @abstractmethod
    def addresses_of(self, recipient: Recipient) -> list[str]:
        """Where `recipient` can be reached by this channel; empty: nowhere."""

    def why_not(self, recipient: Recipient) -> str:
        """Why there is no address, for those who ask why nothing came."""
        return NO_ADDRESS

    def count_parts(self, rendered: RenderedMessage) -> int:
        """How often the price of one message is charged for this message (MESSAGE_PRICES)."""
        return 1

    @abstractmethod
    def send_message(self, rendered: RenderedMessage, to: Sequence[str]) -> str:
        """Hand the rendered message to the provider; returns the provider's id for it.

        Raises Permanent (this provider will never carry it), Transient (not now), Unknown (perhaps it did).
        """
