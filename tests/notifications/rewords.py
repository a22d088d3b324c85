"""Writing texts as ops would, in few words."""

from foundation.events import Cause
from foundation.models import Role, User
from notifications import rewording
from notifications.channels import CHANNELS
from notifications.models import Wording
from notifications.texts import Template, Text


def writer(name: str = "meera") -> Cause:
    """Somebody of ops who writes."""
    return Cause(f"user:{User.objects.create_user(name, role=Role.OPS_LEAD).pk}", "admin")


def reword(
    template: Template, channel: str, language: str, body: str, *, by: Cause, title: str = "On the way"
) -> Wording:
    """A new version on top of the newest."""
    where = rewording.place(template.event, channel, language)
    last = rewording.newest(where)
    titled = not channel or CHANNELS[channel].titled
    text = Text(title if titled else "", body)
    return rewording.reword(where, text, based_on=last.version if last else 0, why="reads better", by=by)
