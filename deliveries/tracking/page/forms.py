"""The page's forms. The token in the address is the authority; a token of the link's own in the form shows that it
was the page that sent it (nobody has a session here)."""

from django import forms
from django.utils.crypto import constant_time_compare, salted_hmac

from deliveries.models import TrackingLink
from deliveries.tracking.ratings import LONGEST_COMMENT, MOST_STARS
from orders.lifecycle import SubstitutionPreference

STARS = [(str(stars), str(stars)) for stars in range(1, MOST_STARS + 1)]


class RatingForm(forms.Form):
    stars = forms.TypedChoiceField(choices=STARS, coerce=int, error_messages={"required": "Please choose the stars."})
    comment = forms.CharField(max_length=LONGEST_COMMENT, required=False)


class PreferencesForm(forms.Form):
    contact_free = forms.BooleanField(required=False)
    call_before_arriving = forms.BooleanField(required=False)
    entrance = forms.CharField(max_length=200, required=False)


class AnswerForm(forms.Form):
    """What the customer says to one suggestion of the store."""

    ACCEPT, LEAVE_OUT = "accept", "leave_out"

    substitution = forms.CharField(max_length=40)
    answer = forms.ChoiceField(choices=[(ACCEPT, "Accept"), (LEAVE_OUT, "Leave it out")])


class MissingForm(forms.Form):
    """What shall be done about missing items when the customer is silent."""

    prefers = forms.ChoiceField(choices=SubstitutionPreference.choices)


def form_token(link: TrackingLink) -> str:
    return salted_hmac("deliveries.page.form", link.token_sha256, algorithm="sha256").hexdigest()[:32]


def came_from_page(link: TrackingLink, given: str) -> bool:
    return constant_time_compare(form_token(link), given)
