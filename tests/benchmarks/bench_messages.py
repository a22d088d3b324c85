"""Messages: how many a second leave when their provider takes 100 ms to answer.

The work queue works off rows as it does in production, over HTTP, against the providers as the sandbox plays them:
`threads` calls under way can be no more than threads ÷ 0.1 s. Beside it stands a loop that only posts, with as many
threads and no rows at all: what the sandbox and this machine give.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from tests.benchmarks import harness
from tests.benchmarks.harness import Report
from tests.sandbox import process
from tests.sandbox.process import Sandbox

ANSWER_S = 0.1
NOBODY = "http://127.0.0.1:9"
PROVIDERS = {"push": ("fcm", "/v1"), "whatsapp": ("whatsapp", ""), "sms": ("twilio", ""), "email": ("sendgrid", "")}
THREADS = (8, 16, 32)
GOALS = {8: 0.8, 16: 0.7}  # one process has one core for all its threads
HANDS = 16  # as the work queue has them in production


def run(*, quick: bool) -> Report:
    with TemporaryDirectory() as folder:
        outside = process.start(Path(folder), NOBODY)
        os.environ.update(outside.env)
        try:
            with harness.database("messages"):
                report = Report("Messages", quick, harness.machine())
                Messages(report, outside, quick).run()
                return report
        finally:
            outside.stop()


@dataclass
class Messages:
    report: Report
    outside: Sandbox
    quick: bool

    def run(self) -> None:
        for channel in PROVIDERS:
            self.sent(channel, HANDS, 1)  # SDKs are loaded, tokens fetched
        self.by_threads()
        self.by_channel()

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 3

    def each(self, threads: int) -> int:
        """A full run lasts ten seconds at the limit."""
        return threads * (20 if self.quick else 100)

    def by_threads(self) -> None:
        runs: dict[str, Callable[[], dict[str, float]]] = {}
        for threads in THREADS:
            runs[f"lane {threads}"] = partial(self.sent, "sms", threads, self.each(threads))
            runs[f"bare {threads}"] = partial(self.posted, threads, self.each(threads))
        found = harness.interleaved(runs, rounds=self.rounds)
        self.report.rounds["threads"] = found
        rates = {name: harness.median(figures, "rate") for name, figures in found.items()}
        head = ["threads", "limit: threads ÷ 0.1 s", "lane, messages/s", "only posting, calls/s"]
        rows = [[n, n / ANSWER_S, rates[f"lane {n}"], rates[f"bare {n}"]] for n in THREADS]
        self.report.table("SMS, each answered after 100 ms", head, rows)
        for n, goal in GOALS.items():
            ratio = rates[f"lane {n}"] / rates[f"bare {n}"]
            self.report.ratio(f"lane ÷ only posting, {n} threads", ratio, at_least=goal)

    def by_channel(self) -> None:
        runs = {channel: partial(self.sent, channel, HANDS, self.each(HANDS)) for channel in PROVIDERS}
        found = harness.interleaved(runs, rounds=self.rounds)
        self.report.rounds["channels"] = found
        rows = [[channel, harness.median(figures, "rate")] for channel, figures in found.items()]
        self.report.table(f"Each channel, {HANDS} threads (limit {HANDS / ANSWER_S:.0f}/s)", ["", "messages/s"], rows)

    # ── one round ────────────────────────────────────────────────────────────────────────────────────────────
    def sent(self, channel: str, threads: int, many: int) -> dict[str, float]:
        """The work queue with so many threads works off so many messages, each to somebody else."""
        from foundation.work import WorkState
        from notifications import tasks
        from notifications.models import Message

        self.anew(channel)
        write(channel, many)
        lane = replace(tasks.ORDINARY, threads=threads, batch=4 * threads)
        begin = time.monotonic()
        while lane.drain_once():
            pass
        took_s = time.monotonic() - begin
        done = Message.objects.filter(state=WorkState.DONE, channel=channel, retry_count=1).count()
        self.report.check(done == many, f"{channel}, {threads} threads: {done} of {many} sent at once")
        return {"rate": many / took_s}

    def posted(self, threads: int, many: int) -> dict[str, float]:
        """The same calls to Twilio by a loop that keeps nothing."""
        self.anew("sms")
        begin = time.monotonic()
        with ThreadPoolExecutor(threads) as hands:
            statuses = list(hands.map(_posts, [self.outside.env] * threads, [many // threads] * threads))
        took_s = time.monotonic() - begin
        self.report.check(all(statuses), f"only posting, {threads} threads: a call was refused")
        return {"rate": many / took_s}

    def anew(self, channel: str) -> None:
        """Nobody was written to, and the provider takes its time; what became of it is told to nobody."""
        from notifications.models import Message, PushToken, Recipient

        for rows in (Message, PushToken, Recipient):
            rows._base_manager.all().delete()
        provider, path = PROVIDERS[channel]
        self.outside.control("POST", "reset")
        self.outside.fault(provider, "answer", "delay", path=path, share=1, seconds=ANSWER_S)
        if channel != "push":
            self.outside.control("PUT", f"{provider}/fates", {"silent": True})


def write(channel: str, many: int) -> None:
    """So many messages, due, each to a person of its own who is reached by this channel."""
    from django.utils import timezone

    from notifications.models import PushToken, Recipient
    from notifications.outbox import enqueue

    people = Recipient.objects.bulk_create(
        Recipient(
            name=f"Person {n}",
            email=f"person{n}@customers.example",
            phone=f"+91801{n:07d}",
            whatsapp_opted_in_at=timezone.now(),
        )
        for n in range(many)
    )
    PushToken.objects.bulk_create(PushToken(recipient=one, token=f"phone-of-{one.pk}-in-a-benchmark") for one in people)
    for one in people:
        params = {"orderId": f"order-{one.pk}", "totalPaise": 45_000}
        enqueue.enqueue_message(one.pk, "delivery.completed", params, dedupe=f"delivery:{one.pk}", channels=[channel])


def _posts(env: dict[str, str], many: int) -> bool:
    url = f"{env['TWILIO_API_BASE']}/2010-04-01/Accounts/{env['TWILIO_ACCOUNT_SID']}/Messages.json"
    form = {"To": "+918012345678", "From": env["TWILIO_FROM_NUMBER"], "Body": "Your order has been delivered."}
    with requests.Session() as session:
        session.auth = (env["TWILIO_ACCOUNT_SID"], env["TWILIO_AUTH_TOKEN"])
        return all(session.post(url, data=form, timeout=30).ok for _ in range(many))
