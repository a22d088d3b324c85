"""What COOCO charges, by its contract (SPEC C6).

$3.00 and $0.50 for each kilometre, both three tenths higher when the pickup is asked for between 17:00 and 20:00 at the
store; $5.00 for a cancellation once a driver is assigned.

Pure. US cents. The sum is exact and is rounded once, at the end, half a cent up. What counts is the clock on the
store's wall at the requested pickup, on days when clocks change too.
"""

from datetime import datetime, time
from zoneinfo import ZoneInfo

CURRENCY = "USD"
BASE_MINOR = 300
PER_KM_MINOR = 50
PEAK_PERCENT = 130
PEAK_FROM, PEAK_UNTIL = time(17), time(20)  # until is not part of it
CANCELLATION_FEE_MINOR = 500

_METRES = 1000
_PERCENT = 100


def delivery_fee_minor(distance_m: int, pickup_at: datetime, time_zone: str) -> int:
    """For one delivery. Raises ValueError for a negative distance or a time without an offset, ZoneInfoNotFoundError
    for a time zone that does not exist."""
    if distance_m < 0:
        raise ValueError(f"a distance of {distance_m} m")
    percent = PEAK_PERCENT if is_peak(pickup_at, time_zone) else _PERCENT
    exact = (BASE_MINOR * _METRES + PER_KM_MINOR * distance_m) * percent  # in 1/100,000 cents
    whole = _METRES * _PERCENT
    return (2 * exact + whole) // (2 * whole)


def is_peak(pickup_at: datetime, time_zone: str) -> bool:
    if pickup_at.tzinfo is None:
        raise ValueError("a time without an offset")
    return PEAK_FROM <= pickup_at.astimezone(ZoneInfo(time_zone)).time() < PEAK_UNTIL
