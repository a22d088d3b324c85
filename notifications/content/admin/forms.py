"""What ops fills in: a draft, or a decision about a version."""

from collections.abc import Mapping
from typing import Any

from django import forms

from notifications.content import validation
from notifications.content.override_commands import NOTE_LENGTH, TextPlace
from notifications.content.overrides import TITLE_LENGTH
from notifications.content.template import MessageText


class DraftForm(forms.Form):
    """A text for `where`. `based_on` is the version that its writer saw."""

    title = forms.CharField(required=False, widget=forms.TextInput({"autocomplete": "off", "maxlength": TITLE_LENGTH}))
    body = forms.CharField(required=False, widget=forms.Textarea({"rows": 6, "spellcheck": "true"}))
    why = forms.CharField(
        max_length=NOTE_LENGTH, widget=forms.TextInput({"autocomplete": "off", "placeholder": "Why it is changed"})
    )
    based_on = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, where: TextPlace, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.where = where
        if not any(way.titled for way in validation.channels_of(where.template, where.channel)):
            del self.fields["title"]
        for name in ("title", "body"):
            if name in self.fields:
                self.fields[name].widget.attrs["lang"] = where.language

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors.keys() & {"title", "body"}:
            return cleaned
        for mistake in validation.list_mistakes(self.where.template, self.where.channel, self.draft_text()):
            self.add_error(mistake.field if mistake.field in self.fields else None, mistake.says)
        return cleaned

    def draft_text(self) -> MessageText:
        return self._text_from(self.cleaned_data)

    def unchecked_text(self) -> MessageText:
        """What is being written, whether it would do or not."""
        return self._text_from(self.data if self.is_bound else self.initial)

    def _text_from(self, data: Mapping[str, Any]) -> MessageText:
        return draft_of({name: data.get(name, "") for name in self.fields})


class DecisionForm(forms.Form):
    """A decision about one version, with its reason."""

    version = forms.IntegerField(min_value=0)
    based_on = forms.IntegerField(min_value=0)
    why = forms.CharField(max_length=NOTE_LENGTH)


def draft_of(data: Mapping[str, Any]) -> MessageText:
    return validation.tidy_text(MessageText(data.get("title", ""), data.get("body", "")))
