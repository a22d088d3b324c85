"""Hours that are alike: the hour of the day where the store is, working days and weekends apart (0 to 47).

Kitchens and roads are learned by them (orders/stores/preparation_times.py, deliveries/eta/learned_speeds.py): finer
than this a store has too few orders to tell, coarser and lunch is taken for midnight.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from orders.models import Store

SATURDAY = 5
WEEKEND = 24  # slots from here on

# PostgreSQL may not know every zone that Python knows: such a store is learned by UTC, and the night goes on.
ZONES = "LEFT JOIN pg_timezone_names z ON z.name = s.time_zone"


def slot_of(store: Store, at: datetime) -> int:
    local = at.astimezone(ZoneInfo(store.time_zone))
    return local.hour + (WEEKEND if local.weekday() >= SATURDAY else 0)


def slot_sql(moment: str) -> str:
    """`slot_of` as an expression over a timestamptz; wants `s` (the store) and `z` (ZONES)."""
    local = f"{moment} AT TIME ZONE coalesce(z.name, 'UTC')"
    return (
        f"(extract(hour FROM {local}) + CASE WHEN extract(isodow FROM {local}) > {SATURDAY} THEN {WEEKEND}"
        " ELSE 0 END)::smallint"
    )
