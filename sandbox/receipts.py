"""What becomes of a message after it was taken, and how its provider tells: shared by SendGrid, Twilio and WhatsApp.

Each address has a fate, set by the control API (PUT /_control/{provider}/fates) or on the pages, or the provider's own
("*"): `outcome` is a word of the provider's `stories`, `delay_s` lies between its steps, `out_of_order` tells them
backwards, `repeats` tells each so many times more, and `silent` tells nothing at all. Without a word from anybody every
message is delivered, told at a small delay. By hand any word can be told of a message that was taken (`play`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control
from sandbox.engine.http import BadRequest, number
from sandbox.engine.inbox import ARRIVED, LOST
from sandbox.engine.provider import Action, Messenger, Route
from sandbox.engine.store import Transaction

EVERYBODY = "*"
ACTION = "receipt"
FIRST = {"outcome": "delivered", "delay_s": 0.2, "out_of_order": False, "repeats": 0, "silent": False}
TOO_MANY = "too_many"  # the call itself is answered 429
RETRY_AFTER_S = (5.0, 30.0, 120.0, 600.0, 3600.0)  # shorter than the real plans, which take up to a day


class Telling:
    """The fates of one provider's messages. `stories`: outcome -> the words told one after another.

    `refusals` are outcomes by which the call itself is refused, and nothing is told. By the outcomes in `not_arriving`
    the person never sees the message. `said` puts a word as a reader of the inbox would.
    """

    def __init__(
        self,
        provider: str,
        stories: Mapping[str, Sequence[str]],
        tell: Callable[[Transaction, dict[str, Any], str], None],
        *,
        not_arriving: Iterable[str],
        refusals: Sequence[str] = (),
        said: Callable[[str], str] = str,
    ) -> None:
        self.provider = provider
        self.stories = stories
        self.refusals = (*refusals, TOO_MANY)
        self._tell = tell
        self._not_arriving = frozenset(not_arriving)
        self._said = said

    @property
    def kind(self) -> str:
        return f"{self.provider}.fate"

    @property
    def outcomes(self) -> Sequence[str]:
        return (*self.stories, *self.refusals)

    def fate(self, tx: Transaction, address: str) -> dict[str, Any]:
        return FIRST | (tx.get(self.kind, EVERYBODY) or {}) | (tx.get(self.kind, address) or {})

    def refusal(self, tx: Transaction, address: str) -> str:
        """The outcome by which a call to this address is refused; "" lets it in."""
        outcome = str(self.fate(tx, address)["outcome"])
        return outcome if outcome in self.refusals else ""

    def arrival(self, tx: Transaction, address: str) -> str:
        """The kind of message that one to this address becomes in the inbox."""
        return LOST if self.fate(tx, address)["outcome"] in self._not_arriving else ARRIVED

    def follow(self, tx: Transaction, address: str, message: dict[str, Any], *, inbox: int, outcome: str = "") -> None:
        """Tell, step by step, what becomes of a message that was just taken. `inbox` is its number there."""
        tx.put(f"{self.provider}.told", str(inbox), message)
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
                    payload={"message": message, "word": word, "inbox": inbox},
                    due_at=tx.now + step * float(fate["delay_s"]),
                )

    def play(self, tx: Transaction, inbox: int, word: str) -> None:
        """Tell one word of a message by hand. Raises BadRequest for a message that nothing can be told of."""
        message = tx.get(f"{self.provider}.told", str(inbox))
        if message is None:
            raise BadRequest("message", f"{self.provider} tells nothing of this one")
        self._act(tx, {"message": message, "word": word, "inbox": inbox})

    def is_told_of(self, tx: Transaction, inbox: int) -> bool:
        return tx.get(f"{self.provider}.told", str(inbox)) is not None

    def set(self, tx: Transaction, address: str, fate: dict[str, Any]) -> None:
        tx.put(self.kind, address, fate)

    # --- what the provider hangs in ---

    def actions(self) -> Mapping[str, Action]:
        return {ACTION: self._act}

    def control_routes(self) -> Iterable[Route]:
        return (Route("PUT", "fates", self._set_fate()),)

    def _act(self, tx: Transaction, payload: dict[str, Any]) -> None:
        self._tell(tx, payload["message"], payload["word"])
        if inbox := payload.get("inbox"):
            runtime.current().inbox.note(tx, inbox, self._said(payload["word"]))

    def _set_fate(self) -> Any:
        @control
        def set_fate(request: HttpRequest) -> dict[str, Any]:
            """{"to": address or "*", "outcome", "delay_s", "out_of_order", "repeats", "silent"}"""
            body = body_of(request)
            address = body.get("to", EVERYBODY)
            if not isinstance(address, str) or not address:
                raise BadRequest("to", "must be an address, or *")
            fate = self.read(body)
            with runtime.current().store.transaction() as tx:
                self.set(tx, address, fate)
            return {"to": address, **fate}

        return set_fate

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        """A fate from outside. Raises BadRequest."""
        outcome = body.get("outcome", FIRST["outcome"])
        if outcome not in self.outcomes:
            raise BadRequest("outcome", f"one of {', '.join(self.outcomes)}")
        return {
            "outcome": outcome,
            "delay_s": number(body, "delay_s", float(str(FIRST["delay_s"]))),
            "repeats": int(number(body, "repeats", 0)),
            "out_of_order": body.get("out_of_order") is True,
            "silent": body.get("silent") is True,
        }


class Teller(Messenger):
    """A messenger that tells what became of what it was given. `buttons`: word -> what a person would call it."""

    signs_webhooks = True
    telling: Telling
    buttons: Mapping[str, str]

    def actions(self) -> Mapping[str, Action]:
        return self.telling.actions()

    def control_routes(self) -> Iterable[Route]:
        return self.telling.control_routes()

    def retry_delay_s(self, tries: int) -> float | None:
        return RETRY_AFTER_S[tries - 1] if tries <= len(RETRY_AFTER_S) else None

    # --- on the pages ---

    def plays(self, tx: Transaction, message: dict[str, Any]) -> Mapping[str, str]:
        return self.buttons if self.telling.is_told_of(tx, message["id"]) else {}

    def play(self, tx: Transaction, message: dict[str, Any], word: str) -> None:
        self.telling.play(tx, message["id"], word)

    @property
    def outcomes(self) -> Sequence[str]:
        return self.telling.outcomes

    def fate_of(self, tx: Transaction, address: str) -> str:
        return str(self.telling.fate(tx, address)["outcome"])

    def decide(self, tx: Transaction, address: str, wish: dict[str, Any]) -> None:
        self.telling.set(tx, address or EVERYBODY, self.telling.read(wish))
