"""What the console's pages share: lists that stay fast at ten million rows, and actions that ask for a reason (SPEC A3,
A5).

Rows are read in the console and changed by verbs; nothing is added, edited or deleted by hand.
"""

import functools
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from foundation.errors import APIError
from foundation.events import Cause

MOST_COUNTED = 10_000
MOST_PREVIEWED = 20
CONFIRMED = "confirmed"


class CappedPaginator(Paginator):
    """Counts at most 10,000 rows: a full count of a large table takes longer than the page itself."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[:MOST_COUNTED].count()
        return min(len(rows), MOST_COUNTED)


class ReadOnlyAdmin(admin.ModelAdmin):
    """A page to look at. Give it an `ordering` and filters on indexed columns only."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet is a full count
    list_per_page = 50
    list_max_show_all = 0

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *more: Any) -> HttpResponse | None:
        """With a capped count nobody sees how many rows "all" are, so only what was ticked is acted on."""
        if request.POST.get("select_across") not in (None, "", "0"):
            self.message_user(
                request, "Tick the rows: an action never acts on rows that you do not see", messages.ERROR
            )
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *more)


def render_table(heads: Sequence[str], rows: Iterable[Iterable[Any]]) -> SafeString:
    """A table on a page; every cell is escaped."""
    head = format_html_join("", "<th>{}</th>", ((name,) for name in heads))
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((c,) for c in row)),) for row in rows)
    )
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


def link_subject(site: admin.AdminSite, subject: str) -> SafeString | str:
    """A subject ("payout:12") as a link to its page in the console; as it is, where it has none."""
    kind, _, number = subject.partition(":")
    model = _of_kind(site, kind)
    if model is None or not (number.isascii() and number.isdigit()):
        return subject
    url = reverse(f"{site.name}:{model._meta.app_label}_{kind}_change", args=[number])
    return format_html('<a href="{}">{} {}</a>', url, model._meta.verbose_name, number)


def link_search(site: admin.AdminSite, kind: str, text: str) -> SafeString | str:
    """A link to the list of `kind` ("order"), searched for `text`."""
    model = _of_kind(site, kind)
    if model is None or not text:
        return text
    url = reverse(f"{site.name}:{model._meta.app_label}_{kind}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode({"q": text}), text)


def _of_kind(site: admin.AdminSite, kind: str) -> type[Model] | None:
    return next((model for model in site._registry if model._meta.model_name == kind), None)


@dataclass(frozen=True)
class ActionRequest:
    """What a person decided on the confirm page. `nonce` is the page's own: the same page sent twice has the same."""

    by: Cause
    reason: str
    nonce: str
    fields: Mapping[str, Any]


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=300, strip=True, widget=forms.Textarea({"rows": 2}))
    nonce = forms.UUIDField(widget=forms.HiddenInput, required=True)


Verb = Callable[[Any, Any, ActionRequest], str]


def reasoned_action(
    description: str,
    *,
    permission: str,
    fields: Mapping[str, Callable[[], forms.Field]] | None = None,
    preview: Callable[[Any], str] | None = None,
) -> Callable[[Verb], Callable[..., HttpResponse | None]]:
    """An admin action with a confirm page that asks for a reason and for `fields` (name -> form field factory).

    Decorates `verb(self, row, decision) -> str`, which opens its own transactions and says what it did. It is run row
    by row: a APIError is shown with its row and stops no other; what worked is in Django's log and, by the verb, in the
    history. `permission` is "cancel" for a page that defines `has_cancel_permission` (see `has_permission`).
    `preview(row)` says on the confirm page, for each of the first rows, what the action would do.
    """

    def decorate(verb: Verb) -> Callable[..., HttpResponse | None]:
        @admin.action(description=description, permissions=[permission])
        @functools.wraps(verb)
        def action(self: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            form = _build_form(request, fields or {})
            rows = list(queryset.order_by("pk"))
            if not form.is_bound or not form.is_valid():
                return _confirm_page(self, request, description, rows, form, preview)
            decision = _build_request(request, form)
            for row in rows:
                _run_on_row(self, request, row, verb, decision)
            return None

        return action

    return decorate


def has_permission(permission: str) -> Callable[[Any, HttpRequest], bool]:
    """`has_cancel_permission = may("orders.cancel_order")`: what an action's `permission` asks."""

    def is_allowed(self: Any, request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return is_allowed


def _build_form(request: HttpRequest, fields: Mapping[str, Callable[[], forms.Field]]) -> ReasonForm:
    kind = type("DecisionForm", (ReasonForm,), {name: make() for name, make in fields.items()})
    made: ReasonForm = kind(request.POST) if CONFIRMED in request.POST else kind(initial={"nonce": uuid.uuid4()})
    return made


def _build_request(request: HttpRequest, form: ReasonForm) -> ActionRequest:
    data = dict(form.cleaned_data)
    return ActionRequest(
        by=Cause(f"user:{request.user.pk}", "admin"),
        reason=data.pop("reason"),
        nonce=str(data.pop("nonce")),
        fields=data,
    )


def _run_on_row(page: admin.ModelAdmin, request: HttpRequest, row: Model, verb: Verb, decision: ActionRequest) -> None:
    try:
        done = verb(page, row, decision)
    except APIError as problem:
        field = f"{problem.field}: " if problem.field else ""
        page.message_user(request, f"{row}: {field}{problem.message}", messages.ERROR)
        return
    page.log_change(request, row, f"{done}: {decision.reason}")
    page.message_user(request, f"{row}: {done}", messages.SUCCESS)


def _confirm_page(
    page: admin.ModelAdmin,
    request: HttpRequest,
    description: str,
    rows: list[Any],
    form: ReasonForm,
    preview: Callable[[Any], str] | None,
) -> HttpResponse:
    previews = [preview(row) for row in rows[:MOST_PREVIEWED]] if preview else []
    context = {
        **page.admin_site.each_context(request),
        "title": f"{description}?",
        "rows": list(zip_longest(rows, previews)),
        "form": form,
        "opts": page.model._meta,
        "action": request.POST.get("action", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": CONFIRMED,
        "media": page.media,
    }
    return TemplateResponse(request, "foundation/reasoned_action.html", context)
