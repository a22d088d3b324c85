"""What every HTTP API of the house shares: authentication, error bodies, strict parsing."""
