"""Actions: the verbs that people use, as objects (docs/decisions/0011).

One `Action` says who may run it (a Django permission), on which rows it is possible, which fields it asks for, what it
would do, and does it. Lists, pages, the API and bulk work share the same object. Every room has its own in
`actions.py`:

    @action("Cancel the order", permission="orders.cancel_order")
    def cancel_order(order: Order, request: ActionRequest) -> str:
        cancellation.cancel_order(...)
        return "cancelled"

The function opens its own transactions, raises APIError when it cannot be done, and returns what it did as a sentence
without subject. Events with the actor and the reason are recorded by the verbs that it calls.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms

from foundation.errors import APIError, Conflict
from foundation.events import Cause
from foundation.models import User

Fields = Mapping[str, Callable[[], forms.Field]]
RunFunction = Callable[[Any, "ActionRequest"], str]


@dataclass(frozen=True)
class ActionRequest:
    """What a person decided. `nonce` belongs to the page it was decided on: the same page sent twice has the same.

    `fields` holds the cleaned values of the action's own fields.
    """

    by: Cause
    reason: str
    nonce: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionResult:
    """What became of one row: `done` says what was done, or `error` why it was not."""

    row: Any
    done: str = ""
    error: str = ""


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=300, strip=True, widget=forms.Textarea({"rows": 2}))
    nonce = forms.UUIDField(widget=forms.HiddenInput, required=True)

    def to_request(self, by: Cause) -> ActionRequest:
        """The valid form as what was decided."""
        values = dict(self.cleaned_data)
        return ActionRequest(by, values.pop("reason"), str(values.pop("nonce")), values)


def always_possible(row: Any) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Action:
    """`name` is unique within its room; `label` is what a menu or a button says; `permission` is "app.codename".

    `fields` maps names to factories of form fields (they may ask the database). `preview(row)` says what the action
    would do to the row. `why_not(row)` says why it is not possible now, "" when it is.
    """

    name: str
    label: str
    permission: str
    run: RunFunction
    fields: Fields = field(default_factory=dict)
    preview: Callable[[Any], str] | None = None
    why_not: Callable[[Any], str] = always_possible

    def is_permitted(self, user: User) -> bool:
        return user.has_perm(self.permission)

    def build_form(self, data: Mapping[str, Any] | None = None) -> ReasonForm:
        """The form that asks for a reason and the action's own fields; bound when `data` is given."""
        kind = type("ActionForm", (ReasonForm,), {name: make() for name, make in self.fields.items()})
        made: ReasonForm = kind(initial={"nonce": uuid.uuid4()}) if data is None else kind(data)
        return made

    def run_on_row(self, row: Any, request: ActionRequest) -> str:
        """Do it to one row; returns what was done. Raises APIError, Conflict among them, with nothing changed."""
        if reason := self.why_not(row):
            raise Conflict(reason, code="NOT_POSSIBLE_NOW")
        return self.run(row, request)

    def run_on_rows(self, rows: Iterable[Any], request: ActionRequest) -> list[ActionResult]:
        """Row by row: one that cannot be done stops no other."""
        return [self._try_on_row(row, request) for row in rows]

    def _try_on_row(self, row: Any, request: ActionRequest) -> ActionResult:
        try:
            return ActionResult(row, done=self.run_on_row(row, request))
        except APIError as error:
            return ActionResult(row, error=f"{error.field}: {error.message}" if error.field else error.message)


def action(
    label: str,
    *,
    permission: str,
    fields: Fields | None = None,
    preview: Callable[[Any], str] | None = None,
    why_not: Callable[[Any], str] = always_possible,
) -> Callable[[RunFunction], Action]:
    """Decorator: the function becomes an `Action` of its name."""

    def build_action(run: RunFunction) -> Action:
        return Action(
            name=run.__name__,
            label=label,
            permission=permission,
            run=run,
            fields=fields or {},
            preview=preview,
            why_not=why_not,
        )

    return build_action
