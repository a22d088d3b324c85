"""deliveries: dispatch, offers, couriers, position checks, fraud flags, tracking, sockets."""
