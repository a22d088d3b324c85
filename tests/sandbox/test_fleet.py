"""What all courier companies have in common: a pace that may change under way, moods that pass, a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from tests.sandbox import process
from tests.sandbox.courier_words import behave, ended, jobs, let_go, move
from tests.sandbox.process import Receiver, Sandbox, until
from tests.sandbox.test_cooco import DOOR, create, events

COMPANIES = ("cooco", "uber", "doordash")


def test_the_pace_counts_for_jobs_under_way(sandbox: Sandbox):
    create(sandbox)
    let_go(sandbox, "cooco", 1)
    assert [job["status"] for job in jobs(sandbox, "cooco")] == ["pending"]
    let_go(sandbox, "cooco", 600)
    assert [job["status"] for job in ended(sandbox, "cooco")] == ["completed"]


def test_a_job_that_was_moved_by_hand_goes_on_by_itself(sandbox: Sandbox):
    job = create(sandbox)
    move(sandbox, "cooco", job, "picked_up")
    let_go(sandbox, "cooco")
    (over,) = ended(sandbox, "cooco")
    assert [past["stage"] for past in over["history"]] == [
        "waiting",
        "picked_up",
        "to_dropoff",
        "at_dropoff",
        "delivered",
    ]


def test_stopped_jobs_stand_still(sandbox: Sandbox, handoff: Receiver):
    let_go(sandbox, "cooco", 120)
    create(sandbox)
    handoff.at(DOOR, 1)
    sandbox.control("POST", "cooco/pace", {"by_itself": False})
    still = jobs(sandbox, "cooco")[0]["history"]
    with pytest.raises(AssertionError):
        until(lambda: jobs(sandbox, "cooco")[0]["history"] != still, "a move that must not come", patience_s=1.5)


def test_couriers_come_back(sandbox: Sandbox):
    behave(sandbox, "cooco", no_couriers=True)
    let_go(sandbox, "cooco", 60)
    create(sandbox)
    with pytest.raises(AssertionError):
        until(lambda: jobs(sandbox, "cooco")[0]["driver"], "a driver who must not come", patience_s=1.0)
    behave(sandbox, "cooco", no_couriers=False)
    until(lambda: jobs(sandbox, "cooco")[0]["driver"], "a driver")


def test_each_company_has_its_own_mood(sandbox: Sandbox):
    let_go(sandbox, "uber", 7)
    assert sandbox.control("POST", "uber/pace", {}) == {"speed": 7, "by_itself": True}
    for company in ("cooco", "doordash"):
        assert sandbox.control("POST", f"{company}/pace", {}) == {"speed": 1, "by_itself": False}
    for company in COMPANIES:
        assert sandbox.control("POST", f"{company}/behaviour", {})["fail"] == 0
        assert sandbox.control("GET", f"{company}/jobs") == {"jobs": []}


def test_its_events_are_written_as_javascript_writes_them(sandbox: Sandbox, handoff: Receiver):
    move(sandbox, "cooco", create(sandbox), "driver_assigned", "in_transit", "completed")
    events(sandbox, handoff, 3)
    for one in handoff.at(DOOR, 3):
        text = json.dumps(json.loads(one.body), separators=(",", ":"), ensure_ascii=False)
        assert one.body.decode() == text


def test_killed_and_started_again_jobs_go_on(tmp_path: Path):
    with process.receiver() as place:
        first = process.start(tmp_path, place.url)
        let_go(first, "cooco", 200)
        create(first)
        place.at(DOOR, 1)
        first.process.kill()
        first.process.wait()
        assert first.process.stdout is not None
        first.process.stdout.close()
        second = process.start(tmp_path, place.url)
        try:
            assert second.env["COOCO_WEBHOOK_SECRET"] == first.env["COOCO_WEBHOOK_SECRET"]
            assert [job["status"] for job in ended(second, "cooco")] == ["completed"]
            until(lambda: events(second, place, 1)[-1]["event"] == "delivery.completed", "the last event")
        finally:
            second.stop()


def test_pages_of_the_desk_name_all_three(sandbox: Sandbox):
    page = requests.get(sandbox.url, timeout=5).text
    assert all(f'<option value="{company}">' in page for company in COMPANIES)
