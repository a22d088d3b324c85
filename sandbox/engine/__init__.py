"""What every provider stands on: HTTP server, store, call log, faults, webhook sender, inbox, control API, desk."""
