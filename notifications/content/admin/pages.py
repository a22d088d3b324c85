"""The templates page of the console (SPEC N4, A3): all texts with what is in force, and one page to write each.

Works without JavaScript (a Preview button); with it, the preview follows what is typed. Everything changes by the verbs
of notifications/content/override_commands.py; those who may not write see the same pages without buttons.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from foundation.console import ReadOnlyAdmin, has_permission
from foundation.errors import APIError, Conflict, NotFound
from foundation.events import Cause
from notifications.content import override_commands, overrides
from notifications.content.admin import history, overview, preview
from notifications.content.admin.forms import DecisionForm, DraftForm, draft_of
from notifications.content.override_commands import LANGUAGES, TextPlace
from notifications.content.overrides import EVERY_CHANNEL, EffectiveTexts
from notifications.content.template import MessageText
from notifications.content.variables import VARIABLES, sample_params
from notifications.models import TextOverride

HTTP_CONFLICT = 409


class TextOverrideAdmin(ReadOnlyAdmin):
    may_write = has_permission("notifications.add_textoverride")
    may_decide = has_permission("notifications.change_textoverride")

    def get_urls(self) -> list[URLPattern]:
        key = "<str:event>/<str:language>/<str:channel>"
        return [
            path(f"write/{key}", self.admin_site.admin_view(self.edit_text), name="notifications_textoverride_write"),
            path(
                f"preview/{key}",
                self.admin_site.admin_view(self.show_preview),
                name="notifications_textoverride_preview",
            ),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """All texts, instead of the rows of a table."""
        self._require_view(request)
        words, show = request.GET.get("q", "").strip(), request.GET.get("show", "")
        context = {
            **self._page_context(request, "Templates"),
            "groups": overview.list_groups(words=words, show=show),
            "words": words,
            "show": show,
            "shows": overview.SHOWS.items(),
        }
        return TemplateResponse(request, "admin/notifications/textoverride/overview.html", context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A version is looked at where it is written."""
        self._require_view(request)
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return HttpResponseRedirect(f"{_page_address(row.event, row.language, row.channel)}#v{row.version}")

    def edit_text(self, request: HttpRequest, event: str, language: str, channel: str) -> HttpResponse:
        """One text: what is in force, a draft with its preview, and all versions."""
        self._require_view(request)
        where = _get_place(event, language, channel)
        do = request.POST.get("do", "") if request.method == "POST" else ""
        if do == "save":
            return self._save(request, where)
        if do in DECISIONS:
            return self._take_decision(request, where, do)
        return self._render_page(request, where, _load_draft(request, where))

    @method_decorator(require_POST)
    def show_preview(self, request: HttpRequest, event: str, language: str, channel: str) -> HttpResponse:
        """The preview of what is being typed, as a piece of HTML."""
        self._require_view(request)
        where = _get_place(event, language, channel)
        words = overrides.load_texts(where.template, where.language)
        context = {"preview": preview.build_preview(where, draft_of(request.POST), words), "where": where}
        return TemplateResponse(request, "admin/notifications/textoverride/preview.html", context)

    # ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────
    def _save(self, request: HttpRequest, where: TextPlace) -> HttpResponse:
        self._require_permission(self.may_write(request))
        form = DraftForm(where, request.POST)
        if not form.is_valid():
            return self._render_page(request, where, form)
        data = form.cleaned_data
        try:
            row = override_commands.override_text(
                where, form.draft_text(), based_on=data["based_on"], why=data["why"], by=_request_cause(request)
            )
        except Conflict as conflict:
            form = DraftForm(where, _going_on(request.POST, where))
            form.add_error(None, conflict.message)
            return self._render_page(request, where, form, status=HTTP_CONFLICT)
        except APIError as problem:
            form.add_error(problem.field if problem.field in form.fields else None, problem.message)
            return self._render_page(request, where, form)
        return self._redirect_done(request, where, row, f"version {row.version} saved")

    def _take_decision(self, request: HttpRequest, where: TextPlace, do: str) -> HttpResponse:
        self._require_permission(self.may_decide(request) if do in ("approve", "refuse") else self.may_write(request))
        form = DecisionForm(request.POST)
        if not form.is_valid():
            messages.error(request, "; ".join(f"{name}: {errors.as_text()}" for name, errors in form.errors.items()))
            return HttpResponseRedirect(_address_of(where))
        try:
            row, done = DECISIONS[do](where, form.cleaned_data, _request_cause(request))
        except APIError as problem:
            messages.error(request, problem.message)
            return HttpResponseRedirect(_address_of(where))
        return self._redirect_done(request, where, row, done)

    def _redirect_done(self, request: HttpRequest, where: TextPlace, row: TextOverride, done: str) -> HttpResponse:
        self.log_change(request, row, f"{done}: {request.POST.get('why', '').strip()}")
        messages.success(request, f"{done} ({where.event})")
        return HttpResponseRedirect(_address_of(where))

    # ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _render_page(
        self, request: HttpRequest, where: TextPlace, form: DraftForm, *, status: int = 200
    ) -> HttpResponse:
        words = overrides.load_texts(where.template, where.language)
        entries = history.list_versions(where)
        context = {
            **self._page_context(request, where.event),
            **_page_surroundings(where, words),
            "form": form,
            "preview": preview.build_preview(where, form.unchecked_text(), words),
            "entries": entries,
            "newest": entries[0].row if entries else None,
            "own": words.find_override(where.channel, where.language),
            "next_version": (entries[0].row.version if entries else override_commands.BUILT_IN) + 1,
            "built_in": history.built_in(where),
            "may_write": self.may_write(request),
            "may_decide": self.may_decide(request),
        }
        return TemplateResponse(request, "admin/notifications/textoverride/write.html", context, status=status)

    def _page_context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts}

    def _require_view(self, request: HttpRequest) -> None:
        self._require_permission(self.has_view_permission(request))

    def _require_permission(self, allowed: bool) -> None:
        if not allowed:
            raise PermissionDenied


