from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """Django admin as Handoff's console; its site is config/console/site.py."""

    default_site = "config.console.site.ConsoleSite"
