"""The fast lane: `/webhooks/*` answered in front of Django.

Django's request, middleware and response cost more than the whole of verifying and storing an event. It leaves
them out and shares all else: settings, secrets, webhook endpoints and intake.answer_request, which the plain view
(webhooks/views.py) runs as well. Everything that is no webhook goes on to Django untouched.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from webhooks import intake, registry

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class WebhookFastLane:
    """A WSGI application around Django's."""

    def __init__(self, django_application: Application) -> None:
        self._django = django_application
        for provider in registry.webhook_providers().values():
            provider.warm_up()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(intake.PREFIX):
            return self._django(environ, start_response)
        reply = intake.answer_request(environ)
        length = ("Content-Length", str(len(reply.body)))
        start_response(_LINES[reply.status], [("Content-Type", reply.content_type), length, *reply.headers])
        return [reply.body]
