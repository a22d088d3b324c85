"""notifications: recipients, channels, templates, messages, incidents. Knows no orders."""
