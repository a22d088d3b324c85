"""System checks of this room."""

from orders import checks, pos
from orders.lifecycle import TRACKING_WORDS


def test_the_room_as_it_stands_is_sound() -> None:
    assert checks.check_status_words() == []
    assert checks.check_pos_registry() == []


def test_a_status_without_a_word_is_found(monkeypatch) -> None:
    monkeypatch.delitem(TRACKING_WORDS, "delivered")
    (error,) = checks.check_status_words()
    assert (error.id, "delivered" in error.msg) == ("orders.E001", True)


def test_a_pos_without_a_module_is_found(monkeypatch) -> None:
    monkeypatch.setattr(pos, "REGISTRY", {})
    assert [error.id for error in checks.check_pos_registry()] == ["orders.E002"]


def test_unsigned_callbacks_over_plain_http_are_a_warning(settings) -> None:
    settings.PETPOOJA_API_BASE, settings.PUBLIC_URL = "http://pos", "http://handoff.example"
    assert [warning.id for warning in checks.check_callback_tls()] == ["orders.W001"]
    settings.PUBLIC_URL = "https://handoff.example"
    assert checks.check_callback_tls() == []
