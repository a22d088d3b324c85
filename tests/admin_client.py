"""Working the console as somebody with a role: sign in, choose an action, answer its confirm page."""

import re
from typing import Any

from django.db.models import Model
from django.test import Client

from foundation.models import Role
from tests.builders import user


def desk(role: Role = Role.OPS_LEAD) -> Client:
    """A browser that somebody of this role is signed in with."""
    client = Client()
    client.force_login(user(role))
    return client


def act(client: Client, url: str, action: str, *rows: Model, reason: str = "customer called", **fields: Any) -> str:
    """Choose the action for these rows, then send its confirm page; returns the text of what comes back."""
    ticked = {"action": action, "_selected_action": [row.pk for row in rows]}
    page = client.post(url, ticked, follow=True)
    nonce = re.search(r'name="nonce" value="([^"]+)"', page.content.decode())
    if nonce is None:
        return page.content.decode()
    form = {**ticked, "confirmed": "1", "nonce": nonce[1], "reason": reason, **fields}
    return client.post(url, form, follow=True).content.decode()
