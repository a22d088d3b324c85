"""What ops writes is refused with a reason, or can be said to anybody: never an error when it is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications import checks
from notifications.channels import CHANNELS
from notifications.channels.sms_segments import measure_sms
from notifications.content import catalogue, validation
from notifications.content.catalogue import CATALOGUE
from notifications.content.overrides import TITLE_LENGTH, TextVersion, fill_version
from notifications.content.template import MessageText, Template, fill_text
from notifications.content.variables import VARIABLES, sample_params

ON_THE_WAY = CATALOGUE["delivery.on_the_way"]
OFFER = CATALOGUE["offer.made"]
REFUND = CATALOGUE["order.refunded"]


def wrong(template: Template, channel: str, title: str, body: str) -> list[tuple[str, str]]:
    text = validation.tidy_text(MessageText(title, body))
    return [(one.field, one.says) for one in validation.list_mistakes(template, channel, text)]


# spec: N4
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "must not be empty"),
        ("  \n ", "must not be empty"),
        ("{orderId}", "needs words of its own beside the blanks, which may turn out empty"),
        ("In {minutes} minutes", "{minutes} is not known here: there are {etaMinutes}, {orderId}"),
        ("In {etaMinutes:km}", "{etaMinutes:km} is no way to write it: there is {etaMinutes}"),
        ("In {orderId.upper}", "“{orderId.upper” is no blank"),
        ("In {etaMinutes", "“{etaMinutes and more” is no blank"),
        ("Soon\tnow", "holds U+0009 (a control character), which cannot be sent"),
        ("Soon\x00now", "holds U+0000 (a control character), which cannot be sent"),
        ("Soon\u2028now", "holds U+2028 (line separator), which cannot be sent"),
        ("Soon \u202enow", "holds U+202E (right-to-left override), which cannot be sent"),
        ("Soon \ud83d now", "holds U+D83D"),
        ("x" * 701, "push takes 700"),
        ("x" * 5000, "has 5009 characters: no more than 4000"),
        ("Soon {{now}}", "holds a brace: whatsapp would take it for one of its own blanks"),
    ],
)
def test_a_mistake_names_its_field_and_what_would_do(body, says):
    (mistake,) = wrong(
        ON_THE_WAY, "", "On the way", body + (" and more" if body.strip() and body != "{orderId}" else "")
    )
    assert mistake[0] == "body"
    assert says in mistake[1]


# spec: N4
def test_titles_are_one_line_with_words():
    assert wrong(ON_THE_WAY, "", "", "Soon") == [("title", "must not be empty")]
    assert wrong(ON_THE_WAY, "", "On\nthe way", "Soon")[0][0] == "title"
    assert wrong(ON_THE_WAY, "", "x" * 201, "Soon") == [("title", "has 201 characters: no more than 200")]
    assert wrong(ON_THE_WAY, "sms", "", "Soon") == []
    assert wrong(ON_THE_WAY, "sms", "On the way", "Soon") == [("title", "stays empty: this channel carries no title")]


# spec: N4
def test_what_an_event_must_say_is_asked_for_when_a_text_is_saved():
    assert wrong(REFUND, "", "Refund", "Money for {orderId}") == [
        ("body", "must say {amount}: nobody can do without it")
    ]
    assert wrong(OFFER, "", "New order at {store}", "Come") == [
        ("body", "must say {store}, {fee}: nobody can do without it")
    ]
    assert wrong(OFFER, "", "New", "{store}: {distance_m:km}, {fee}") == []
    assert "{distance_m} or {distance_m:km}" in wrong(OFFER, "", "New", "{store}: {distance_m:mi}, {fee}")[0][1]


def test_braces_are_fine_where_whatsapp_is_not_meant():
    assert wrong(ON_THE_WAY, "sms", "", "Soon {{now}}") == []
    assert wrong(ON_THE_WAY, "email", "Soon", "Soon {{now}}") == []


def test_a_text_is_kept_in_one_form():
    assert validation.tidy_text(MessageText(" Cafe\u0301 ", "one\r\ntwo \n")) == MessageText("Café", "one\ntwo")


def test_advice_is_about_money_lock_screens_and_meta():
    def advice(channel: str, body: str) -> list[str]:
        return validation.list_advice(
            ON_THE_WAY, [channel] if channel else ON_THE_WAY.channels, MessageText("On the way", body)
        )

    assert advice("sms", "It comes in {etaMinutes} minutes") == []
    assert advice("sms", "It comes – at last – in {etaMinutes} minutes. " + "x" * 60) == [
        "SMS: without – it would be 1 SMS instead of 2"
    ]
    assert advice("sms", "क" * 250) == ["SMS: each message is 4 SMS, each of which is paid for"]
    assert advice("whatsapp", "{orderId} comes") == ["WhatsApp: Meta refuses texts that begin or end with a blank"]
    assert advice("push", "x" * 171) == ["Push: a lock screen shows about 170 characters of 171"]
    assert len(advice("", "x" * 600 + "{orderId}")) == 3


# ── what is built in ─────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4
@pytest.mark.parametrize("event", CATALOGUE)
def test_what_is_built_in_keeps_the_same_rules(event):
    template = CATALOGUE[event]
    assert set(sample_params(template)) == template.params
    for text in template.texts.values():
        assert validation.list_mistakes(template, "", text) == []
        assert validation.tidy_text(text) == text
        if "sms" in template.channels:
            assert measure_sms(fill_text(text.body, sample_params(template)).words).segments <= validation.MANY_SEGMENTS


def test_a_catalogue_that_breaks_them_is_found_at_start(monkeypatch):
    assert checks.built_in_texts_are_right() == []
    bad = Template(
        "order.cancelled", ("push", "sms"), {"en": MessageText("a", "{orderId}"), "hi": MessageText("a", "क" * 300)}
    )
    lacking = Template("order.refunded", ("sms",), {"en": MessageText("a", "{sum} back")})
    monkeypatch.setitem(catalogue.CATALOGUE, "order.cancelled", bad)
    monkeypatch.setitem(catalogue.CATALOGUE, "order.refunded", lacking)
    found = {one.id: one.msg for one in checks.built_in_texts_are_right()}
    assert found["notifications.E007"] == "order.refunded: no sample for sum"
    assert "order.cancelled, built in for en: body needs words" in found["notifications.E008"]
    assert found["notifications.W003"] == "order.cancelled, built in for hi: takes 5 SMS"


# ── nothing that anybody types makes sending fail ────────────────────────────────────────────────────────────────
KNOWN = [f"{{{name}{form and ':' + form}}}" for name, one in VARIABLES.items() for form in ("", *one.formats)]
PIECES = st.one_of(
    st.sampled_from(KNOWN),
    st.sampled_from(
        ["{", "}", "{{", "}}", "{}", "{0}", "{orderId!r}", "{orderId:km}", "{fee.x}", "\n", "\x00", "é", "€"]
    ),
    st.text(max_size=30),
)
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join))
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=2_000), st.integers(), st.none(), st.lists(st.integers())
)


# spec: N4
@given(event=st.sampled_from(sorted(CATALOGUE)), title=TEXTS, body=TEXTS, data=st.data())
def test_any_text_is_refused_when_it_is_saved_or_said_whatever_the_values(event, title, body, data):
    template = CATALOGUE[event]
    scope = data.draw(st.sampled_from(["", *template.channels]))
    ways = validation.channels_of(template, scope)
    text = validation.tidy_text(MessageText(title if any(way.titled for way in ways) else "", body))
    if not validation.list_mistakes(template, scope, text):
        validation.list_advice(template, [way.name for way in ways], text)
        check_said(template, text, sample_params(template), ways)
        values = {name: data.draw(st.integers() if VARIABLES[name].formats else VALUES) for name in template.params}
        check_said(template, text, values, ways)


# spec: N4
@given(
    event=st.sampled_from(sorted(CATALOGUE)),
    scope_number=st.integers(0, 4),
    letters=st.text(min_size=1, max_size=50),
    data=st.data(),
)
def test_texts_that_are_let_in_are_said(event, scope_number, letters, data):
    """As above, with texts that mostly have no mistake: else nearly all would be refused and little be seen."""
    template = CATALOGUE[event]
    scopes = ["", *template.channels]
    scope = scopes[scope_number % len(scopes)]
    ways = validation.channels_of(template, scope)
    names = st.sampled_from(sorted(template.params) or ["orderId"])
    blanks = data.draw(st.lists(st.tuples(names, st.sampled_from(["", "", ":km", ":mi"])), max_size=3))
    said_anyway = [(name, "") for name in template.essential]
    body = " ".join(["Hello", *(f"{{{name}{form}}}" for name, form in (*said_anyway, *blanks)), letters])
    text = validation.tidy_text(MessageText("Hello" if any(way.titled for way in ways) else "", body))
    found = validation.list_mistakes(template, scope, text)
    expected = ("cannot be sent", "is no way to write it", "is no blank", "holds a brace", "is not known here")
    assert all(any(words in one.says for words in expected) for one in found)
    if not found:
        values = {name: data.draw(st.integers() if VARIABLES[name].formats else VALUES) for name in template.params}
        check_said(template, text, values, ways)


def check_said(template, text, params, ways):
    for way in ways:
        one = fill_version(TextVersion(text, "en", "", "name"), way, params)
        assert one.body.words.strip()
        assert len(one.body.words) <= CHANNELS[way.name].longest
        assert len(one.title) <= TITLE_LENGTH
        assert "\n" not in one.title
        assert bool(one.title) == way.titled
        one.body.words.encode()
