"""The templates page of the console (SPEC N4, A3): all texts with what is in force, and one page to write each.

Works without JavaScript (a Preview button); with it, the preview follows what is typed. Everything changes by the verbs
of rewording.py; those who may not write see the same pages without buttons.
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

from foundation.console import ReadOnlyAdmin, may
from foundation.errors import Conflict, NotFound, Problem
from foundation.events import Cause
from notifications import rewording, wording
from notifications.editor import history, overview, preview
from notifications.editor.forms import DecisionForm, DraftForm, draft_of
from notifications.models import Wording
from notifications.rewording import LANGUAGES, Place
from notifications.texts import Text
from notifications.variables import VARIABLES, samples
from notifications.wording import EVERY_CHANNEL, Words

HTTP_CONFLICT = 409


class WordingAdmin(ReadOnlyAdmin):
    may_write = may("notifications.add_wording")
    may_decide = may("notifications.change_wording")

    def get_urls(self) -> list[URLPattern]:
        key = "<str:event>/<str:language>/<str:channel>"
        return [
            path(f"write/{key}", self.admin_site.admin_view(self.write), name="notifications_wording_write"),
            path(f"preview/{key}", self.admin_site.admin_view(self.preview), name="notifications_wording_preview"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """All texts, instead of the rows of a table."""
        self._require_view(request)
        words, show = request.GET.get("q", "").strip(), request.GET.get("show", "")
        context = {
            **self._context(request, "Templates"),
            "groups": overview.groups(words=words, show=show),
            "words": words,
            "show": show,
            "shows": overview.SHOWS.items(),
        }
        return TemplateResponse(request, "admin/notifications/wording/overview.html", context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A version is looked at where it is written."""
        self._require_view(request)
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return HttpResponseRedirect(f"{_address(row.event, row.language, row.channel)}#v{row.version}")

    def write(self, request: HttpRequest, event: str, language: str, channel: str) -> HttpResponse:
        """One text: what is in force, a draft with its preview, and all versions."""
        self._require_view(request)
        where = _place(event, language, channel)
        do = request.POST.get("do", "") if request.method == "POST" else ""
        if do == "save":
            return self._save(request, where)
        if do in DECISIONS:
            return self._decide(request, where, do)
        return self._page(request, where, _draft(request, where))

    @method_decorator(require_POST)
    def preview(self, request: HttpRequest, event: str, language: str, channel: str) -> HttpResponse:
        """The preview of what is being typed, as a piece of HTML."""
        self._require_view(request)
        where = _place(event, language, channel)
        words = wording.of(where.template, where.language)
        context = {"preview": preview.of(where, draft_of(request.POST), words), "where": where}
        return TemplateResponse(request, "admin/notifications/wording/preview.html", context)

    # ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────
    def _save(self, request: HttpRequest, where: Place) -> HttpResponse:
        self._require(self.may_write(request))
        form = DraftForm(where, request.POST)
        if not form.is_valid():
            return self._page(request, where, form)
        data = form.cleaned_data
        try:
            row = rewording.reword(where, form.text(), based_on=data["based_on"], why=data["why"], by=_by(request))
        except Conflict as conflict:
            form = DraftForm(where, _going_on(request.POST, where))
            form.add_error(None, conflict.message)
            return self._page(request, where, form, status=HTTP_CONFLICT)
        except Problem as problem:
            form.add_error(problem.field if problem.field in form.fields else None, problem.message)
            return self._page(request, where, form)
        return self._done(request, where, row, f"version {row.version} saved")

    def _decide(self, request: HttpRequest, where: Place, do: str) -> HttpResponse:
        self._require(self.may_decide(request) if do in ("approve", "refuse") else self.may_write(request))
        form = DecisionForm(request.POST)
        if not form.is_valid():
            messages.error(request, "; ".join(f"{name}: {errors.as_text()}" for name, errors in form.errors.items()))
            return HttpResponseRedirect(_address_of(where))
        try:
            row, done = DECISIONS[do](where, form.cleaned_data, _by(request))
        except Problem as problem:
            messages.error(request, problem.message)
            return HttpResponseRedirect(_address_of(where))
        return self._done(request, where, row, done)

    def _done(self, request: HttpRequest, where: Place, row: Wording, done: str) -> HttpResponse:
        self.log_change(request, row, f"{done}: {request.POST.get('why', '').strip()}")
        messages.success(request, f"{done} ({where.event})")
        return HttpResponseRedirect(_address_of(where))

    # ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _page(self, request: HttpRequest, where: Place, form: DraftForm, *, status: int = 200) -> HttpResponse:
        words = wording.of(where.template, where.language)
        entries = history.of(where)
        context = {
            **self._context(request, where.event),
            **_around(where, words),
            "form": form,
            "preview": preview.of(where, form.draft(), words),
            "entries": entries,
            "newest": entries[0].row if entries else None,
            "own": words.own(where.channel, where.language),
            "next_version": (entries[0].row.version if entries else rewording.BUILT_IN) + 1,
            "built_in": history.built_in(where),
            "may_write": self.may_write(request),
            "may_decide": self.may_decide(request),
        }
        return TemplateResponse(request, "admin/notifications/wording/write.html", context, status=status)

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts}

    def _require_view(self, request: HttpRequest) -> None:
        self._require(self.has_view_permission(request))

    def _require(self, allowed: bool) -> None:
        if not allowed:
            raise PermissionDenied


