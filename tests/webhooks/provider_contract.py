"""What every webhook provider must do: `class TestStripe(ProviderContract)` inherits all of it (SPEC W1-W4, W7)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings

from foundation.webhook import WebhookProvider, WebhookRejected, WebhookRequest
from foundation.work import WorkState
from tests.webhooks import conftest
from tests.webhooks.conftest import refusals
from webhooks import processing, registry
from webhooks.models import WebhookEvent


class ProviderContract:
    """A subclass says how its provider signs, and which payload files it has (tests/webhooks/payloads/{provider}/)."""

    provider: ClassVar[str]
    refused_with: ClassVar[int] = 401
    too_old_after_s: ClassVar[int | None] = None  # None: the scheme carries no time
    mapped: ClassVar[frozenset[str]]  # event types that mean something here
    plain: ClassVar[Mapping[str, str]] = {}  # headers of its requests that prove nothing
    misshapen: ClassVar[tuple[bytes, ...]] = (b"[]", b"{}", b'"text"', b"null", b"1", b'{"id": 5}')

    # ── what a subclass gives ────────────────────────────────────────────────────────────────────────────────
    def use_secrets(self, settings: Any, *secrets: str) -> None:
        """Make these the live secrets, the newest first; none: the provider is off."""
        raise NotImplementedError

    def headers(self, body: bytes, *, secret: str, age_s: float = 0) -> dict[str, str]:
        raise NotImplementedError

    def fresh(self, event_type: str) -> dict[str, Any]:
        """A new event of that type, from its payload file."""
        raise NotImplementedError

    def altered(self, headers: Mapping[str, str]) -> list[dict[str, str]]:
        """The headers with each part that proves something changed in turn."""
        raise NotImplementedError

    def encode(self, payload: Any) -> bytes:
        return json.dumps(payload).encode()

    def kept(self, body: bytes) -> Any:
        """What is kept of a body that holds one event."""
        return json.loads(body)

    def unknown(self) -> Any:
        """An event of a type that nobody handles."""
        return self.fresh(min(self.mapped)) | {"type": "something.new"}

    # ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────
    SECRET: ClassVar[str] = "the-secret-of-the-tests"
    OTHER: ClassVar[str] = "the-secret-of-somebody-else"

    @pytest.fixture(autouse=True)
    def _live(self, settings: Any) -> None:
        self.use_secrets(settings, self.SECRET)

    @property
    def path(self) -> str:
        return f"/webhooks/{self.provider}"

    @property
    def payloads(self) -> dict[str, Any]:
        folder = Path(__file__).parent / "payloads" / self.provider
        return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}

    def body(self) -> bytes:
        return self.encode(self.fresh(min(self.mapped)))

    def knock(
        self,
        door: conftest.Door,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        secret: str = "",
        **more: Any,
    ) -> conftest.Answer:
        """A request with these headers, else as signed by `secret`."""
        proof = self.headers(body, secret=secret or self.SECRET, **more) if headers is None else headers
        return door(self.path, body, {**self.plain, **proof})

    def endpoint(self) -> WebhookProvider:
        return registry.webhook_providers()[self.provider]

    def assert_refused(self, answer: conftest.Answer, status: int) -> None:
        assert answer.status == status, answer.body
        assert answer.json["code"]
        assert answer.json["detail"]
        assert not WebhookEvent.objects.exists()
        assert [(p, s) for p, s, _ in refusals()] == [(self.provider, status)]

    # ── the contract ─────────────────────────────────────────────────────────────────────────────────────────
    # spec: W1, W2, W3
    def test_a_good_one_is_kept_whole_and_answered(self, door: conftest.Door):
        body = self.body()
        answer = self.knock(door, body)
        assert (answer.status, answer.json) == (200, dict(self.endpoint().accepted))
        event = WebhookEvent.objects.get()
        assert event.provider == self.provider
        assert bytes(event.body) == body
        assert event.payload == self.kept(body)
        assert (event.state, event.processed, event.retry_count) == (WorkState.PENDING, False, 0)
        assert refusals() == []

    def test_without_a_signature_it_is_refused(self, door: conftest.Door):
        self.assert_refused(self.knock(door, self.body(), {}), self.refused_with)

    def test_with_an_empty_signature_it_is_refused(self, door: conftest.Door):
        body = self.body()
        emptied = dict.fromkeys(self.headers(body, secret=self.SECRET), "")
        self.assert_refused(self.knock(door, body, emptied), self.refused_with)

    def test_with_somebody_elses_signature_it_is_refused(self, door: conftest.Door):
        body = self.body()
        self.assert_refused(self.knock(door, body, secret=self.OTHER), self.refused_with)

    def test_with_one_byte_changed_it_is_refused(self, door: conftest.Door):
        body = self.body()
        headers = self.headers(body, secret=self.SECRET)
        self.assert_refused(self.knock(door, body.replace(b"1", b"2", 1), headers), self.refused_with)

    def test_with_a_byte_more_it_is_refused(self, door: conftest.Door):
        body = self.body()
        self.assert_refused(self.knock(door, body + b" ", self.headers(body, secret=self.SECRET)), self.refused_with)

    def test_with_any_part_of_the_signature_changed_it_is_refused(self, door: conftest.Door):
        body = self.body()
        changed = self.altered(self.headers(body, secret=self.SECRET))
        assert changed
        for headers in changed:
            assert self.knock(door, body, headers).status == self.refused_with, headers
        assert not WebhookEvent.objects.exists()

    def test_what_is_not_ascii_in_a_signature_is_refused(self, door: conftest.Door):
        body = self.body()
        odd = {name: value[:-1] + "é" for name, value in self.headers(body, secret=self.SECRET).items()}
        assert self.knock(door, body, odd).status == self.refused_with

    def test_299_seconds_old_is_taken_and_301_is_refused(self, door: conftest.Door):
        if self.too_old_after_s is None:
            pytest.skip("this provider's scheme carries no time")
        body = self.body()
        just_in_time = self.headers(body, secret=self.SECRET, age_s=self.too_old_after_s - 1)
        assert self.knock(door, body, just_in_time).status == 200
        late = self.body()
        too_late = self.headers(late, secret=self.SECRET, age_s=self.too_old_after_s + 1)
        assert self.knock(door, late, too_late).status == self.refused_with
        assert WebhookEvent.objects.count() == 1

    def test_while_a_secret_is_rotated_both_are_taken(self, door: conftest.Door, settings: Any):
        self.use_secrets(settings, "the-new-secret", self.SECRET)
        for secret in ("the-new-secret", self.SECRET):
            body = self.body()
            assert self.knock(door, body, secret=secret).status == 200
        self.use_secrets(settings, "the-new-secret")
        body = self.body()
        assert self.knock(door, body).status == self.refused_with

    def test_without_a_secret_nothing_is_let_in(self, door: conftest.Door, settings: Any):
        self.use_secrets(settings)
        body = self.body()
        answer = self.knock(door, body, self.headers(body, secret=""))
        self.assert_refused(answer, 503)
        assert answer.json["code"] == "NOT_ENABLED"

    def test_the_same_event_again_is_answered_the_same_and_changes_nothing(self, door: conftest.Door):
        body = self.body()
        answers = [self.knock(door, body) for _ in range(3)]
        assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
        assert WebhookEvent.objects.count() == 1

    # spec: W4
    def test_a_type_that_nobody_handles_is_kept_as_ignored(self, door: conftest.Door):
        body = self.encode(self.unknown())
        assert self.knock(door, body).status == 200
        processing.QUEUE.drain_once()
        event = WebhookEvent.objects.get()
        assert (event.state, event.processed, event.payload) == (WorkState.IGNORED, True, self.kept(body))

    def test_what_is_signed_but_not_shaped_as_documented_is_refused(self, door: conftest.Door):
        for odd in self.misshapen:
            answer = self.knock(door, odd)
            assert answer.status == 400, odd
        assert not WebhookEvent.objects.exists()

    # spec: W7
    def test_what_its_provider_would_never_send_is_refused_before_it_is_read(self, door: conftest.Door):
        body = self.body()
        proof = self.headers(body, secret=self.SECRET)
        assert self.knock(door, body, {**proof, "Content-Type": "text/plain"}).status == 415
        long = body + b" " * 1_000_000
        assert self.knock(door, long, self.headers(long, secret=self.SECRET)).status == 413
        assert self.knock(door, b"", self.headers(b"", secret=self.SECRET)).status in (400, self.refused_with)
        assert not WebhookEvent.objects.exists()

    def test_every_mapped_type_has_a_payload_file(self):
        assert self.mapped
        assert self.mapped - set(self.payloads) == set()

    def test_notices_refuse_by_saying_so(self):
        """A door raises WebhookRejected, and nothing else, for whatever JSON a provider may sign."""
        body = b'{"id": null}'
        for odd in ({}, [], 5, None, {"data": []}, {"data": {"object": 1}, "type": 3}):
            with pytest.raises(WebhookRejected):
                self.endpoint().list_events(odd, self.seal(body))

    def seal(self, body: bytes) -> Any:
        return self.endpoint().verify_signature(
            WebhookRequest(body, self._lower(body), f"{settings.PUBLIC_URL}{self.path}")
        )

    def _lower(self, body: bytes) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers(body, secret=self.SECRET).items()}
