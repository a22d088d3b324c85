"""Many rows at once, made in the database from one real one: for plans and figures that only show among many."""

from django.db import connection

from orders.models import Order


def of_order(template: Order, many: int, **instead: str) -> list[str]:
    """So many copies of an order; `instead` gives columns other SQL values. Returns their public ids."""
    columns = [field.column for field in Order._meta.local_fields if not field.primary_key]
    own = {
        "public_id": "'o_copy' || n",
        "order_id": "'copy-' || n",
        "stripe_payment_intent": "'pi_copy' || n",
        **{column: f"'{value}'" for column, value in instead.items()},
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO orders_order ({', '.join(columns)}) SELECT {', '.join(own.get(one, one) for one in columns)}"
            " FROM orders_order, generate_series(1, %s) n WHERE id = %s RETURNING public_id",
            [many, template.pk],
        )
        return [row[0] for row in cursor.fetchall()]
