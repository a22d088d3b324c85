"""What a role may do: one table (settings.ROLE_GRANTS) answers every permission question of the admin (SPEC A5)."""

from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.utils.module_loading import import_string


@cache
def _load_grants() -> dict[str, tuple[str, ...]]:
    return dict(import_string(settings.ROLE_GRANTS))


@cache
def is_granted(role: str, permission: str) -> bool:
    """Whether a role has "app.verb_model"; grants are patterns like "payouts.view_*"."""
    return any(fnmatchcase(permission, pattern) for pattern in _load_grants().get(role, ()))


class RoleBackend(ModelBackend):
    """Permissions come from the user's role, not from rows: a deploy changes them, nobody has to remember to."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return bool(user_obj.is_active) and is_granted(user_obj.role, perm)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return bool(user_obj.is_active) and any(
            pattern.split(".")[0] in ("*", app_label) for pattern in _load_grants().get(user_obj.role, ())
        )
