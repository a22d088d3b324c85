"""System checks of the foundation: jobs that nobody would ever run (ids foundation.E…)."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from foundation import jobs


@register
def check_job_handlers(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Every name that reactions or deadlines enqueue has a handler: an unknown one would be put back for ever."""
    jobs.load_handlers()
    reactions: dict[str, list[str]] = import_string(settings.REACTIONS)
    used = {name: f"config/reactions.py, on {event}" for event, names in reactions.items() for name in names}
    used |= dict.fromkeys(jobs.NAMES_IN_USE, "jobs.handler_name")
    return [
        Error(
            f"no job handler is registered as {name!r} (named in {where})",
            hint="Register one with @job_handler in the room's reactions.py, or keep the old name as an alias.",
            id="foundation.E001",
        )
        for name, where in sorted(used.items())
        if name not in jobs.HANDLERS
    ]
