"""Ids towards the outside: ours, which nobody can guess, and the shape of a storefront's."""

import re
import secrets

from django.core.validators import RegexValidator

EXTERNAL_ID_SHAPE = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")
EXTERNAL_ID = RegexValidator(EXTERNAL_ID_SHAPE.pattern, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -")


def new_public_id() -> str:
    return "o_" + secrets.token_urlsafe(16).replace("-", "x").replace("_", "y")


def new_substitution_id() -> str:
    return "s_" + new_public_id().removeprefix("o_")
