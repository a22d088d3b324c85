"""What a provider is to the rest of the sandbox. A new one is a package under `sandbox/providers/` whose class fills
this in, and one line in `sandbox/providers/__init__.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, JsonResponse

from sandbox.engine.faults import Fault
from sandbox.engine.store import Index, Transaction

View = Callable[..., HttpResponse]
Action = Callable[[Transaction, dict[str, Any]], None]


@dataclass(frozen=True)
class Route:
    """`path` is Django's path syntax, relative to the provider's prefix, without a leading slash."""

    method: str
    path: str
    view: View


@dataclass(frozen=True)
class Panel:
    """A table on the desk page."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class Provider:
    """Base class; every attribute and method below may be overridden.

    `list_actions` are named things that happen later by themselves (a kitchen accepts, an account is verified); they
    are rows in the store, so they survive a restart.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    signs_webhooks: ClassVar[bool] = False
    indexes: ClassVar[Sequence[Index]] = ()

    def list_routes(self) -> Iterable[Route]:
        raise NotImplementedError

    def control_routes(self) -> Iterable[Route]:
        """Mounted at /_control/{name}/."""
        return ()

    def list_actions(self) -> Mapping[str, Action]:
        return {}

    def check_credentials(self, request: HttpRequest) -> HttpResponse | None:
        """The refusal this provider answers to wrong credentials, or None to let the call in."""
        raise NotImplementedError

    def wrap_call(self, request: HttpRequest, execute: Callable[[], HttpResponse], fault: Fault | None) -> HttpResponse:
        """Wraps the execution of a call, its `fault` included; where Stripe keeps idempotency keys."""
        return execute()

    def failure_response(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        """An error in this provider's own shape: its 500, its 404 for unknown URLs, its 405."""
        return JsonResponse({"error": message}, status=status)

    def sign_webhook(self, signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
        """Headers that sign a webhook, made anew for every try. `signer` is what the sender stored with it."""
        return {}

    def retry_delay_s(self, tries: int) -> float | None:
        """How long after the n-th failed try the webhook is sent again; None gives up."""
        return None

    def list_panels(self, tx: Transaction) -> Iterable[Panel]:
        return ()


class Messenger(Provider):
    """A provider that brings people messages on one `channel`, and what can be played with it by hand on the pages."""

    channel: ClassVar[str]
    hears: ClassVar[bool] = False  # whether people can answer

    def can_reach(self, address: str) -> bool:
        """Whether this is an address on its channel: a phone number, unless a messenger says otherwise."""
        return address.startswith("+")

    def playable_outcomes(self, tx: Transaction, message: dict[str, Any]) -> Mapping[str, str]:
        """What can be played with this message: word -> label of its button."""
        raise NotImplementedError

    def play_outcome(self, tx: Transaction, message: dict[str, Any], word: str) -> None:
        raise NotImplementedError

    def take_answer(self, tx: Transaction, address: str, text: str) -> None:
        """The person at `address` answers."""
        raise NotImplementedError

    @property
    def outcome_names(self) -> Sequence[str]:
        """The words for what may become of messages from now on."""
        raise NotImplementedError

    def fate_of(self, tx: Transaction, address: str) -> str:
        """The outcome that waits for the next message to `address`."""
        raise NotImplementedError

    def decide_outcome(self, tx: Transaction, address: str, wish: dict[str, Any]) -> None:
        """From now on: `wish` holds an `outcome` and how it is told. Raises BadRequest."""
        raise NotImplementedError
