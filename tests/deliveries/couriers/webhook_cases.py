"""The half of a courier's contract that is about its webhooks (SPEC W1, W2, W3, W7)."""

import copy
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from deliveries.couriers.providers.base import CourierProvider
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from deliveries.couriers.webhooks import CourierWebhooks
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookProvider, WebhookRejected, WebhookRequest
from tests import hostile

PAYLOADS = Path(__file__).parent / "payloads"
MAY_RAISE = (KeyError, TypeError, ValueError)


class WebhookEndpointCases:
    """A subclass says how its company signs and which payload files it has (payloads/{name}/webhooks/*.json)."""

    company: ClassVar[CourierProvider]
    too_old_after_s: ClassVar[int | None] = None  # None: the scheme carries no time
    keeps_signature: ClassVar[bool] = True
    signs_body: ClassVar[bool] = True
    type_field: ClassVar[str]  # what in its bodies names the kind of event
    fields_of_identity: ClassVar[tuple[str, ...]]  # another value of any of them is another event
    hints: ClassVar[bool] = False
    SECRET: ClassVar[str] = "the-secret-of-the-tests"
    OTHER: ClassVar[str] = "the-secret-of-somebody-else"

    # ── what a subclass gives ────────────────────────────────────────────────────────────────────────────────────
    def use_secrets(self, settings: Any, *secrets: str) -> None:
        """Make these the live secrets, the newest first; none: the company is off."""
        raise NotImplementedError

    def headers(self, body: bytes, *, secret: str, at: float) -> dict[str, str]:
        """What the company sends with `body`, names in lower case."""
        raise NotImplementedError

    # ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────────
    @pytest.fixture(autouse=True)
    def _live(self, settings: Any) -> None:
        self.use_secrets(settings, self.SECRET)

    @property
    def door(self) -> WebhookProvider:
        return CourierWebhooks(self.company)

    def webhooks(self) -> dict[str, Any]:
        folder = PAYLOADS / self.company.name / "webhooks"
        return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}

    def an_event(self) -> dict[str, Any]:
        return copy.deepcopy(next(iter(self.webhooks().values())))

    def knock(self, body: bytes, headers: Mapping[str, str] | None = None, *, secret: str = "", age_s: float = 0):
        given = self.headers(body, secret=secret or self.SECRET, at=time.time() - age_s) if headers is None else headers
        return WebhookRequest(body, given, f"https://handoff.example/webhooks/{self.company.name}")

    def let_in(self, payload: Any, **more: Any) -> tuple[list[IncomingEvent], VerifiedSignature]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        seal = self.door.verify_signature(self.knock(body, **more))
        return list(self.door.list_events(self.door.parse_body(body), seal)), seal

    def refused(self, body: bytes, status: int, reason: str, **more: Any) -> None:
        with pytest.raises(WebhookRejected) as refusal:
            self.door.verify_signature(self.knock(body, **more))
        assert (refusal.value.status, refusal.value.reason) == (status, reason)
        assert refusal.value.detail

    @property
    def body(self) -> bytes:
        return json.dumps(self.an_event()).encode()

    # ── who may speak ────────────────────────────────────────────────────────────────────────────────────────────
    # spec: W1 W2
    def test_a_good_one_is_let_in_whole(self):
        event = self.an_event()
        (notice,), seal = self.let_in(event)
        assert (notice.payload, notice.event_type) == (event, event[self.type_field])
        assert 0 < len(notice.event_id) <= 255
        assert bool(seal.signature) is self.keeps_signature

    def test_without_a_signature_it_is_refused(self):
        self.refused(self.body, 401, "missing_signature", headers={})
        emptied = dict.fromkeys(self.headers(self.body, secret=self.SECRET, at=time.time()), "")
        self.refused(self.body, 401, "missing_signature", headers=emptied)

    def test_with_a_wrong_signature_it_is_refused(self):
        self.refused(self.body, 401, "wrong_signature", secret=self.OTHER)
        good = self.headers(self.body, secret=self.SECRET, at=time.time())
        for name in good:
            for wrong in (good[name][:-1], good[name] + "0", good[name][:-1] + "é", "é", "{}", " ", "\x00"):
                with pytest.raises(WebhookRejected) as refusal:
                    self.door.verify_signature(self.knock(self.body, {**good, name: wrong}))
                assert refusal.value.status == 401

    def test_with_a_changed_body_it_is_refused(self):
        if not self.signs_body:
            pytest.skip("this company signs no bodies")
        good = self.headers(self.body, secret=self.SECRET, at=time.time())
        for changed in (self.body.replace(b"1", b"2", 1), self.body[:-1], self.body + b"}", b""):
            self.refused(changed, 401, "wrong_signature", headers=good)

    def test_299_seconds_are_taken_and_301_are_not(self):
        if self.too_old_after_s is None:
            pytest.skip("this company's scheme carries no time")
        for just_in_time in (self.too_old_after_s - 1, 1 - self.too_old_after_s):
            assert self.let_in(self.an_event(), age_s=just_in_time)
        for out_of_time in (self.too_old_after_s + 1, -self.too_old_after_s - 2):
            self.refused(self.body, 401, "old_signature", age_s=out_of_time)

    def test_while_a_secret_is_rotated_both_are_taken(self, settings):
        self.use_secrets(settings, "the-new-secret", self.SECRET)
        for secret in ("the-new-secret", self.SECRET):
            assert self.let_in(self.an_event(), secret=secret)
        self.use_secrets(settings, "the-new-secret")
        self.refused(self.body, 401, "wrong_signature", secret=self.SECRET)

    # spec: S5
    def test_without_a_secret_nobody_is_let_in(self, settings):
        headers = self.headers(self.body, secret=self.SECRET, at=time.time())
        self.use_secrets(settings)
        self.refused(self.body, 503, "not_enabled", headers=headers)

    # ── the same event ───────────────────────────────────────────────────────────────────────────────────────────
    # spec: W2 W4
    def test_the_same_again_is_the_same_event(self):
        (first,), _ = self.let_in(self.an_event(), age_s=5)
        (again,), _ = self.let_in(json.dumps(self.an_event(), indent=1).encode())
        assert again.event_id == first.event_id

    def test_every_other_payload_is_another_event(self):
        ids = [self.let_in(payload)[0][0].event_id for payload in self.webhooks().values()]
        assert len(set(ids)) == len(ids)

    def test_what_makes_it_another_event(self):
        (first,), _ = self.let_in(self.an_event())
        for path in self.fields_of_identity:
            changed = self.an_event()
            *way, last = path.split(".")
            target = changed
            for name in way:
                target = target[name]
            target[last] = "2026-02-01T10:00:00Z" if last in ("timestamp", "created_at", "updated") else "another"
            (other,), _ = self.let_in(changed)
            assert other.event_id != first.event_id, path

    def test_a_long_event_id_is_kept_as_its_digest(self):
        for name, value in self.an_event().items():
            if isinstance(value, str):
                for notice in self.tolerated({**self.an_event(), name: "x" * 250}):
                    assert len(notice.event_id) <= 255

    def test_an_unknown_type_is_kept_and_means_nothing_here(self):
        for unknown in ("something.new", "Delivery.Assigned", "delivery_created", "pending", "picked_up", "x" * 100):
            event = {**self.an_event(), self.type_field: unknown}
            (notice,), _ = self.let_in(event)
            assert notice.event_type == unknown
            assert self.company.read_event(unknown, event) is None

    # ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────
    # spec: C1 C3
    def test_every_payload_reads_as_news_of_its_job(self):
        for name, payload in self.webhooks().items():
            (notice,), _ = self.let_in(payload)
            news = self.company.read_event(notice.event_type, notice.payload)
            if news is not None:
                assert news.courier == self.company.name
                assert news.external_id or news.courier_ref, name
                assert news.occurred_at is not None, name
                assert news.occurred_at.utcoffset().total_seconds() == 0
                assert news.is_hint is self.hints
                assert len(news.status_text) <= 40
                assert self.company.is_position(notice.event_type) is (news.stage is None and not news.status_text)

    # spec: W7
    @pytest.mark.parametrize("name", hostile.BODIES)
    def test_a_hostile_body_is_refused_clearly(self, name: str):
        raw = hostile.BODIES[name].raw
        with pytest.raises(WebhookRejected) as refusal:
            self.let_in(raw)
        assert 400 <= refusal.value.status < 500

    def test_signed_nonsense_is_refused(self):
        for odd in ([], {}, "text", None, 1, True, [self.an_event()], {self.type_field: 5}, {self.type_field: "x"}):
            with pytest.raises(WebhookRejected) as refusal:
                self.let_in(odd)
            assert (refusal.value.status, refusal.value.reason) == (400, "bad_body")

    def test_no_odd_value_anywhere_is_a_crash(self):
        """It is refused at the door, or read without what is odd, or a ValueError that ends as a dead letter."""
        for payload in self.webhooks().values():
            for changed in mutations(payload):
                for notice in self.tolerated(changed):
                    try:
                        news = self.company.read_event(notice.event_type, notice.payload)
                    except MAY_RAISE:
                        continue
                    assert news is None or sane(news)

    def tolerated(self, payload: Any) -> list[IncomingEvent]:
        try:
            return list(self.door.list_events(payload, VerifiedSignature()))
        except WebhookRejected as refusal:
            if refusal.status != 400:
                raise
            return []


