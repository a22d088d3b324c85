"""The secrets that both sides share, made once per home: `keys.json` and a Google service-account file.

Nothing here opens anything real. They are generated so that no secret, not even a worthless one, is ever in the source.
"""

from __future__ import annotations

import json
import os
import secrets
import string
import uuid
from base64 import b64encode
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

KEYS_FILE = "keys.json"
SERVICE_ACCOUNT_FILE = "service-account.json"
FIREBASE_PROJECT = "handoff-sandbox"
TWILIO_TEST_NUMBER = "+15005550006"  # Twilio's documented sender that passes every check in test mode


def ensure_keys(home: Path | str, base_url: str) -> dict[str, str]:
    """Make what is missing in `home` and return the environment that points Handoff at the sandbox at `base_url`.

    The port may change from one start to the next, the secrets do not.
    """
    home = Path(home)
    home.mkdir(parents=True, exist_ok=True)
    base_url = base_url.rstrip("/")
    keys = load_keys(home)
    credentials = _service_account(home, base_url)
    return {
        "STRIPE_SECRET_KEY": keys["stripe_secret_key"],
        "STRIPE_PUBLISHABLE_KEY": keys["stripe_publishable_key"],
        "STRIPE_WEBHOOK_SECRET": keys["stripe_webhook_secret"],
        "STRIPE_CONNECT_WEBHOOK_SECRET": keys["stripe_connect_webhook_secret"],
        "STRIPE_API_BASE": f"{base_url}/stripe",
        "PETPOOJA_APP_KEY": keys["petpooja_app_key"],
        "PETPOOJA_APP_SECRET": keys["petpooja_app_secret"],
        "PETPOOJA_ACCESS_TOKEN": keys["petpooja_access_token"],
        "PETPOOJA_API_BASE": f"{base_url}/petpooja",
        "SENDGRID_API_KEY": keys["sendgrid_api_key"],
        "SENDGRID_API_BASE": f"{base_url}/sendgrid",
        "SENDGRID_FROM_EMAIL": "orders@handoff.example",
        "SENDGRID_WEBHOOK_PUBLIC_KEY": _public_half(keys["sendgrid_webhook_private_key"]),
        "TWILIO_ACCOUNT_SID": keys["twilio_account_sid"],
        "TWILIO_AUTH_TOKEN": keys["twilio_auth_token"],
        "TWILIO_API_BASE": f"{base_url}/twilio",
        "TWILIO_FROM_NUMBER": TWILIO_TEST_NUMBER,
        "COOCO_API_KEY": keys["cooco_api_key"],
        "COOCO_WEBHOOK_SECRET": keys["cooco_webhook_secret"],
        "COOCO_API_BASE": f"{base_url}/cooco/v2",
        "UBER_CLIENT_ID": keys["uber_client_id"],
        "UBER_CLIENT_SECRET": keys["uber_client_secret"],
        "UBER_CUSTOMER_ID": keys["uber_customer_id"],
        "UBER_WEBHOOK_SIGNING_KEY": keys["uber_webhook_signing_key"],
        "UBER_API_BASE": f"{base_url}/uber/v1",
        "UBER_AUTH_BASE": f"{base_url}/uber",
        "DOORDASH_DEVELOPER_ID": keys["doordash_developer_id"],
        "DOORDASH_KEY_ID": keys["doordash_key_id"],
        "DOORDASH_SIGNING_SECRET": keys["doordash_signing_secret"],
        "DOORDASH_WEBHOOK_AUTHORIZATION": keys["doordash_webhook_authorization"],
        "DOORDASH_API_BASE": f"{base_url}/doordash",
        "WHATSAPP_ACCESS_TOKEN": keys["whatsapp_access_token"],
        "WHATSAPP_PHONE_NUMBER_ID": keys["whatsapp_phone_number_id"],
        "WHATSAPP_APP_SECRET": keys["whatsapp_app_secret"],
        "WHATSAPP_VERIFY_TOKEN": keys["whatsapp_verify_token"],
        "WHATSAPP_API_BASE": f"{base_url}/whatsapp",
        "FIREBASE_CREDENTIALS": str(credentials.resolve()),
        "FCM_API_BASE": f"{base_url}/fcm",
    }


def load_keys(home: Path | str) -> dict[str, str]:
    """The secrets of `home`, made at the first call; later additions are filled in."""
    path = Path(home) / KEYS_FILE
    keys: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: value for name, value in _fresh_keys().items() if name not in keys}
    if missing:
        keys |= missing
        _write_private(path, keys)
    return keys


def _fresh_keys() -> dict[str, str]:
    return {
        "stripe_secret_key": "sk_test_" + _random_letters(48),
        "stripe_publishable_key": "pk_test_" + _random_letters(48),
        "stripe_webhook_secret": "whsec_" + _random_letters(32),
        "stripe_connect_webhook_secret": "whsec_" + _random_letters(32),
        "petpooja_app_key": _random_letters(32),
        "petpooja_app_secret": _random_letters(40),
        "petpooja_access_token": _random_letters(40),
        "sendgrid_api_key": f"SG.{_random_letters(22)}.{_random_letters(43)}",
        "sendgrid_webhook_private_key": _signing_key(),
        "twilio_account_sid": "AC" + secrets.token_hex(16),
        "twilio_auth_token": secrets.token_hex(16),
        "fcm_access_token_secret": _random_letters(40),
        "whatsapp_access_token": "EAA" + _random_letters(120),
        "whatsapp_phone_number_id": str(10**14 + secrets.randbelow(10**14)),
        "whatsapp_app_secret": secrets.token_hex(16),
        "whatsapp_verify_token": _random_letters(24),
        "cooco_api_key": "sk_test_" + _random_letters(40),
        "cooco_webhook_secret": "whsec_test_" + _random_letters(32),
        "uber_client_id": _random_letters(32),
        "uber_client_secret": _random_letters(40),
        "uber_customer_id": str(uuid.uuid4()),
        "uber_webhook_signing_key": str(uuid.uuid4()),
        "doordash_developer_id": str(uuid.uuid4()),
        "doordash_key_id": str(uuid.uuid4()),
        "doordash_signing_secret": secrets.token_urlsafe(32),
        "doordash_webhook_authorization": "Basic " + b64encode(f"doordash:{_random_letters(24)}".encode()).decode(),
    }


def _random_letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


def _signing_key() -> str:
    """A key on P-256 as PEM, of the kind that SendGrid signs its events with."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public_half(private_pem: str) -> str:
    """As SendGrid shows it: base64 of the DER form, in one line."""
    key = serialization.load_pem_private_key(private_pem.encode(), password=None)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return b64encode(public).decode()


def _service_account(home: Path, base_url: str) -> Path:
    """A service account as Google hands it out, whose token_uri is the sandbox's."""
    path = home / SERVICE_ACCOUNT_FILE
    token_uri = f"{base_url}/fcm/token"
    if path.exists():
        account = json.loads(path.read_text())
        if account["token_uri"] == token_uri:
            return path
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account",
            "project_id": FIREBASE_PROJECT,
            "private_key_id": secrets.token_hex(20),
            "private_key": pem.decode(),
            "client_email": f"messaging@{FIREBASE_PROJECT}.iam.gserviceaccount.example",
            "client_id": str(secrets.randbelow(10**20)),
        }
    _write_private(path, account | {"token_uri": token_uri})
    return path


def _write_private(path: Path, content: dict[str, str]) -> None:
    """Only the owner may read it, and a reader never sees half of it."""
    draft = path.with_suffix(".tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)
