"""Two families of errors: what we tell callers (APIError), and how a call to a provider ended (CallFailed)."""

from typing import Any


class APIError(Exception):
    """A request that cannot be done, said clearly. Nothing was changed.

    `code` is for machines, `message` for people, `field` names the input that is wrong (None: not about one input).
    """

    status = 400
    code = "BAD_REQUEST"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None, status: int | None = None):
        super().__init__(message)
        self.message = message
        self.field = field
        self.code = code or self.code
        self.status = status or self.status
        self.headers: dict[str, str] = {}  # of the answer


class Invalid(APIError):
    code = "VALIDATION_ERROR"


class IllegalMove(APIError):
    """A strict move that SPEC's table does not allow (SPEC O1)."""

    code = "INVALID_STATUS_TRANSITION"


class Forbidden(APIError):
    status = 403
    code = "FORBIDDEN"


class NotFound(APIError):
    status = 404
    code = "NOT_FOUND"


class Conflict(APIError):
    status = 409
    code = "CONFLICT"


class TooManyRequests(APIError):
    """A limit is used up (foundation/limits.py); `retry_after_s` is when the next call gets through."""

    status = 429
    code = "TOO_MANY_REQUESTS"

    def __init__(self, *, retry_after_s: int):
        unit = "second" if retry_after_s == 1 else "seconds"
        super().__init__(f"Too many requests; please try again in {retry_after_s} {unit}")
        self.headers = {"Retry-After": str(retry_after_s)}


class NotEnabled(APIError):
    """The provider or feature this needs is turned off (SPEC S5)."""

    status = 503
    code = "NOT_ENABLED"


class CallFailed(Exception):
    """A call to a provider that did not give the answer we need. Subclasses say what may be concluded.

    `answer` is the body of the provider's answer; None: there was no answer, what we sent may still be under way.
    """

    def __init__(self, message: str, *, code: str = "", answer: Any = None):
        super().__init__(message)
        self.code = code
        self.answer = answer


class Permanent(CallFailed):
    """The provider refused for good: it did not happen and trying the same again is pointless."""


class Transient(CallFailed):
    """It did not happen, but may later (not reached, too many requests, temporarily closed)."""


class Unknown(CallFailed):
    """Nobody here can know whether it happened (time-out, dropped, 5xx after sending): look up, then retry."""