def mutations(payload: Any) -> Iterator[Any]:
    """Copies of a JSON document in which one value, anywhere, is missing or odd."""
    for way in ways(payload):
        yield changed_at(payload, way)
        for odd in hostile.VALUES.values():
            yield changed_at(payload, way, odd)


def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield (*way, name)
        yield from ways(part, (*way, name))


_GONE = object()


def changed_at(payload: Any, way: tuple[Any, ...], odd: Any = _GONE) -> Any:
    made = copy.deepcopy(payload)
    *before, last = way
    target = made
    for name in before:
        target = target[name]
    if odd is _GONE:
        del target[last]
    else:
        target[last] = odd
    return made


def sane(news: CourierUpdate) -> bool:
    """It fits where it is going to be kept."""
    return (
        len(news.external_id) <= 60
        and len(news.courier_ref) <= 80
        and len(news.status_text) <= 40
        and len(news.tracking_url) <= 500
        and len(news.reason) <= 300
        and len(news.driver_notes) <= 500
        and (news.stage is None or news.stage in CourierStage)
        and all(
            isinstance(value, str) and len(value) <= 500 for value in (*news.driver.values(), *news.proofs.values())
        )
        and (news.fee_minor is None or 0 <= news.fee_minor < 2**63)
        and len(news.currency) in (0, 3)
    )