def _bring_back(where: TextPlace, data: dict[str, Any], by: Cause) -> tuple[TextOverride, str]:
    row = override_commands.bring_back(where, data["version"], based_on=data["based_on"], why=data["why"], by=by)
    return row, f"version {data['version']} brought back as version {row.version}" if data["version"] else "taken back"


def _approve_version(where: TextPlace, data: dict[str, Any], by: Cause) -> tuple[TextOverride, str]:
    row = _get_version(where, data["version"])
    override_commands.approve_version(row.pk, why=data["why"], by=by)
    return row, f"version {row.version} approved by Meta"


def _refuse_version(where: TextPlace, data: dict[str, Any], by: Cause) -> tuple[TextOverride, str]:
    row = _get_version(where, data["version"])
    override_commands.refuse_version(row.pk, why=data["why"], by=by)
    return row, f"version {row.version} refused by Meta"


Decide = Callable[[TextPlace, dict[str, Any], Cause], tuple[TextOverride, str]]
DECISIONS: dict[str, Decide] = {"bring_back": _bring_back, "approve": _approve_version, "refuse": _refuse_version}


def _get_version(where: TextPlace, version: int) -> TextOverride:
    row = TextOverride.objects.filter(**where.key, version=version).first()
    if row is None:
        raise NotFound(f"there is no version {version}")
    return row


# ── addresses and drafts ─────────────────────────────────────────────────────────────────────────────────────────
def _get_place(event: str, language: str, channel: str) -> TextPlace:
    try:
        return override_commands.get_place(
            event, EVERY_CHANNEL if channel == overview.EVERYWHERE else channel, language
        )
    except NotFound as error:
        raise Http404 from error


def _page_address(event: str, language: str, channel: str) -> str:
    return reverse("admin:notifications_textoverride_write", args=[event, language, channel or overview.EVERYWHERE])


def _address_of(where: TextPlace) -> str:
    return _page_address(where.event, where.language, where.channel)


def _request_cause(request: HttpRequest) -> Cause:
    return Cause(f"user:{request.user.pk}", "admin")


def _load_draft(request: HttpRequest, where: TextPlace) -> DraftForm:
    """What was being written, for a preview without JavaScript; else what stands here, to go on from."""
    last = override_commands.newest_version(where)
    if request.method == "POST":
        return DraftForm(where, initial=request.POST.dict())
    words = overrides.load_texts(where.template, where.language)
    own = words.find_override(where.channel, where.language)
    text = MessageText(own.title, own.body) if own else overview.version_in_force(words, where.channel).text
    return DraftForm(
        where, initial={**text._asdict(), "based_on": last.version if last else override_commands.BUILT_IN}
    )


def _going_on(posted: QueryDict, where: TextPlace) -> QueryDict:
    """The same draft, on top of what somebody else saved meanwhile: who saves it again does so knowingly."""
    data, last = posted.copy(), override_commands.newest_version(where)
    data["based_on"] = str(last.version if last else override_commands.BUILT_IN)
    return data


def _page_surroundings(where: TextPlace, words: EffectiveTexts) -> dict[str, Any]:
    """What stands around a draft: languages and channels to go to, and what may stand in its blanks."""
    line = overview.build_row(words, where.language)
    values = sample_params(where.template)
    return {
        "where": where,
        "address": where.channel or overview.EVERYWHERE,
        "line": line,
        "channel_title": overview.title_of(where.channel),
        "standing": overview.version_in_force(words, where.channel),
        "languages": [
            (_page_address(where.event, one, where.channel), one, overview.language_title(one)) for one in LANGUAGES
        ],
        "channels": [
            (_page_address(where.event, where.language, cell.channel), cell) for cell in (line.every, *line.cells)
        ],
        "variables": [
            (name, VARIABLES[name], values[name], name in where.template.essential) for name in sorted(values)
        ],
    }
