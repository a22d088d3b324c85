"""dj-stripe's webhook endpoint on a Django site of its own (settings, addresses and application in one module).

Runs in the virtual environment of the peers. PEER_STORE=only: events are stored and handed to a callback that does
nothing; otherwise dj-stripe handles them as it does by default. `python djstripe_site.py` prepares the database.
"""

import os
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

ENDPOINT = uuid.UUID("5b1cf2f6-1a37-4a4c-9d5a-6a7c1e0a4a11")
address = urlsplit(os.environ["DATABASE_URL"])
CALLBACK = {"DJSTRIPE_WEBHOOK_EVENT_CALLBACK": "djstripe_site.ignore"} if os.environ.get("PEER_STORE") == "only" else {}

settings.configure(
    SECRET_KEY="only for the benchmark",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djstripe"],
    MIDDLEWARE=[],
    ROOT_URLCONF="djstripe_site",
    APPEND_SLASH=False,
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": address.path.lstrip("/"),
            "USER": address.username or "",
            "PASSWORD": address.password or "",
            "HOST": parse_qs(address.query).get("host", [address.hostname or ""])[0],
            "PORT": address.port or "",
            "CONN_MAX_AGE": None,
        }
    },
    STRIPE_TEST_SECRET_KEY="_".join(("sk", "test", "0" * 24)),  # dj-stripe looks at its shape; nobody is ever asked
    STRIPE_LIVE_MODE=False,
    STRIPE_API_HOST="http://127.0.0.1:9",  # nobody: no call leaves the machine
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    **CALLBACK,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]
application = get_wsgi_application()


def ignore(_event: Any, **_: Any) -> None:
    """Store only."""


def prepare() -> None:
    from djstripe.models import Account, APIKey, WebhookEndpoint

    call_command("migrate", verbosity=0)
    account, _ = Account.objects.get_or_create(id="acct_bench", defaults={"livemode": False})
    APIKey.objects.get_or_create(
        secret=settings.STRIPE_TEST_SECRET_KEY,
        defaults={"type": "secret", "livemode": False, "djstripe_owner_account": account},
    )
    WebhookEndpoint.objects.get_or_create(
        id="we_bench",
        defaults={
            "djstripe_uuid": ENDPOINT,
            "secret": os.environ["STRIPE_WEBHOOK_SECRET"],
            "enabled_events": ["*"],
            "status": "enabled",
            "url": "http://localhost/",
            "livemode": False,
            "djstripe_owner_account": account,
        },
    )


if __name__ == "__main__":
    prepare()
