"""The webhook endpoint: receive, verify, store, hand on what providers tell us."""
