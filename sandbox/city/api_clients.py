"""Everybody's HTTP: a signed-in client of Handoff that survives bad networks, and the outside world's control API."""

import asyncio
from typing import Any

import httpx

TRIES = 12
TIMEOUT_S = 20.0
COMPANIES = ("cooco", "uber", "doordash")


class ApiAnswer:
    """What came back: `status` and the parsed body ({} when there is none)."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        try:
            self.body: Any = response.json() if response.content else {}
        except ValueError:
            self.body = {}

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def error_code(self) -> str:
        """The machine-readable code of an error body of either API family."""
        return str(self.body.get("errorCode") or self.body.get("code") or "") if isinstance(self.body, dict) else ""


async def call(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> ApiAnswer:
    """One call, made again on a lost connection or a server that is not there, as any app does."""
    for attempt in range(TRIES):
        try:
            response = await http.request(method, path, **options)
            if response.status_code not in (502, 503):
                return ApiAnswer(response)
        except httpx.TransportError:
            if attempt == TRIES - 1:
                raise
        await asyncio.sleep(min(3.0, 0.2 * 2**attempt))
    raise ConnectionError(f"{method} {path}: no answer after {TRIES} tries")


class ApiClient:
    """A signed-in user of Handoff's APIs: renews its token by itself."""

    def __init__(self, http: httpx.AsyncClient, username: str, password: str) -> None:
        self.http, self.username, self._password = http, username, password
        self._tokens: dict[str, Any] = {}
        self._signing_in = asyncio.Lock()

    async def sign_in(self) -> None:
        answer = await call(
            self.http, "POST", "/api/v1/auth/token", json={"username": self.username, "password": self._password}
        )
        if not answer.is_ok:
            raise PermissionError(f"{self.username} cannot sign in: {answer.status} {answer.body}")
        self._tokens = answer.body

    async def _renew_token(self, spent: str) -> None:
        """Trade the refresh token; several calls that find the token expired renew it once."""
        async with self._signing_in:
            if self._tokens.get("access") != spent:
                return
            answer = await call(
                self.http, "POST", "/api/v1/auth/refresh", json={"refresh": self._tokens.get("refresh", "")}
            )
            if answer.is_ok:
                self._tokens = answer.body
            else:
                await self.sign_in()

    async def call(self, method: str, path: str, **options: Any) -> ApiAnswer:
        if not self._tokens:
            async with self._signing_in:
                if not self._tokens:
                    await self.sign_in()
        access = self._tokens["access"]
        headers = {**options.pop("headers", {}), "Authorization": f"Bearer {access}"}
        answer = await call(self.http, method, path, headers=headers, **options)
        if answer.status != 401:
            return answer
        await self._renew_token(access)
        headers["Authorization"] = f"Bearer {self._tokens['access']}"
        return await call(self.http, method, path, headers=headers, **options)


class SandboxClient:
    """The sandbox as the city uses it: paying with a card, planning kitchens, reading phones."""

    def __init__(self, http: httpx.AsyncClient, publishable_key: str) -> None:
        self.http, self._key = http, publishable_key

    async def pay_intent(self, client_secret: str, card: str) -> bool:
        """Confirm a PaymentIntent as Stripe.js does, with the publishable key. False: the card was declined."""
        intent = client_secret.partition("_secret")[0]
        answer = await call(
            self.http,
            "POST",
            f"/stripe/v1/payment_intents/{intent}/confirm",
            data={"client_secret": client_secret, "payment_method": card},
            headers={"Authorization": f"Bearer {self._key}"},
        )
        return answer.is_ok

    async def introduce_person(self, key: str, name: str, role: str, addresses: list[str]) -> None:
        """Write somebody into the address book, so that their messages lie in one inbox."""
        person = {"key": key, "name": name, "role": role, "addresses": addresses}
        await call(self.http, "PUT", "/_control/people", json={"people": [person]})

    async def decide_outcome(self, provider: str, to: str, outcome: str) -> None:
        """What becomes of the messages that a provider brings to an address."""
        await call(self.http, "PUT", f"/_control/{provider}/fates", json={"to": to, "outcome": outcome})

    async def show_page(self, page: str) -> None:
        """The order that /live leads to; "" when none is on its way."""
        await call(self.http, "PUT", "/_control/live", json={"url": page})

    async def plan_kitchen(self, order_ref: str, *, accept_after_s: float, ready_after_s: float, outcome: str) -> None:
        plan = {
            "accept_after_s": accept_after_s,
            "ready_after_s": ready_after_s,
            # What the kitchen says it takes, in everybody's minutes; 0 would say nothing, and its usual 15 would count.
            "prep_minutes": max(1, round(ready_after_s / 60)),
            "outcome": outcome,
        }
        await call(self.http, "PUT", f"/_control/petpooja/orders/{order_ref}", json=plan)

    async def read_pushes(self, after: int) -> tuple[list[dict[str, Any]], int]:
        answer = await call(
            self.http, "GET", "/_control/messages", params={"channel": "push", "after": after, "wait_s": 10}
        )
        return answer.body["messages"], answer.body["last_id"]

    async def last_push(self) -> int:
        """The number of the newest push so far: what an app that starts now has already seen."""
        after = 0
        while True:
            answer = await call(self.http, "GET", "/_control/messages", params={"channel": "push", "after": after})
            if not answer.body["messages"]:
                return after
            after = int(answer.body["last_id"])

    async def stripe_summary(self) -> dict[str, Any]:
        answer = await call(self.http, "GET", "/_control/stripe/summary")
        return dict(answer.body)

    async def courier_jobs(self) -> dict[str, list[dict[str, Any]]]:
        """Every job of every courier company."""
        found = {}
        for company in COMPANIES:
            answer = await call(self.http, "GET", f"/_control/{company}/jobs", params={"limit": 1000})
            found[company] = list(answer.body["jobs"])
        return found

    async def black_out(self, company: str, *, over: bool) -> None:
        """A courier company answers nobody any more, or again."""
        if over:
            await call(self.http, "DELETE", "/_control/faults", params={"provider": company})
        else:
            fault = {"provider": company, "direction": "answer", "kind": "error_500", "share": 1.0, "status": 503}
            await call(self.http, "POST", "/_control/faults", json=fault)
