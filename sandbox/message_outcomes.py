"""What becomes of a message after it was taken, and how its provider tells: shared by SendGrid, Twilio and WhatsApp.

Each address has a fate, set by the control API (PUT /_control/{provider}/fates) or on the pages, or the provider's own
("*"): `outcome` is a word of the provider's `stories`, `delay_s` lies between its steps, `out_of_order` tells them
backwards, `repeats` tells each so many times more, and `silent` tells nothing at all. Without a word from anybody every
message is delivered, told at a small delay. By hand any word can be told of a message that was taken (`play_outcome`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import body_of, control_view
from sandbox.engine.http import BadRequest, parse_number
from sandbox.engine.inbox import ARRIVED, LOST
from sandbox.engine.provider import Action, Messenger, Route
from sandbox.engine.store import Transaction

EVERYBODY = "*"
ACTION = "receipt"
FIRST = {"outcome": "delivered", "delay_s": 0.2, "out_of_order": False, "repeats": 0, "silent": False}
TOO_MANY = "too_many"  # the call itself is answered 429
RETRY_AFTER_S = (5.0, 30.0, 120.0, 600.0, 3600.0)  # shorter than the real plans, which take up to a day


class OutcomeScript:
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
    def document_kind(self) -> str:
        return f"{self.provider}.fate"

    @property
    def outcome_names(self) -> Sequence[str]:
        return (*self.stories, *self.refusals)

    def outcome_for(self, tx: Transaction, address: str) -> dict[str, Any]:
        return FIRST | (tx.get(self.document_kind, EVERYBODY) or {}) | (tx.get(self.document_kind, address) or {})

    def refusal_for(self, tx: Transaction, address: str) -> str:
        """The outcome by which a call to this address is refused; "" lets it in."""
        outcome = str(self.outcome_for(tx, address)["outcome"])
        return outcome if outcome in self.refusals else ""

    def arrival_kind(self, tx: Transaction, address: str) -> str:
        """The kind of message that one to this address becomes in the inbox."""
        return LOST if self.outcome_for(tx, address)["outcome"] in self._not_arriving else ARRIVED

    def schedule_reports(
        self, tx: Transaction, address: str, message: dict[str, Any], *, inbox: int, outcome: str = ""
    ) -> None:
        """Tell, step by step, what becomes of a message that was just taken. `inbox` is its number there."""
        tx.put(f"{self.provider}.told", str(inbox), message)
        fate = self.outcome_for(tx, address)
        if fate["silent"]:
            return
        words = list(self.stories.get(outcome or str(fate["outcome"]), ()))
        if fate["out_of_order"]:
            words.reverse()
        for step, word in enumerate(words, start=1):
            for _ in range(1 + int(fate["repeats"])):
                runtime.current_runtime().dispatcher.schedule_action(
                    tx,
                    self.provider,
                    ACTION,
                    subject=str(message["id"]),
                    payload={"message": message, "word": word, "inbox": inbox},
                    due_at=tx.now + step * float(fate["delay_s"]),
                )

    def play_outcome(self, tx: Transaction, inbox: int, word: str) -> None:
        """Tell one word of a message by hand. Raises BadRequest for a message that nothing can be told of."""
        message = tx.get(f"{self.provider}.told", str(inbox))
        if message is None:
            raise BadRequest("message", f"{self.provider} tells nothing of this one")
        self._run_action(tx, {"message": message, "word": word, "inbox": inbox})

    def is_told_of(self, tx: Transaction, inbox: int) -> bool:
        return tx.get(f"{self.provider}.told", str(inbox)) is not None

    def set_outcome(self, tx: Transaction, address: str, fate: dict[str, Any]) -> None:
        tx.put(self.document_kind, address, fate)

    # --- what the provider hangs in ---

    def list_actions(self) -> Mapping[str, Action]:
        return {ACTION: self._run_action}

    def control_routes(self) -> Iterable[Route]:
        return (Route("PUT", "fates", self._set_fate()),)

    def _run_action(self, tx: Transaction, payload: dict[str, Any]) -> None:
        self._tell(tx, payload["message"], payload["word"])
        if inbox := payload.get("inbox"):
            runtime.current_runtime().inbox.note_outcome(tx, inbox, self._said(payload["word"]))

    def _set_fate(self) -> Any:
        @control_view
        def set_fate(request: HttpRequest) -> dict[str, Any]:
            """{"to": address or "*", "outcome", "delay_s", "out_of_order", "repeats", "silent"}"""
            body = body_of(request)
            address = body.get("to", EVERYBODY)
            if not isinstance(address, str) or not address:
                raise BadRequest("to", "must be an address, or *")
            fate = self.read_outcome(body)
            with runtime.current_runtime().store.transaction() as tx:
                self.set_outcome(tx, address, fate)
            return {"to": address, **fate}

        return set_fate

    def read_outcome(self, body: dict[str, Any]) -> dict[str, Any]:
        """A fate from outside. Raises BadRequest."""
        outcome = body.get("outcome", FIRST["outcome"])
        if outcome not in self.outcome_names:
            raise BadRequest("outcome", f"one of {', '.join(self.outcome_names)}")
        return {
            "outcome": outcome,
            "delay_s": parse_number(body, "delay_s", float(str(FIRST["delay_s"]))),
            "repeats": int(parse_number(body, "repeats", 0)),
            "out_of_order": body.get("out_of_order") is True,
            "silent": body.get("silent") is True,
        }


class ReportingMessenger(Messenger):
    """A messenger that tells what became of what it was given. `buttons`: word -> what a person would call it."""

    signs_webhooks = True
    telling: OutcomeScript
    buttons: Mapping[str, str]

    def list_actions(self) -> Mapping[str, Action]:
        return self.telling.list_actions()

    def control_routes(self) -> Iterable[Route]:
        return self.telling.control_routes()

    def retry_delay_s(self, tries: int) -> float | None:
        return RETRY_AFTER_S[tries - 1] if tries <= len(RETRY_AFTER_S) else None

    # --- on the pages ---

    def playable_outcomes(self, tx: Transaction, message: dict[str, Any]) -> Mapping[str, str]:
        return self.buttons if self.telling.is_told_of(tx, message["id"]) else {}

    def play_outcome(self, tx: Transaction, message: dict[str, Any], word: str) -> None:
        self.telling.play_outcome(tx, message["id"], word)

    @property
    def outcome_names(self) -> Sequence[str]:
        return self.telling.outcome_names

    def fate_of(self, tx: Transaction, address: str) -> str:
        return str(self.telling.outcome_for(tx, address)["outcome"])

    def decide_outcome(self, tx: Transaction, address: str, wish: dict[str, Any]) -> None:
        self.telling.set_outcome(tx, address or EVERYBODY, self.telling.read_outcome(wish))
