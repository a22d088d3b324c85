"""Every name of a job handler that anything enqueues is registered. # spec: O2, W5"""

import pytest

from config.reactions import REACTIONS
from foundation import checks, jobs


def test_every_reaction_has_a_handler():
    for handlers in REACTIONS.values():
        for handler in handlers:
            assert callable(jobs.resolve_handler(handler))


def test_the_check_finds_nothing_to_say_of_this_release():
    assert checks.check_job_handlers(None) == []
    assert {"orders.remind_store", "deliveries.courier_time_is_up"} <= jobs.NAMES_IN_USE


def test_the_check_names_a_reaction_and_a_deadline_without_a_handler(settings, monkeypatch):
    monkeypatch.setitem(REACTIONS, "order.paid", ["payouts.forgotten"])
    monkeypatch.setattr(jobs, "NAMES_IN_USE", {*jobs.NAMES_IN_USE, "orders.renamed_without_alias"})
    found = checks.check_job_handlers(None)
    assert [error.id for error in found] == ["foundation.E001", "foundation.E001"]
    assert "'orders.renamed_without_alias'" in found[0].msg
    assert "'payouts.forgotten' (named in config/reactions.py, on order.paid)" in found[1].msg


def test_an_old_name_stays_known_and_no_name_is_given_twice(monkeypatch):
    monkeypatch.setattr(jobs, "HANDLERS", dict(jobs.HANDLERS))

    @jobs.job_handler("probe.new_name", "probe.old_name")
    def look(_: int) -> None: ...

    assert jobs.resolve_handler("probe.old_name") is jobs.resolve_handler("probe.new_name") is look
    with pytest.raises(ValueError, match=r"two handlers are called probe\.old_name"):
        jobs.job_handler("probe.old_name")(lambda _: None)
