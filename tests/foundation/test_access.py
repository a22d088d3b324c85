"""Who may do what in the console: by role, from one table."""

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.module_loading import import_string

from foundation.access import is_granted
from foundation.models import STAFF_ROLES, Role, User

GRANTS: dict[str, tuple[str, ...]] = import_string(settings.ROLE_GRANTS)
LOOKS = ("orders.view_order", "payouts.view_payout", "notifications.view_incident", "webhooks.view_webhookevent")


def person(role: Role, **facts) -> User:
    return User(username=role, role=role, **facts)


# spec: A5
@pytest.mark.parametrize("role", sorted(STAFF_ROLES))
def test_all_staff_may_look_at_everything(role):
    assert all(person(role).has_perm(permission) for permission in LOOKS)


# spec: A5
@pytest.mark.parametrize(
    ("permission", "who"),
    [
        ("notifications.decide_incident", {Role.OPS_AGENT, Role.OPS_LEAD}),
        ("deliveries.decide_fraudflag", {Role.OPS_AGENT, Role.OPS_LEAD}),
        ("webhooks.replay_webhookevent", {Role.OPS_AGENT, Role.OPS_LEAD}),
        ("orders.cancel_order", {Role.OPS_AGENT, Role.OPS_LEAD}),
        ("orders.refund_order", {Role.OPS_LEAD, Role.FINANCE}),
        ("payouts.approve_payout", {Role.FINANCE}),
        ("foundation.change_user", {Role.OPS_LEAD}),
        ("foundation.delete_user", {Role.OPS_LEAD}),
        ("django_celery_beat.change_periodictask", {Role.OPS_LEAD}),
    ],
)
def test_actions_belong_to_the_roles_of_the_table(permission, who):
    assert {role for role in Role if person(role).has_perm(permission)} == who


# spec: A5 S1
@pytest.mark.parametrize("role", sorted(set(Role) - STAFF_ROLES))
def test_outsiders_have_no_part_in_the_console(db, client, role):
    outsider = User.objects.create_user("outsider", role=role)
    assert not outsider.is_staff
    assert not any(outsider.has_perm(permission) for permission in LOOKS)
    assert not outsider.has_module_perms("orders")
    client.force_login(outsider)
    assert client.get("/admin/").status_code == 302


def test_who_was_switched_off_or_never_signed_in_may_nothing():
    assert not person(Role.OPS_LEAD, is_active=False).has_perm("orders.view_order")
    assert not AnonymousUser().has_perm("orders.view_order")
    assert not AnonymousUser().has_module_perms("orders")


def test_grants_are_whole_names_not_beginnings():
    assert is_granted(Role.FINANCE, "payouts.retry_payout")
    assert not is_granted(Role.FINANCE, "payouts_of_others.retry_payout")
    assert not is_granted(Role.FINANCE, "orders.refund_order_of_others")
    assert not is_granted("a role that is gone", "orders.view_order")


def test_every_role_of_staff_has_its_line_and_nobody_else():
    assert set(GRANTS) == set(STAFF_ROLES)


def test_a_role_decides_who_is_staff_whatever_is_ticked(db):
    user = User.objects.create_user("x", role=Role.RIDER, is_staff=True)
    assert not user.is_staff
    user.role = Role.FINANCE
    user.save()
    assert User.objects.get().is_staff
