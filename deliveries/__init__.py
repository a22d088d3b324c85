"""The road: dispatch, offers, couriers, position checks, fraud flags, tracking, sockets."""
