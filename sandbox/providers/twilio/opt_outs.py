"""Twilio's own opt-out: whoever answers STOP is kept on a list, and messages to them are refused with 21610.

Documented at help.twilio.com (SMS STOP filtering). It needs nothing of the business, which is not even told.
"""

from __future__ import annotations

from sandbox.engine import runtime
from sandbox.engine.inbox import SAID
from sandbox.engine.store import Transaction

KIND = "twilio.stopped"
STOP = {"stop", "stopall", "unsubscribe", "cancel", "end", "quit"}
START = {"start", "yes", "unstop"}
REFUSAL = "unsubscribed"


def take_answer(tx: Transaction, number: str, text: str) -> None:
    """The person writes; only the two lists of words mean something."""
    runtime.current_runtime().inbox.deliver_message(tx, "sms", number, body=text, data={}, kind=SAID)
    word = text.strip().lower()
    if word in STOP:
        tx.put(KIND, number, {"number": number})
    elif word in START:
        tx.delete(KIND, number)


def refusal_for(tx: Transaction, number: str) -> str:
    """Why nothing is sent to this number; "" when it may be."""
    return REFUSAL if tx.get(KIND, number) else ""
