from django.apps import AppConfig


class RidersConfig(AppConfig):
    name = "riders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from riders import checks  # noqa: F401 - registers the system checks
