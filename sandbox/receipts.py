"""What becomes of a message after it was taken, and how its provider tells: shared by SendGrid, Twilio and WhatsApp.

Each address has a fate, set by the control API (PUT /_control/{provider}/fates), or the provider's own ("*"):
`outcome` is a word of the provider's `stories`, `delay_s` lies between its steps, `out_of_order` tells them backwards,
`repeats` tells each so many times more, and `silent` tells nothing at all. Without a word from anybody every message
is delivered, told at a small delay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control
from sandbox.engine.http import BadRequest, number
from sandbox.engine.provider import Action, Provider, Route
from sandbox.engine.store import Transaction

EVERYBODY = "*"
ACTION = "receipt"
FIRST = {"outcome": "delivered", "delay_s": 0.2, "out_of_order": False, "repeats": 0, "silent": False}
TOO_MANY = "too_many"  # the call itself is answered 429
RETRY_AFTER_S = (5.0, 30.0, 120.0, 600.0, 3600.0)  # shorter than the real plans, which take up to a day


class Telling:
    """The fates of one provider's messages. `stories`: outcome -> the words told one after another.

    `refusals` are outcomes by which the call itself is refused, and nothing is told.
    """

    def __init__(
        self,
        provider: str,
        stories: Mapping[str, Sequence[str]],
        tell: Callable[[Transaction, dict[str, Any], str], None],
        refusals: Sequence[str] = (),
    ) -> None:
        self.provider = provider
        self.stories = stories
        self.refusals = (*refusals, TOO_MANY)
        self._tell = tell

    @property
    def kind(self) -> str:
        return f"{self.provider}.fate"

    def fate(self, tx: Transaction, address: str) -> dict[str, Any]:
        return FIRST | (tx.get(self.kind, EVERYBODY) or {}) | (tx.get(self.kind, address) or {})

    def refusal(self, tx: Transaction, address: str) -> str:
        """The outcome by which a call to this address is refused; "" lets it in."""
        outcome = str(self.fate(tx, address)["outcome"])
        return outcome if outcome in self.refusals else ""

    def follow(self, tx: Transaction, address: str, message: dict[str, Any], outcome: str = "") -> None:
        """Tell, step by step, what becomes of a message that was just taken."""
        fate = self.fate(tx, address)
        if fate["silent"]:
            return
        words = list(self.stories.get(outcome or str(fate["outcome"]), ()))
        if fate["out_of_order"]:
            words.reverse()
        for step, word in enumerate(words, start=1):
            for _ in range(1 + int(fate["repeats"])):
                runtime.current().dispatcher.schedule(
                    tx,
                    self.provider,
                    ACTION,
                    subject=str(message["id"]),
                    payload={"message": message, "word": word},
                    due_at=tx.now + step * float(fate["delay_s"]),
                )

    # --- what the provider hangs in ---

    def actions(self) -> Mapping[str, Action]:
        return {ACTION: lambda tx, payload: self._tell(tx, payload["message"], payload["word"])}

    def control_routes(self) -> Iterable[Route]:
        return (Route("PUT", "fates", self._set_fate()),)

    def _set_fate(self) -> Any:
        @control
        def set_fate(request: HttpRequest) -> dict[str, Any]:
            """{"to": address or "*", "outcome", "delay_s", "out_of_order", "repeats", "silent"}"""
            body = body_of(request)
            address = body.get("to", EVERYBODY)
            outcome = body.get("outcome", FIRST["outcome"])
            if not isinstance(address, str) or not address:
                raise BadRequest("to", "must be an address, or *")
            if outcome not in (*self.stories, *self.refusals):
                raise BadRequest("outcome", f"one of {', '.join((*self.stories, *self.refusals))}")
            fate = {
                "outcome": outcome,
                "delay_s": number(body, "delay_s", float(str(FIRST["delay_s"]))),
                "repeats": int(number(body, "repeats", 0)),
                "out_of_order": body.get("out_of_order") is True,
                "silent": body.get("silent") is True,
            }
            with runtime.current().store.transaction() as tx:
                tx.put(self.kind, address, fate)
            return {"to": address, **fate}

        return set_fate


class Teller(Provider):
    """A provider that tells what became of what it was given."""

    signs_webhooks = True
    telling: Telling

    def actions(self) -> Mapping[str, Action]:
        return self.telling.actions()

    def control_routes(self) -> Iterable[Route]:
        return self.telling.control_routes()

    def retry_delay_s(self, tries: int) -> float | None:
        return RETRY_AFTER_S[tries - 1] if tries <= len(RETRY_AFTER_S) else None
