"""The door: receive, verify, store, hand on what providers tell us."""
