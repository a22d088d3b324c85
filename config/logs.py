"""Structured logs with request ids, and without secrets or personal data (SPEC S2, S6)."""

import os
from typing import Any

import structlog

from foundation.masking import mask_event

_FORMAT = os.environ.get("LOG_FORMAT", "console")
_LEVEL = os.environ.get("LOG_LEVEL", "INFO").upper()

# Plain tracebacks: the pretty ones print local variables (slow, and full of what must not be in a log).
_FOR_PEOPLE = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    mask_event,
]


def configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer(),
            "foreign_pre_chain": _SHARED,
        },
        "console": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": _FOR_PEOPLE,
            "foreign_pre_chain": _SHARED,
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json" if _FORMAT == "json" else "console"}},
    "root": {"handlers": ["stderr"], "level": _LEVEL},
    "loggers": {
        "django_structlog": {"level": "WARNING"},
        "celery": {"level": os.environ.get("CELERY_LOG_LEVEL", "WARNING")},
        "django.request": {"level": "ERROR"},
        # The SDKs write headers at INFO and whole bodies at DEBUG; what we keep of a call is masked (OutboundCall).
        **{sdk: {"level": "WARNING"} for sdk in ("stripe", "twilio", "python_http_client", "urllib3", "google.auth")},
    },
}
