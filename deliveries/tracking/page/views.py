"""`/track/<token>` (SPEC T3): the page, its state as JSON, its ticket for the sockets and its forms.

Whoever has the link may look and speak for the customer; who has not is told no more than that it does not work.
Nothing here is stored by browsers, indexed, framed, or tells others where it came from. How often is limited: looking
so generously that a family with open pages never meets it, the forms strictly, guessing by address.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from deliveries.models import Delivery, TrackingLink
from deliveries.tracking import links, masked_calls, ratings
from deliveries.tracking.links import LinkExpired
from deliveries.tracking.page.forms import (
    AnswerForm,
    MissingForm,
    PreferencesForm,
    RatingForm,
    came_from_page,
    form_token,
)
from deliveries.tracking.page.state import etag_of, may_change, state_of
from deliveries.tracking.page.subscription import socket_url
from foundation import limits
from foundation.errors import APIError, Conflict, Forbidden, Invalid, NotFound, TooManyRequests
from foundation.events import Cause
from foundation.limits import RateLimitRule
from orders import delivery_preferences, locks, substitutions
from orders.lifecycle import SubstitutionPreference
from orders.models import Order, Substitution
from orders.substitutions import SubstitutionDecision

View = Callable[[HttpRequest, TrackingLink], HttpResponse]
REFRESH_S = 30  # without JavaScript
SEE_OTHER = 303
LOOKS = RateLimitRule("track_look", "TRACKING_LOOKS_PER_MINUTE", per_s=60)
FORMS = RateLimitRule("track_form", "TRACKING_FORMS_PER_HOUR", per_s=3600)
USELESS = RateLimitRule("track_useless", "USELESS_LINKS_PER_MINUTE", per_s=60)


def opened_by_link(*, as_json: bool = False) -> Callable[[View], Callable[..., HttpResponse]]:
    """A view that is given the link instead of the token, and whose answers keep to themselves."""

    def decorate_view(view: View) -> Callable[..., HttpResponse]:
        @wraps(view)
        def view_with_link(request: HttpRequest, token: str) -> HttpResponse:
            try:
                answer = view(request, _find_link(request, token))
            except APIError as problem:
                if as_json:
                    answer = JsonResponse({"detail": problem.message, "code": problem.code}, status=problem.status)
                else:
                    answer = render(request, "tracking/gone.html", {"problem": problem}, status=problem.status)
                _add_headers(answer, problem.headers)
            return _kept_to_itself(answer)

        return view_with_link

    return decorate_view


def _find_link(request: HttpRequest, token: str) -> TrackingLink:
    """The link that is looked at. Raises what links.resolve_token raises, and TooManyRequests."""
    address = limits.client_address(request)
    limits.require_capacity(USELESS, address)
    try:
        link = links.resolve_token(token)
    except (NotFound, LinkExpired):
        limits.consume_call(USELESS, address)
        raise
    limits.consume_call(LOOKS, str(link.pk))
    return link


def _kept_to_itself(answer: HttpResponse) -> HttpResponse:
    headers = {
        "Content-Security-Policy": content_security_policy(),
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "Cache-Control": "private, no-store",
    }
    return _add_headers(answer, headers)


def _add_headers(answer: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    for name, value in headers.items():
        answer[name] = value
    return answer


def content_security_policy() -> str:
    tiles = urlsplit(settings.TRACKING_TILES_URL.replace("{s}", "*"))
    pictures = f" {tiles.scheme}://{tiles.netloc}" if tiles.netloc else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; img-src 'self' data:{pictures}; connect-src 'self' {settings.SOCKETS_URL}"
    )


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────
@require_safe
@opened_by_link()
def show_page(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    return _render_page(request, link)


@require_safe
@opened_by_link(as_json=True)
def show_state(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    """What the page shows now, with an ETag: asked often, mostly answered 304."""
    shown = state_of(link.order)
    etag = etag_of(shown)
    if etag in (tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")):
        return HttpResponse(status=304, headers={"ETag": etag})
    return JsonResponse(shown, headers={"ETag": etag})


@require_safe
@opened_by_link(as_json=True)
def issue_ticket(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    return JsonResponse({"url": socket_url(link)})


# ── saying ───────────────────────────────────────────────────────────────────────────────────────────────────────
@csrf_exempt
@require_POST
@opened_by_link()
def take_rating(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    def keep_rating(said: dict[str, Any]) -> None:
        ratings.rate_delivery(link.order_id, said["stars"], said["comment"], by=_customer_cause(link))

    return _run_form(request, link, RatingForm(request.POST), keep_rating)


@csrf_exempt
@require_POST
@opened_by_link()
def take_preferences(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    def keep_preferences(said: dict[str, Any]) -> None:
        with transaction.atomic():
            order = locks.lock_order(link.order_id)
            if not may_change(order, Delivery.objects.filter(order=order).order_by("-attempt").first()):
                raise Conflict("It is too late to change this", code="TOO_LATE")
            delivery_preferences.change_preferences(order, said, by=_customer_cause(link))

    return _run_form(request, link, PreferencesForm(request.POST), keep_preferences)


@csrf_exempt
@require_POST
@opened_by_link()
def call(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    def start_call(_: dict[str, Any]) -> None:
        masked_calls.call_driver(link.order_id, by=_customer_cause(link))

    return _run_form(request, link, forms.Form(request.POST), start_call)


@csrf_exempt
@require_POST
@opened_by_link()
def take_answer(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    def keep_answer(said: dict[str, Any]) -> None:
        decision = SubstitutionDecision(
            substitution_id=said["substitution"], accepted=said["answer"] == AnswerForm.ACCEPT
        )
        substitutions.decide_substitutions(
            link.order_id, [decision], how=Substitution.How.PAGE, by=_customer_cause(link)
        )

    return _run_form(request, link, AnswerForm(request.POST), keep_answer)


@csrf_exempt
@require_POST
@opened_by_link()
def take_missing_preference(request: HttpRequest, link: TrackingLink) -> HttpResponse:
    def keep_preference(said: dict[str, Any]) -> None:
        substitutions.set_preference(link.order_id, SubstitutionPreference(said["prefers"]), by=_customer_cause(link))

    return _run_form(request, link, MissingForm(request.POST), keep_preference)


def _run_form(
    request: HttpRequest, link: TrackingLink, form: forms.Form, keep: Callable[[dict[str, Any]], None]
) -> HttpResponse:
    """Do what the form says and show the page; what is wrong with it is said at the top of the page."""
    if not came_from_page(link, request.POST.get("form_token", "")):
        raise Forbidden("This did not come from the page", code="FORM_REFUSED")
    if not form.is_valid():
        field, complaints = next(iter(form.errors.items()))
        return _render_page(request, link, f"{field.replace('_', ' ').capitalize()}: {complaints[0]}", status=400)
    try:
        limits.consume_call(FORMS, str(link.pk))
        keep(form.cleaned_data)
    except (Conflict, Invalid, TooManyRequests) as problem:
        return _add_headers(_render_page(request, link, problem.message, status=problem.status), problem.headers)
    redirect = HttpResponseRedirect(_page_address(request, "track"))
    redirect.status_code = SEE_OTHER
    return redirect


def _customer_cause(link: TrackingLink) -> Cause:
    return Cause(f"customer:{link.order.customer_id}", f"tracking_link:{link.pk}")


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _render_page(request: HttpRequest, link: TrackingLink, problem: str = "", status: int = 200) -> HttpResponse:
    order = Order.objects.select_related("store", "customer").get(pk=link.order_id)
    shown = state_of(order)
    context = {
        "state": shown,
        "order": order,
        "address": order.address_snapshot.get("address", ""),
        "places": _map_places(order),
        "base": _page_address(request, "track"),
        "refresh_s": REFRESH_S if shown["live"] and "stay" not in request.GET and not problem else 0,
        "form_token": form_token(link),
        "problem": problem,
        "tiles": settings.TRACKING_TILES_URL,
        "tiles_credit": settings.TRACKING_TILES_CREDIT,
    }
    return render(request, "tracking/page.html", context, status=status)


def _map_places(order: Order) -> dict[str, Any]:
    """What the map shows besides the rider."""
    points = {"store": order.store.point, "door": order.point}
    return {name: None if point is None else {"lat": point.lat, "lng": point.lng} for name, point in points.items()}


def _page_address(request: HttpRequest, name: str) -> str:
    match = request.resolver_match
    return reverse(name, kwargs=match.kwargs if match else {})
