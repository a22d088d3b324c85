"""Finding orders by either id, on an index each."""

import pytest
from django.db import connection

from foundation.errors import Invalid, NotFound
from foundation.models import Role
from orders import locks, selectors
from orders.models import Order
from tests import builders

pytestmark = pytest.mark.django_db


# spec: T1
@pytest.mark.parametrize("ref", ["", "a b", "x" * 65, "a/b", "é", "a\n", "../etc"])
def test_a_malformed_id_is_400(ref) -> None:
    with pytest.raises(Invalid) as refused:
        locks.find_order(None, ref)
    assert (refused.value.status, refused.value.code) == (400, "MALFORMED_ID")


# spec: T1
def test_an_unknown_id_and_somebody_else_s_are_404() -> None:
    order, other = builders.order(), builders.user(Role.STOREFRONT)
    for storefront, ref in [(None, "nothing"), (other, order.order_id), (other, order.public_id)]:
        with pytest.raises(NotFound):
            locks.find_order(storefront, ref)
    with pytest.raises(NotFound):
        locks.lock_by_public_id("nothing")


# spec: T1
def test_either_id_finds_it() -> None:
    order = builders.order()
    for storefront in (order.storefront, None):
        for ref in (order.order_id, order.public_id):
            assert locks.find_order(storefront, ref).pk == order.pk


def plan(queryset) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    return queryset.explain()


# spec: A5
def test_the_console_s_search_reads_indexes_only() -> None:
    builders.order()
    text = plan(Order.objects.filter(selectors.matching_orders("o_x")))
    assert "Seq Scan on orders_order" not in text
    assert text.count("Bitmap Index Scan") == 3


# spec: A5
def test_the_console_s_list_reads_an_index_in_order() -> None:
    with connection.cursor() as cursor:  # in an empty table either index costs the same: leave the one that is meant
        cursor.execute("DROP INDEX order_recent")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")  # what there is hardly anything of is sorted for nothing
    text = plan(Order.objects.filter(status="pending").order_by("-created_at")[:50])
    assert "order_by_status" in text
    assert "Sort" not in text
