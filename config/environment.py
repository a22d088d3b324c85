"""Every environment variable that Handoff reads, said once: name, kind, default, what it is for (SPEC S5).

`config/settings.py` reads values through `read_variable`; `docs/configuration.md` is made from this list
(`python manage.py configuration > docs/configuration.md`), and a test holds the two together.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

MICROS = 1_000_000


def _parse_boolean(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.strip().lower() not in known:
        raise ValueError("is neither true nor false")
    return known[text.strip().lower()]


def _positive_parser(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse_positive(text: str) -> Any:
        value = kind(text)
        if value <= 0:
            raise ValueError("is not greater than zero")
        return value

    return parse_positive


def _parse_hours(text: str) -> tuple[time, time] | None:
    """ "22:00-08:00" as two times of the day; "" is no hours at all."""
    if not text.strip():
        return None
    begin, _, end = text.partition("-")
    try:
        return time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
    except ValueError as error:
        raise ValueError("is not like 22:00-08:00") from error


def _parse_zone(text: str) -> str:
    try:
        return ZoneInfo(text.strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("is not a time zone") from error


def _parse_amounts(text: str) -> dict[str, int]:
    """ "sms=0.0079,whatsapp=0.005" in millionths of the currency."""
    found = {}
    for word in _parse_list(text):
        name, _, amount = word.partition("=")
        try:
            micros = Decimal(amount.strip()) * MICROS
        except InvalidOperation as error:
            raise ValueError(f"{word!r} is not like sms=0.0079") from error
        if not micros.is_finite() or micros < 0 or micros != micros.to_integral_value():
            raise ValueError(f"{amount!r} is not an amount of at most six decimals")
        found[name.strip()] = int(micros)
    return found


def _not_negative(text: str) -> int:
    if int(text) < 0:
        raise ValueError("is less than zero")
    return int(text)


def _parse_list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


KINDS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "yes/no": _parse_boolean,
    "number": _not_negative,
    "count": _positive_parser(int),
    "amount": _positive_parser(float),
    "list": _parse_list,
    "hours": _parse_hours,
    "time zone": _parse_zone,
    "amounts": _parse_amounts,
}
MAY_BE_EMPTY = ("text", "hours")  # for these, nothing is a value of its own


@dataclass(frozen=True)
class Variable:
    name: str
    kind: str
    default: Any
    about: str

    def parse_value(self) -> Any:
        """The value from the environment. Raises ImproperlyConfigured naming the variable."""
        text = os.environ.get(self.name)
        if text is None or (text == "" and self.kind not in MAY_BE_EMPTY):
            return self.default
        try:
            return KINDS[self.kind](text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{self.name}={text!r} {error}; it must be a {self.kind}") from error


GROUPS: dict[str, list[Variable]] = {
    "The process": [
        Variable(
            "SECRET_KEY",
            "text",
            "",
            "Signs sessions and tokens. Web, sockets, worker and beat refuse to start without.",
        ),
        Variable("DEBUG", "yes/no", False, "Django's debug pages. Never in production."),
        Variable(
            "PUBLIC_URL", "text", "http://localhost:8000", "Where providers and browsers reach us; no slash at the end."
        ),
        Variable(
            "SOCKETS_URL",
            "text",
            "",
            "Where browsers reach the sockets process, say wss://live.example; empty: as PUBLIC_URL.",
        ),
        Variable(
            "SOCKETS_ORIGINS",
            "list",
            [],
            "Origins of storefronts' pages that may open sockets, say https://shop.example.",
        ),
        Variable("ALLOWED_HOSTS", "list", ["localhost", "127.0.0.1", "testserver"], "Host names that are answered."),
        Variable("CSRF_TRUSTED_ORIGINS", "list", [], "Further origins the console may be used from."),
        Variable("LOG_LEVEL", "text", "INFO", "DEBUG, INFO, WARNING or ERROR."),
        Variable("LOG_FORMAT", "text", "console", "json for machines, console for people."),
        Variable("STATIC_ROOT", "text", "", "Where collectstatic puts files; empty: .static in the project."),
    ],
    "PostgreSQL and the broker": [
        Variable(
            "DATABASE_URL",
            "text",
            "postgresql://localhost/handoff",
            "PostgreSQL 15 or newer; a socket: postgresql://user@/name?host=/dir.",
        ),
        Variable("DATABASE_POOL", "count", 16, "Connections a web process may hold."),
        Variable("STATEMENT_TIMEOUT_MS", "count", 15_000, "A statement that takes longer is ended."),
        Variable("LOCK_TIMEOUT_MS", "count", 5_000, "A lock that is waited for longer is given up."),
        Variable(
            "BROKER_URL",
            "text",
            "redis://localhost:6379/0",
            "Redis, Valkey (redis:// or redis+socket://) or RabbitMQ (amqp://).",
        ),
        Variable("LIVE_URL", "text", "", "Redis or Valkey for live pushes; empty: the broker, if it is one."),
        Variable("WORKER_CONCURRENCY", "count", 14, "Processes of one worker; at least one per work queue."),
    ],
    "Stripe": [
        Variable("STRIPE_SECRET_KEY", "text", "", "Empty: payments and payouts are off."),
        Variable("STRIPE_API_BASE", "text", "https://api.stripe.com", "Another base for a sandbox."),
        Variable("STRIPE_WEBHOOK_SECRET", "list", [], "Secrets of the platform endpoint; any of them may sign."),
        Variable("STRIPE_CONNECT_WEBHOOK_SECRET", "list", [], "Secrets of the endpoint for connected accounts."),
        Variable("STRIPE_LIVEMODE", "yes/no", None, "Which events are ours; empty: told by the key."),
    ],
    "PetPooja (POS)": [
        Variable("PETPOOJA_API_BASE", "text", "", "Empty: no order is relayed to a PetPooja POS."),
        Variable("PETPOOJA_APP_KEY", "text", "", "Credential of save_order."),
        Variable("PETPOOJA_APP_SECRET", "text", "", "Credential of save_order."),
        Variable("PETPOOJA_ACCESS_TOKEN", "text", "", "Credential of save_order."),
    ],
    "COOCO (courier)": [
        Variable("COOCO_API_KEY", "text", "", "Empty: COOCO is not asked."),
        Variable("COOCO_API_BASE", "text", "https://api.cooco.com/v2", "Another base for a sandbox; with /v2."),
        Variable("COOCO_WEBHOOK_SECRET", "list", [], "Secrets of /webhooks/cooco; any of them may sign."),
    ],
    "Uber Direct (courier)": [
        Variable("UBER_CLIENT_ID", "text", "", "Empty: Uber Direct is not asked."),
        Variable("UBER_CLIENT_SECRET", "text", "", "Credential of Uber Direct."),
        Variable("UBER_CUSTOMER_ID", "text", "", "The organisation that is charged."),
        Variable("UBER_API_BASE", "text", "https://api.uber.com/v1", "Another base for a sandbox; with /v1."),
        Variable("UBER_AUTH_BASE", "text", "https://login.uber.com", "Where tokens are handed out."),
        Variable("UBER_WEBHOOK_SIGNING_KEY", "list", [], "Keys of /webhooks/uber; any of them may sign."),
    ],
    "DoorDash Drive (courier)": [
        Variable("DOORDASH_DEVELOPER_ID", "text", "", "Empty: DoorDash Drive is not asked."),
        Variable("DOORDASH_KEY_ID", "text", "", "Credential of DoorDash Drive."),
        Variable("DOORDASH_SIGNING_SECRET", "text", "", "Credential of DoorDash Drive, base64url as it is shown."),
        Variable("DOORDASH_API_BASE", "text", "https://openapi.doordash.com", "Another base for a sandbox."),
        Variable(
            "DOORDASH_WEBHOOK_AUTHORIZATION",
            "list",
            [],
            "Values of the Authorization header at /webhooks/doordash, say: Basic dXNlcjpwYXNz; any of them is let in.",
        ),
    ],
    "Messages": [
        Variable("SENDGRID_API_KEY", "text", "", "Empty: no email."),
        Variable("SENDGRID_API_BASE", "text", "https://api.sendgrid.com", "Another base for a sandbox."),
        Variable("SENDGRID_FROM_EMAIL", "text", "", "The sender."),
        Variable("TWILIO_ACCOUNT_SID", "text", "", "Empty: no SMS."),
        Variable("TWILIO_AUTH_TOKEN", "text", "", "Credential of Twilio."),
        Variable("TWILIO_API_BASE", "text", "https://api.twilio.com", "Another base for a sandbox."),
        Variable("TWILIO_FROM_NUMBER", "text", "", "The sender, E.164."),
        Variable("TWILIO_OLD_AUTH_TOKEN", "list", [], "Earlier auth tokens that may still sign callbacks."),
        Variable(
            "SENDGRID_WEBHOOK_PUBLIC_KEY", "list", [], "Verification keys of /webhooks/sendgrid; any of them may sign."
        ),
        Variable("WHATSAPP_ACCESS_TOKEN", "text", "", "Empty: META_API_KEY."),
        Variable("META_API_KEY", "text", "", "The same under its other name. Both empty: no WhatsApp."),
        Variable("WHATSAPP_PHONE_NUMBER_ID", "text", "", "The sender, as Meta numbers it."),
        Variable("WHATSAPP_APP_SECRET", "list", [], "App secrets of /webhooks/whatsapp; any of them may sign."),
        Variable("WHATSAPP_VERIFY_TOKEN", "text", "", "What Meta must say when the webhook is set up."),
        Variable("WHATSAPP_API_BASE", "text", "https://graph.facebook.com", "Another base for a sandbox."),
        Variable("WHATSAPP_API_VERSION", "text", "v23.0", "Version of the Graph API."),
        Variable("FIREBASE_CREDENTIALS", "text", "", "Path of the service account's JSON. Empty: no push."),
        Variable("FCM_API_BASE", "text", "https://fcm.googleapis.com", "Another base for a sandbox."),
        Variable(
            "PUSH_ACK_SECONDS",
            "number",
            60,
            "A push that no app acknowledged for so long goes on to the next channel; 0: never, for apps that do not.",
        ),
        Variable(
            "QUIET_HOURS",
            "hours",
            (time(22), time(8)),
            "What can wait is not sent in these hours of the person's day; empty: none.",
        ),
        Variable("DEFAULT_TIME_ZONE", "time zone", "UTC", "Of people of whom we do not know where they are."),
        Variable("MESSAGES_PER_PERSON_PER_HOUR", "count", 30, "One person is told no more than this."),
        Variable("MESSAGES_PER_EVENT_PER_HOUR", "count", 6, "The same, of one event to one person."),
        Variable(
            "MESSAGE_PRICES",
            "amounts",
            {},
            "What one costs by channel, in your currency: sms=0.0079,whatsapp=0.005 (an SMS: a part). Unnamed: free.",
        ),
        Variable(
            "MESSAGE_DAILY_CAPS",
            "amounts",
            {},
            "What may be spent by channel and UTC day, say sms=50; then that channel is passed over. Unnamed: no end.",
        ),
        Variable("OPS_EMAIL", "text", "", "Where incidents are mailed to (docs/alerts.md); empty: the console only."),
    ],
    "Alerts": [
        Variable("OPS_DIGEST_MINUTES", "count", 15, "Warnings are mailed together, at most so often."),
        Variable("OPS_REMIND_MINUTES", "count", 30, "Critical incidents that nobody acknowledges are mailed again."),
        Variable("ALERT_WINDOW_MINUTES", "count", 15, "Refused webhooks and failed calls are counted so far back."),
        Variable("ALERT_SIGNATURE_FAILURES", "count", 5, "So many refused signatures of a provider raise an alert."),
        Variable("ALERT_PROVIDER_ERRORS", "count", 5, "More errors of a provider than these raise an alert."),
        Variable("ALERT_SILENT_MINUTES", "count", 20, "A webhook is missed that did not come within so long."),
        Variable(
            "SELF_CHECK",
            "yes/no",
            None,
            "Whether a worker calls PUBLIC_URL/ready each minute; empty: where PUBLIC_URL is https.",
        ),
    ],
    "Tokens": [
        Variable("ACCESS_TOKEN_MINUTES", "count", 15, "How long an access token lives."),
        Variable("REFRESH_TOKEN_DAYS", "count", 30, "How long a refresh token lives."),
    ],
    "Limits": [
        Variable(
            "TRUSTED_PROXIES",
            "number",
            None,
            "How many proxies of yours stand in front and write X-Forwarded-For; empty: one if PUBLIC_URL is https.",
        ),
        Variable("WRONG_SIGN_INS_PER_NAME", "count", 10, "Wrong passwords for one name from one address in 5 minutes."),
        Variable("WRONG_SIGN_INS_PER_ADDRESS", "count", 100, "Wrong passwords from one address in 5 minutes."),
        Variable("TRACKING_LOOKS_PER_MINUTE", "count", 600, "How often one tracking link is looked at."),
        Variable("TRACKING_FORMS_PER_HOUR", "count", 60, "How often the forms of one tracking link are sent."),
        Variable("USELESS_LINKS_PER_MINUTE", "count", 30, "Tracking links that open nothing, tried from one address."),
    ],
    "The business": [
        Variable("OFFER_SECONDS", "count", 30, "How long a rider may think about an offer (D2)."),
        Variable("MAX_DELIVERY_DISTANCE_M", "count", 15_000, "Farther customers are refused (D3)."),
        Variable("GEOFENCE_M", "count", 100, "Pickup and drop-off are confirmed within this distance (R4)."),
        Variable(
            "GPS_REQUIRED", "yes/no", False, "Refuse confirmations without a position (R4); a store may say otherwise."
        ),
        Variable("MAX_FAKE_ATTEMPTS", "count", 3, "More fake confirmations than these suspend the rider (R4)."),
        Variable("POSITION_FRESH_SECONDS", "count", 120, "Older positions make a rider no candidate (D1)."),
        Variable("TRACKING_LINK_DAYS", "count", 14, "A tracking link ends so long after the order was placed (T3)."),
        Variable("TRACKING_LINK_HOURS", "count", 48, "… or so long after the order has ended, whichever is sooner."),
        Variable("COURIER_SILENT_SECONDS", "count", 120, "Courier jobs not heard of for so long are asked about (C5)."),
        Variable("MIN_PAYOUT_MINOR", "count", 100, "Smaller balances wait for the next payout (M2)."),
    ],
    "The tracking page": [
        Variable(
            "TRACKING_TILES_URL",
            "text",
            "",
            "Map tiles, say https://tiles.example/{z}/{x}/{y}.png; empty: a plain ground, and nobody is asked.",
        ),
        Variable("TRACKING_TILES_CREDIT", "text", "", "Whom the map thanks for its tiles."),
    ],
    "Travel (a simulated city may be faster)": [
        Variable("TRAVEL_SPEED_M_PER_MIN", "amount", 320.0, "How fast riders get on, until it is learned (D7)."),
        Variable("SERVICE_MINUTES", "amount", 4.0, "At the store and at the door, until it is learned."),
        Variable("PLAUSIBLE_SPEED_M_PER_S", "amount", 50.0, "Faster jumps between positions are flagged as spoofing."),
        Variable("LEARN_WEEKS", "count", 8, "Speeds and times are learned every night from so many weeks (D7)."),
        Variable("DISPATCH_LEAD_SECONDS", "amount", 600.0, "How long before an order is ready a rider is looked for."),
    ],
}
VARIABLES = {variable.name: variable for group in GROUPS.values() for variable in group}


def read_variable(name: str) -> Any:
    return VARIABLES[name].parse_value()


def live_url_of(broker_url: str) -> str:
    """The broker as the redis client names it, for live pushes; "" when the broker is no Redis or Valkey."""
    if broker_url.startswith("redis+socket://"):
        path, _, options = broker_url.removeprefix("redis+socket://").partition("?")
        number = dict(parse_qsl(options)).get("virtual_host", "0").strip("/")
        return f"unix://{path}?db={number}"
    return broker_url if broker_url.startswith(("redis://", "rediss://", "unix://")) else ""


def as_markdown() -> str:
    """The table of all variables, for docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Everything is set by environment variables. This page is made from `config/environment.py`.",
    ]
    for title, variables in GROUPS.items():
        lines += ["", f"## {title}", "", "| variable | kind | default | what it is for |", "|---|---|---|---|"]
        lines += [f"| `{v.name}` | {v.kind} | {_format_default(v.default)} | {v.about} |" for v in variables]
    return "\n".join(lines) + "\n"


def _format_default(default: Any) -> str:
    if default in ("", None, [], {}):
        return "–"
    if isinstance(default, tuple):
        return "`" + "-".join(f"{moment:%H:%M}" for moment in default) + "`"
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"`{','.join(default) if isinstance(default, list) else default}`"
