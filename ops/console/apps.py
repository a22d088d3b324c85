from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """Django admin as Handoff's console; its site is ops/console/site.py."""

    default_site = "ops.console.site.ConsoleSite"
