from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Only the two commands that write down what this room holds: `configuration` and `install_schedule`."""

    name = "config"
    label = "config"
