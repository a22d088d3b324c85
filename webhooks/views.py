"""The webhook endpoints as Django views: the same answers as the fast lane's, for servers that run Django alone."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from webhooks import intake


@csrf_exempt
def receive_webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """POST /webhooks/{provider}: a provider's event; 200 means that it is stored. GET: a provider's greeting."""
    reply = intake.answer_request(request.META)
    headers = {"Content-Length": str(len(reply.body)), **dict(reply.headers)}
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type, headers=headers)
