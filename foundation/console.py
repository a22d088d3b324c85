"""What the console's pages share: lists that stay fast at ten million rows, and actions that ask for a reason (SPEC A3,
A5).

Rows are read in the console and changed by verbs; nothing is added, edited or deleted by hand.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any
from urllib.parse import urlencode

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

from foundation.actions import Action, ReasonForm
from foundation.events import Cause

MAX_COUNTED = 10_000
MAX_PREVIEWED = 20
CONFIRMED = "confirmed"


class CappedPaginator(Paginator):
    """Counts at most 10,000 rows: a full count of a large table takes longer than the page itself."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[:MAX_COUNTED].count()
        return min(len(rows), MAX_COUNTED)


class ReadOnlyAdmin(admin.ModelAdmin):
    """A page to look at. Give it an `ordering` and filters on indexed columns only; `verbs` are what can be done
    there."""

    verbs: Sequence[Action] = ()

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

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The page's `verbs` that this person may use."""
        permitted = (verb for verb in self.verbs if verb.is_permitted(request.user))  # type: ignore[arg-type]
        return {verb.name: (admin_action(verb), verb.name, verb.label) for verb in permitted}

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
    model = _find_model(site, kind)
    if model is None or not (number.isascii() and number.isdigit()):
        return subject
    url = reverse(f"{site.name}:{model._meta.app_label}_{kind}_change", args=[number])
    return format_html('<a href="{}">{} {}</a>', url, model._meta.verbose_name, number)


def link_search(site: admin.AdminSite, kind: str, text: str) -> SafeString | str:
    """A link to the list of `kind` ("order"), searched for `text`."""
    model = _find_model(site, kind)
    if model is None or not text:
        return text
    url = reverse(f"{site.name}:{model._meta.app_label}_{kind}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode({"q": text}), text)


def _find_model(site: admin.AdminSite, kind: str) -> type[Model] | None:
    return next((model for model in site._registry if model._meta.model_name == kind), None)


def has_permission(permission: str) -> Callable[[Any, HttpRequest], bool]:
    """`has_write_permission = has_permission("app.codename")` on a page that asks by itself."""

    def is_allowed(self: Any, request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return is_allowed


def admin_action(action: Action) -> Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]:
    """The action as Django admin calls one: a confirm page that asks for a reason and the action's fields, then row by
    row.

    What worked is in Django's log and, by the verb, in the history; what did not is shown with its row.
    """

    def run_in_admin(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        form = action.build_form(request.POST if CONFIRMED in request.POST else None)
        rows = list(queryset.order_by("pk"))
        if not form.is_bound or not form.is_valid():
            return _confirm_page(page, request, action, rows, form)
        for result in action.run_on_rows(rows, form.to_request(Cause(f"user:{request.user.pk}", "admin"))):
            if result.error:
                page.message_user(request, f"{result.row}: {result.error}", messages.ERROR)
            else:
                page.log_change(request, result.row, f"{result.done}: {form.cleaned_data['reason']}")
                page.message_user(request, f"{result.row}: {result.done}", messages.SUCCESS)
        return None

    return run_in_admin


def _confirm_page(
    page: admin.ModelAdmin, request: HttpRequest, action: Action, rows: list[Any], form: ReasonForm
) -> HttpResponse:
    previews = [action.preview(row) for row in rows[:MAX_PREVIEWED]] if action.preview else []
    context = {
        **page.admin_site.each_context(request),
        "title": f"{action.label}?",
        "rows": list(zip_longest(rows, previews)),
        "form": form,
        "opts": page.model._meta,
        "action": request.POST.get("action", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": CONFIRMED,
        "media": page.media,
    }
    return TemplateResponse(request, "foundation/confirm_action.html", context)
