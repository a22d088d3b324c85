"""Who may call an endpoint: by role."""

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from foundation.models import Role, User


def require_roles(*allowed: Role) -> type[IsAuthenticated]:
    """A permission class for users of these roles: `permission_classes = (require_roles(Role.RIDER),)`."""

    class HasRole(IsAuthenticated):
        message = "Your role may not do this"

        def has_permission(self, request: Request, view: Any) -> bool:
            user = request.user
            return super().has_permission(request, view) and isinstance(user, User) and user.role in allowed

    return HasRole
