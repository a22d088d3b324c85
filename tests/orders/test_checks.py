"""System checks of this room."""

from orders import checks, pos
from orders.lifecycle import TRACKING_WORDS


def test_the_room_as_it_stands_is_sound() -> None:
    assert checks.every_status_has_words() == []
    assert checks.every_pos_is_registered() == []


def test_a_status_without_a_word_is_found(monkeypatch) -> None:
    monkeypatch.delitem(TRACKING_WORDS, "delivered")
    (error,) = checks.every_status_has_words()
    assert (error.id, "delivered" in error.msg) == ("orders.E001", True)


def test_a_pos_without_a_module_is_found(monkeypatch) -> None:
    monkeypatch.setattr(pos, "REGISTRY", {})
    assert [error.id for error in checks.every_pos_is_registered()] == ["orders.E002"]


def test_unsigned_callbacks_over_plain_http_are_a_warning(settings) -> None:
    settings.PETPOOJA_API_BASE, settings.PUBLIC_URL = "http://pos", "http://handoff.example"
    assert [warning.id for warning in checks.callbacks_come_over_tls()] == ["orders.W001"]
    settings.PUBLIC_URL = "https://handoff.example"
    assert checks.callbacks_come_over_tls() == []
