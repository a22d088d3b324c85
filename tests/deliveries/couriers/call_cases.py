"""The half of a courier's contract that is about our calls to it (SPEC C1, C2, C8), over real HTTP."""

import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest

from deliveries.couriers.providers import base
from deliveries.couriers.providers.base import CancellationResult, CannotCancel, CourierProvider, LookupUnsupported
from deliveries.couriers.providers.status_update import CourierStage
from foundation.errors import Permanent, Transient, Unknown
from foundation.models import OutboundCall
from tests.deliveries.couriers.recording_server import SILENCE_S, Asked, Provider, Reply, closed_url
from tests.deliveries.couriers.shipments import EXTERNAL_ID, PEOPLE, handle, one_try, parcel
from tests.deliveries.couriers.webhook_cases import PAYLOADS, mutations, sane


class CallCases:
    """A subclass says where its company listens, what it is sent, and which answers it gives
    (payloads/{name}/answers/*.json)."""

    company: ClassVar[CourierProvider]
    ref: ClassVar[str]  # what the company calls the job of its answers
    create: ClassVar[tuple[str, str]]  # method and path
    get: ClassVar[tuple[str, str]]
    cancel: ClassVar[tuple[str, str]]
    created_status: ClassVar[int] = 200
    created_file: ClassVar[str]
    cancelled_file: ClassVar[str]
    live_file: ClassVar[str]  # a job that is being carried
    needs_ref: ClassVar[bool] = True  # it cannot look up by our id
    fuzzed: ClassVar[tuple[str, ...]]  # answers that are made odd in every place

    # ── what a subclass gives ────────────────────────────────────────────────────────────────────────────────────
    def point_at(self, settings: Any, url: str) -> None:
        """Set the keys, and the company's addresses to `url`."""
        raise NotImplementedError

    def turn_off(self, settings: Any) -> None:
        raise NotImplementedError

    def welcome(self, provider: Provider) -> None:
        """Whatever has to be answered before any call (a token)."""

    def create_body(self) -> dict[str, Any]:
        """What is sent for `parcel()`, exactly."""
        raise NotImplementedError

    def check_headers(self, asked: Asked, request_id: uuid.UUID) -> None:
        raise NotImplementedError

    def secrets(self, settings: Any) -> list[str]:
        """What must never be kept."""
        raise NotImplementedError

    # ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────────
    @pytest.fixture(autouse=True)
    def _configured(self, settings: Any, provider: Provider, db: None) -> None:
        self.point_at(settings, provider.url)
        self.welcome(provider)

    def answer(self, name: str) -> Any:
        return json.loads((PAYLOADS / self.company.name / "answers" / f"{name}.json").read_text())

    def made(self, provider: Provider) -> None:
        provider.answers(*self.create, Reply(self.created_status, self.answer(self.created_file)))

    def every_call(self) -> list[tuple[tuple[str, str], Callable[[], object]]]:
        return [
            (self.create, lambda: self.company.create_job(parcel(), "", one_try())),
            (self.get, lambda: self.company.get(handle(self.ref), one_try())),
            (self.cancel, lambda: self.company.cancel_job(handle(self.ref), "not wanted", one_try())),
        ]

    def asked(self, provider: Provider, where: tuple[str, str]) -> list[Asked]:
        return [one for one in provider.asked if (one.method, one.path) == where]

    # ── making a job ─────────────────────────────────────────────────────────────────────────────────────────────
    # spec: S5
    def test_it_is_off_without_its_keys(self, settings):
        assert self.company.is_enabled()
        self.turn_off(settings)
        assert not self.company.is_enabled()

    # spec: C1 C2
    def test_a_job_is_asked_for_to_the_letter(self, provider):
        self.made(provider)
        request_id = uuid.uuid4()
        news = self.company.create_job(parcel(), "", one_try(request_id=request_id))

        (asked,) = self.asked(provider, self.create)
        assert asked.json == self.create_body()
        assert asked.headers["content-type"] == "application/json"
        self.check_headers(asked, request_id)
        assert (news.courier, news.external_id, news.courier_ref) == (self.company.name, EXTERNAL_ID, self.ref)
        assert news.stage == CourierStage.REQUESTED
        assert news.tracking_url.startswith("https://")
        assert not news.is_hint

    # spec: C2
    def test_each_try_is_the_same(self, provider):
        self.made(provider)
        request_id = uuid.uuid4()
        for attempt in (1, 2, 3):
            self.company.create_job(parcel(), "", one_try(attempt, request_id))
        tries = self.asked(provider, self.create)
        assert len(tries) == 3
        assert len({one.raw for one in tries}) == 1
        for one in tries:
            self.check_headers(one, request_id)
        kept = OutboundCall.objects.filter(purpose="delivery.create").order_by("pk")
        assert [row.attempt for row in kept] == [1, 2, 3]

    def test_it_looks_its_job_up(self, provider):
        for name in sorted(path.stem for path in (PAYLOADS / self.company.name / "answers").glob("*.json")):
            if name in self.company.status_words:
                provider.answers(*self.get, Reply(200, self.answer(name)))
                news = self.company.get(handle(self.ref), one_try())
                assert (news.external_id, news.courier_ref, news.status_text) == (EXTERNAL_ID, self.ref, name)
                assert news.stage == self.company.status_words[name]

    def test_every_word_has_a_payload_and_means_its_stage(self, provider):
        folder = PAYLOADS / self.company.name
        for word, stage in self.company.status_words.items():
            files = [folder / kind / f"{word}.json" for kind in ("webhooks", "answers")]
            assert any(path.exists() for path in files), word
            if files[0].exists():
                payload = json.loads(files[0].read_text())
                news = self.company.read_event(self.event_type(payload), payload)
                assert news is not None, word
                assert (news.stage, news.status_text) == (stage, word)

    def event_type(self, payload: Any) -> str:
        raise NotImplementedError

    def test_an_unknown_word_moves_nothing(self, provider):
        odd = json.loads(json.dumps(self.answer(self.live_file)).replace(f'"{self.live_file}"', '"teleported"'))
        provider.answers(*self.get, Reply(200, odd))
        news = self.company.get(handle(self.ref), one_try())
        assert (news.status_text, news.stage) == ("teleported", None)

    def test_a_job_that_it_does_not_know(self, provider):
        for where, call in self.every_call()[1:]:
            provider.answers(*where, Reply(404, {"code": "unknown", "message": "no such delivery"}))
            with pytest.raises(Permanent) as refusal:
                call()
            assert type(refusal.value) is Permanent, where

    def test_without_its_id_it_is_not_asked(self, provider):
        if not self.needs_ref:
            pytest.skip("this company knows our id")
        before = len(provider.asked)
        for call in (
            lambda: self.company.get(handle(""), one_try()),
            lambda: self.company.cancel_job(handle(""), "not wanted", one_try()),
        ):
            with pytest.raises(LookupUnsupported):
                call()
        assert len(provider.asked) == before

    # ── stopping it ──────────────────────────────────────────────────────────────────────────────────────────────
    def test_it_stops(self, provider):
        provider.answers(*self.cancel, Reply(200, self.answer(self.cancelled_file)))
        assert isinstance(self.company.cancel_job(handle(self.ref), "not wanted", one_try()), CancellationResult)

    def test_refused_credentials_do_not_say_that_there_is_no_job(self, provider):
        """Else a wrong key would pass for a delivery that was never there, and somebody else would be sent."""
        for where, call in self.every_call()[1:]:
            provider.answers(*where, Reply(401, {"code": "unauthorized"}))
            with pytest.raises(Transient):
                call()

    def test_other_refusals_of_a_cancel_mean_that_it_goes_on(self, provider):
        provider.answers(*self.get, Reply(200, self.answer(self.live_file)))
        for status in (400, 409, 422):
            provider.answers(*self.cancel, Reply(status, {"code": "no", "message": "it is too late"}))
            with pytest.raises(CannotCancel):
                self.company.cancel_job(handle(self.ref), "not wanted", one_try())

    # ── what may be concluded ────────────────────────────────────────────────────────────────────────────────────
    @pytest.mark.parametrize("status", [400, 402, 404, 422])
    def test_a_refusal_of_a_create_is_permanent(self, provider, status):
        provider.answers(*self.create, Reply(status, {"code": "invalid", "message": "no"}))
        with pytest.raises(Permanent):
            self.company.create_job(parcel(), "", one_try())
        assert OutboundCall.objects.get(purpose="delivery.create").outcome == "permanent"

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_an_error_of_theirs_leaves_it_open(self, provider, status):
        for where, call in self.every_call():
            provider.answers(*where, Reply(status, {"message": "something broke"}))
            with pytest.raises(Unknown):
                call()

    def test_too_many_requests_pass(self, provider):
        for where, call in self.every_call():
            provider.answers(*where, Reply(429, {"message": "slower"}))
            with pytest.raises(Transient):
                call()

    @pytest.mark.parametrize("body", [b"<html>thanks</html>", b"[]", b'"yes"', b"{}", b"null"])
    def test_an_answer_that_says_nothing_leaves_it_open(self, provider, body):
        for where, call in self.every_call()[:2]:
            provider.answers(*where, Reply(200, body))
            with pytest.raises(Unknown):
                call()

    # spec: C2
    def test_silence_is_unknown_after_the_time_out(self, provider, monkeypatch):
        assert base.TIMEOUT_S == 30
        monkeypatch.setattr(base, "TIMEOUT_S", 0.3)
        for where, call in self.every_call():
            provider.answers(*where, Reply(200, {}, silent_s=SILENCE_S))
            started = time.monotonic()
            with pytest.raises(Unknown):
                call()
            assert time.monotonic() - started < SILENCE_S

    def test_nobody_there_is_transient(self, settings):
        self.point_at(settings, closed_url())
        for _, call in self.every_call():
            with pytest.raises(Transient):
                call()

    # spec: W7
    def test_odd_answers_are_no_crash(self, provider):
        for name in self.fuzzed:
            for number, odd in enumerate(mutations(self.answer(name))):
                if number % 3 and len(json.dumps(odd)) > 30_000:
                    continue  # long ones are slow to keep
                provider.answers(*self.get, Reply(200, odd))
                with suppress(Unknown):
                    assert sane(self.company.get(handle(self.ref), one_try()))

    # ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────
    # spec: C8
    def test_each_call_is_kept_without_secrets_and_people(self, provider, settings):
        self.made(provider)
        self.company.create_job(parcel(), "", one_try(attempt=4))
        provider.answers(*self.get, Reply(200, self.answer(self.live_file)))
        self.company.get(handle(self.ref), one_try())
        row = OutboundCall.objects.get(purpose="delivery.create")
        assert (row.provider, row.reference, row.attempt, row.outcome) == (self.company.name, "delivery:12", 4, "ok")
        assert (row.method, row.status_code) == (self.create[0], self.created_status)
        assert EXTERNAL_ID in json.dumps(row.request)
        rows = OutboundCall.objects.all()
        written = json.dumps([[row.url, row.request, row.answer, row.error] for row in rows], ensure_ascii=False)
        for private in (*PEOPLE, *self.people_of_theirs(), *self.secrets(settings)):
            assert private not in written, private

    def people_of_theirs(self) -> tuple[str, ...]:
        """Who is in the company's answers."""
        raise NotImplementedError

    def test_a_refusal_is_kept_without_people(self, provider):
        provider.answers(*self.create, Reply(400, {"message": "bad phone +15555559999", "dropoff_name": "Jane Doe"}))
        with pytest.raises(Permanent) as refusal:
            self.company.create_job(parcel(), "", one_try())
        row = OutboundCall.objects.get(purpose="delivery.create")
        assert "+15555559999" not in f"{row.answer}{row.error}{refusal.value}"
        assert "Jane" not in str(row.answer)
