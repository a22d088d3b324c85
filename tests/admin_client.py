"""Working the console as somebody with a role: sign in, choose an action, answer its confirm page."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Model
from django.test import Client
from django.urls import resolve

from foundation.models import Role
from tests.builders import user


def open_console(role: Role = Role.OPS_LEAD) -> Client:
    """A browser that somebody of this role is signed in with."""
    client = Client()
    client.force_login(user(role))
    return client


def run_action(
    client: Client, url: str, action: str, *rows: Model, reason: str = "customer called", **fields: Any
) -> str:
    """Choose the action for these rows, then send its confirm page; returns the text of what comes back.

    Raises AssertionError for a name that the page knows no action by, so that no test of a refusal passes by a slip.
    """
    known = {verb.name for verb in resolve(urlsplit(url).path).func.model_admin.verbs}
    assert action in known, f"{action} is none of {sorted(known)}"
    ticked = {"action": action, "_selected_action": [row.pk for row in rows]}
    page = client.post(url, ticked, follow=True)
    nonce = re.search(r'name="nonce" value="([^"]+)"', page.content.decode())
    if nonce is None:
        return page.content.decode()
    form = {**ticked, "confirmed": "1", "nonce": nonce[1], "reason": reason, **fields}
    return client.post(url, form, follow=True).content.decode()
