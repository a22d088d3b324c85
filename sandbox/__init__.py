"""The outside world in miniature: embedded servers, providers and a simulated city. Imports nothing of Handoff."""
