"""What each staff role may do: patterns over Django's permission names and our own action permissions (SPEC A5)."""

from foundation.models import Role

_VIEW = ("*.view_*",)

ROLE_GRANTS: dict[str, tuple[str, ...]] = {
    Role.READ_ONLY: _VIEW,
    Role.OPS_AGENT: (
        *_VIEW,
        "notifications.decide_incident",
        "deliveries.decide_fraudflag",
        "deliveries.reassign_delivery",
        "deliveries.revoke_trackinglink",
        "orders.cancel_order",
        "webhooks.replay_webhookevent",
    ),
    Role.OPS_LEAD: (
        *_VIEW,
        "notifications.*",
        "deliveries.*",
        "orders.*",
        "riders.*",
        "webhooks.*",
        "foundation.*_user",
        "django_celery_beat.*",
    ),
    Role.FINANCE: (*_VIEW, "payouts.*", "orders.refund_order"),
}
