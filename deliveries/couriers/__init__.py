"""Who can carry a delivery: our own riders, and courier companies (SPEC C1).

A courier company is one module here and one line in COMPANIES. In this release there is none: dispatch asks, skips that
step, and says so in its decisions (SPEC D4).
"""

from deliveries.models import IN_HOUSE

COMPANIES: tuple[str, ...] = ()
ALL = (IN_HOUSE, *COMPANIES)
