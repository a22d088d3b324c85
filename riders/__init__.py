"""Who carries for us: riders, availability, capacity, last position, status, referrals."""