def _bring_back(where: Place, data: dict[str, Any], by: Cause) -> tuple[Wording, str]:
    row = rewording.bring_back(where, data["version"], based_on=data["based_on"], why=data["why"], by=by)
    return row, f"version {data['version']} brought back as version {row.version}" if data["version"] else "taken back"


def _approve(where: Place, data: dict[str, Any], by: Cause) -> tuple[Wording, str]:
    row = _version(where, data["version"])
    rewording.approve(row.pk, why=data["why"], by=by)
    return row, f"version {row.version} approved by Meta"


def _refuse(where: Place, data: dict[str, Any], by: Cause) -> tuple[Wording, str]:
    row = _version(where, data["version"])
    rewording.refuse(row.pk, why=data["why"], by=by)
    return row, f"version {row.version} refused by Meta"


Decide = Callable[[Place, dict[str, Any], Cause], tuple[Wording, str]]
DECISIONS: dict[str, Decide] = {"bring_back": _bring_back, "approve": _approve, "refuse": _refuse}


def _version(where: Place, version: int) -> Wording:
    row = Wording.objects.filter(**where.key, version=version).first()
    if row is None:
        raise NotFound(f"there is no version {version}")
    return row


# ── addresses and drafts ─────────────────────────────────────────────────────────────────────────────────────────
def _place(event: str, language: str, channel: str) -> Place:
    try:
        return rewording.place(event, EVERY_CHANNEL if channel == overview.EVERYWHERE else channel, language)
    except NotFound as error:
        raise Http404 from error


def _address(event: str, language: str, channel: str) -> str:
    return reverse("admin:notifications_wording_write", args=[event, language, channel or overview.EVERYWHERE])


def _address_of(where: Place) -> str:
    return _address(where.event, where.language, where.channel)


def _by(request: HttpRequest) -> Cause:
    return Cause(f"user:{request.user.pk}", "admin")


def _draft(request: HttpRequest, where: Place) -> DraftForm:
    """What was being written, for a preview without JavaScript; else what stands here, to go on from."""
    last = rewording.newest(where)
    if request.method == "POST":
        return DraftForm(where, initial=request.POST.dict())
    words = wording.of(where.template, where.language)
    own = words.own(where.channel, where.language)
    text = Text(own.title, own.body) if own else overview.standing(words, where.channel).text
    return DraftForm(where, initial={**text._asdict(), "based_on": last.version if last else rewording.BUILT_IN})


def _going_on(posted: QueryDict, where: Place) -> QueryDict:
    """The same draft, on top of what somebody else saved meanwhile: who saves it again does so knowingly."""
    data, last = posted.copy(), rewording.newest(where)
    data["based_on"] = str(last.version if last else rewording.BUILT_IN)
    return data


def _around(where: Place, words: Words) -> dict[str, Any]:
    """What stands around a draft: languages and channels to go to, and what may stand in its blanks."""
    line = overview.line(words, where.language)
    values = samples(where.template)
    return {
        "where": where,
        "address": where.channel or overview.EVERYWHERE,
        "line": line,
        "channel_title": overview.title_of(where.channel),
        "standing": overview.standing(words, where.channel),
        "languages": [
            (_address(where.event, one, where.channel), one, overview.language_title(one)) for one in LANGUAGES
        ],
        "channels": [(_address(where.event, where.language, cell.channel), cell) for cell in (line.every, *line.cells)],
        "variables": [
            (name, VARIABLES[name], values[name], name in where.template.essential) for name in sorted(values)
        ],
    }
