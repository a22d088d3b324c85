"""Writing texts as ops would, in few words."""

from foundation.events import Cause
from foundation.models import Role, User
from notifications.channels import CHANNELS
from notifications.content import override_commands
from notifications.content.template import MessageText, Template
from notifications.models import TextOverride


def writer(name: str = "meera") -> Cause:
    """Somebody of ops who writes."""
    return Cause(f"user:{User.objects.create_user(name, role=Role.OPS_LEAD).pk}", "admin")


def reword(
    template: Template, channel: str, language: str, body: str, *, by: Cause, title: str = "On the way"
) -> TextOverride:
    """A new version on top of the newest."""
    where = override_commands.get_place(template.event, channel, language)
    last = override_commands.newest_version(where)
    titled = not channel or CHANNELS[channel].titled
    text = MessageText(title if titled else "", body)
    return override_commands.override_text(where, text, based_on=last.version if last else 0, why="reads better", by=by)
