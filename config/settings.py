"""Handoff's configuration: everything from the environment (SPEC S5), nothing from files in the tree.

Names follow the contracts where they give one. Business deadlines (offers, acknowledgement) are policy and never
scaled; the travel settings are physics and are what a faster city changes.
"""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from config.environment import live_url_of, read_variable

BASE_DIR = Path(__file__).resolve().parent.parent

# ── the process ──────────────────────────────────────────────────────────────────────────────────────────────────
HANDOFF_PROCESS = os.environ.get("HANDOFF_PROCESS", "command")  # web | sockets | worker | beat | command
DEBUG = read_variable("DEBUG")
SECRET_KEY = read_variable("SECRET_KEY")
SECRET_KEY_GIVEN = bool(SECRET_KEY)
if not SECRET_KEY_GIVEN:
    if HANDOFF_PROCESS != "command":
        raise ImproperlyConfigured("SECRET_KEY is not set: sessions and tokens would not survive this process")
    SECRET_KEY = get_random_secret_key()  # one command signs nothing that outlives it
ALLOWED_HOSTS = read_variable("ALLOWED_HOSTS")
PUBLIC_URL = read_variable("PUBLIC_URL").rstrip("/")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL, *read_variable("CSRF_TRUSTED_ORIGINS")]
BEHIND_TLS = PUBLIC_URL.startswith("https://")
SOCKETS_ORIGINS = [*CSRF_TRUSTED_ORIGINS, *read_variable("SOCKETS_ORIGINS")]
SOCKETS_URL = read_variable("SOCKETS_URL").rstrip("/") or PUBLIC_URL.replace("http", "ws", 1)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "ops.console.apps.ConsoleConfig",
    "config.apps.ConfigConfig",
    "ops.apps.OpsConfig",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "foundation",
    "notifications",
    "orders",
    "riders",
    "deliveries",
    "payouts",
    "webhooks",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a provider's POST is never redirected (SPEC 1)

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────
DATABASES = {"default": environ.Env.db_url_config(read_variable("DATABASE_URL"))}
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"]["options"] = (
    f"-c statement_timeout={read_variable('STATEMENT_TIMEOUT_MS')}"
    f" -c lock_timeout={read_variable('LOCK_TIMEOUT_MS')}"
    " -c idle_in_transaction_session_timeout=30000"
)
if HANDOFF_PROCESS == "web":
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": read_variable("DATABASE_POOL")}

# ── the broker and the live pushes ───────────────────────────────────────────────────────────────────────────────
BROKER_URL = read_variable("BROKER_URL")
LIVE_URL = read_variable("LIVE_URL") or live_url_of(BROKER_URL)

CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = read_variable("WORKER_CONCURRENCY")
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
    }
    if "redis" in BROKER_URL
    else {}
)
DJANGO_CELERY_BEAT_TZ_AWARE = True

# What config and ops give to foundation: foundation imports no room, so it is told by name.
REACTIONS = "config.reactions.REACTIONS"
WORK_QUEUES = "config.schedule.WORK_QUEUES"
PERIODIC = "config.schedule.PERIODIC"
ADVICE = "ops.alerts.ADVICE"
ROLE_GRANTS = "ops.role_permissions.ROLE_GRANTS"
RECIPIENT_OF = "ops.recipients.recipient_of_user"
MESSAGE_FACTS = "ops.message_freshness.current_params"

# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "foundation.User"
AUTHENTICATION_BACKENDS = ["foundation.access.RoleBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",  # as strong as the default, a tenth of its time at every login
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"

# ── APIs ─────────────────────────────────────────────────────────────────────────────────────────────────────────
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["foundation.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["foundation.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "foundation.api.errors.handle_exception",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000  # SPEC W7: 1 MB and over is refused
SIMPLE_JWT = {
    "USER_ID_FIELD": "public_id",
    "USER_ID_CLAIM": "sub",
    "UPDATE_LAST_LOGIN": False,
    "CHECK_REVOKE_TOKEN": True,  # a new password ends what was signed in with the old one
}
ACCESS_TOKEN_MINUTES = read_variable("ACCESS_TOKEN_MINUTES")
REFRESH_TOKEN_DAYS = read_variable("REFRESH_TOKEN_DAYS")
SPECTACULAR_SETTINGS = {
    "TITLE": "Handoff",
    "DESCRIPTION": "The back office of on-demand delivery: order tracking, riders, webhooks.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/",
    "ENUM_NAME_OVERRIDES": {
        "OrderTrackingStatus": "deliveries.api.tracking_serializers.WORDS",
        "OrderStatusWished": "deliveries.api.tracking_serializers.SETTABLE",
        "DeliveryStatus": "deliveries.api.rider_serializers.WORDS",
        "DeliveryStatusWished": "deliveries.api.rider_serializers.STEP_WORDS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.schema.add_plain_addresses",
    ],
}

# ── limits (SPEC S2) ─────────────────────────────────────────────────────────────────────────────────────────────
TRUSTED_PROXIES = read_variable("TRUSTED_PROXIES")
if TRUSTED_PROXIES is None:
    TRUSTED_PROXIES = int(BEHIND_TLS)  # TLS ends at a proxy
WRONG_SIGN_INS_PER_NAME = read_variable("WRONG_SIGN_INS_PER_NAME")
WRONG_SIGN_INS_PER_ADDRESS = read_variable("WRONG_SIGN_INS_PER_ADDRESS")
TRACKING_LOOKS_PER_MINUTE = read_variable("TRACKING_LOOKS_PER_MINUTE")
TRACKING_FORMS_PER_HOUR = read_variable("TRACKING_FORMS_PER_HOUR")
USELESS_LINKS_PER_MINUTE = read_variable("USELESS_LINKS_PER_MINUTE")

# ── providers: a missing key turns that provider off, visibly (SPEC S5) ──────────────────────────────────────────
STRIPE_SECRET_KEY = read_variable("STRIPE_SECRET_KEY")
STRIPE_API_BASE = read_variable("STRIPE_API_BASE")
STRIPE_WEBHOOK_SECRETS = read_variable("STRIPE_WEBHOOK_SECRET")
STRIPE_CONNECT_WEBHOOK_SECRETS = read_variable("STRIPE_CONNECT_WEBHOOK_SECRET")
STRIPE_LIVEMODE = read_variable("STRIPE_LIVEMODE")
if STRIPE_LIVEMODE is None:
    STRIPE_LIVEMODE = STRIPE_SECRET_KEY.startswith(("sk_live", "rk_live"))
PETPOOJA_API_BASE = read_variable("PETPOOJA_API_BASE")
PETPOOJA_APP_KEY = read_variable("PETPOOJA_APP_KEY")
PETPOOJA_APP_SECRET = read_variable("PETPOOJA_APP_SECRET")
PETPOOJA_ACCESS_TOKEN = read_variable("PETPOOJA_ACCESS_TOKEN")
COOCO_API_KEY = read_variable("COOCO_API_KEY")
COOCO_API_BASE = read_variable("COOCO_API_BASE")
COOCO_WEBHOOK_SECRETS = read_variable("COOCO_WEBHOOK_SECRET")
UBER_CLIENT_ID = read_variable("UBER_CLIENT_ID")
UBER_CLIENT_SECRET = read_variable("UBER_CLIENT_SECRET")
UBER_CUSTOMER_ID = read_variable("UBER_CUSTOMER_ID")
UBER_API_BASE = read_variable("UBER_API_BASE")
UBER_AUTH_BASE = read_variable("UBER_AUTH_BASE")
UBER_WEBHOOK_SIGNING_KEYS = read_variable("UBER_WEBHOOK_SIGNING_KEY")
DOORDASH_DEVELOPER_ID = read_variable("DOORDASH_DEVELOPER_ID")
DOORDASH_KEY_ID = read_variable("DOORDASH_KEY_ID")
DOORDASH_SIGNING_SECRET = read_variable("DOORDASH_SIGNING_SECRET")
DOORDASH_API_BASE = read_variable("DOORDASH_API_BASE")
DOORDASH_WEBHOOK_AUTHORIZATIONS = read_variable("DOORDASH_WEBHOOK_AUTHORIZATION")
SENDGRID_API_KEY = read_variable("SENDGRID_API_KEY")
SENDGRID_API_BASE = read_variable("SENDGRID_API_BASE")
SENDGRID_FROM_EMAIL = read_variable("SENDGRID_FROM_EMAIL")
TWILIO_ACCOUNT_SID = read_variable("TWILIO_ACCOUNT_SID")
TWILIO_AUTH_TOKEN = read_variable("TWILIO_AUTH_TOKEN")
TWILIO_API_BASE = read_variable("TWILIO_API_BASE")
TWILIO_FROM_NUMBER = read_variable("TWILIO_FROM_NUMBER")
TWILIO_OLD_AUTH_TOKENS = read_variable("TWILIO_OLD_AUTH_TOKEN")
SENDGRID_WEBHOOK_PUBLIC_KEYS = read_variable("SENDGRID_WEBHOOK_PUBLIC_KEY")
WHATSAPP_ACCESS_TOKEN = read_variable("WHATSAPP_ACCESS_TOKEN") or read_variable("META_API_KEY")
WHATSAPP_PHONE_NUMBER_ID = read_variable("WHATSAPP_PHONE_NUMBER_ID")
WHATSAPP_APP_SECRETS = read_variable("WHATSAPP_APP_SECRET")
WHATSAPP_VERIFY_TOKEN = read_variable("WHATSAPP_VERIFY_TOKEN")
WHATSAPP_API_BASE = read_variable("WHATSAPP_API_BASE")
WHATSAPP_API_VERSION = read_variable("WHATSAPP_API_VERSION")
FIREBASE_CREDENTIALS = read_variable("FIREBASE_CREDENTIALS")
FCM_API_BASE = read_variable("FCM_API_BASE")
PUSH_ACK_SECONDS = read_variable("PUSH_ACK_SECONDS")
QUIET_HOURS = read_variable("QUIET_HOURS")
DEFAULT_TIME_ZONE = read_variable("DEFAULT_TIME_ZONE")
MESSAGES_PER_PERSON_PER_HOUR = read_variable("MESSAGES_PER_PERSON_PER_HOUR")
MESSAGES_PER_EVENT_PER_HOUR = read_variable("MESSAGES_PER_EVENT_PER_HOUR")
MESSAGE_PRICES = read_variable("MESSAGE_PRICES")  # in millionths
MESSAGE_DAILY_CAPS = read_variable("MESSAGE_DAILY_CAPS")
OPS_EMAIL = read_variable("OPS_EMAIL")
OPS_DIGEST_MINUTES = read_variable("OPS_DIGEST_MINUTES")
OPS_REMIND_MINUTES = read_variable("OPS_REMIND_MINUTES")
ALERT_WINDOW_MINUTES = read_variable("ALERT_WINDOW_MINUTES")
ALERT_SIGNATURE_FAILURES = read_variable("ALERT_SIGNATURE_FAILURES")
ALERT_PROVIDER_ERRORS = read_variable("ALERT_PROVIDER_ERRORS")
ALERT_SILENT_MINUTES = read_variable("ALERT_SILENT_MINUTES")
SELF_CHECK = read_variable("SELF_CHECK")
if SELF_CHECK is None:
    SELF_CHECK = BEHIND_TLS

# ── the business ─────────────────────────────────────────────────────────────────────────────────────────────────
OFFER_SECONDS = read_variable("OFFER_SECONDS")  # SPEC D2
MAX_DELIVERY_DISTANCE_M = read_variable("MAX_DELIVERY_DISTANCE_M")  # SPEC D3
GEOFENCE_M = read_variable("GEOFENCE_M")  # SPEC R4
GPS_REQUIRED = read_variable("GPS_REQUIRED")  # SPEC R4
MAX_FAKE_ATTEMPTS = read_variable("MAX_FAKE_ATTEMPTS")  # SPEC R4: more than these suspends
POSITION_FRESH_SECONDS = read_variable("POSITION_FRESH_SECONDS")  # SPEC D1
COURIER_SILENT_SECONDS = read_variable("COURIER_SILENT_SECONDS")
MIN_PAYOUT_MINOR = read_variable("MIN_PAYOUT_MINOR")  # SPEC M2
TRACKING_LINK_DAYS = read_variable("TRACKING_LINK_DAYS")  # SPEC T3
TRACKING_LINK_HOURS = read_variable("TRACKING_LINK_HOURS")  # SPEC T3
TRACKING_TILES_URL = read_variable("TRACKING_TILES_URL")
TRACKING_TILES_CREDIT = read_variable("TRACKING_TILES_CREDIT")

# ── the physics of the city (a simulated city may be faster) ─────────────────────────────────────────────────────
TRAVEL_SPEED_M_PER_MIN = read_variable("TRAVEL_SPEED_M_PER_MIN")
SERVICE_MINUTES = read_variable("SERVICE_MINUTES")
PLAUSIBLE_SPEED_M_PER_S = read_variable("PLAUSIBLE_SPEED_M_PER_S")
DISPATCH_LEAD_SECONDS = read_variable("DISPATCH_LEAD_SECONDS")  # look for a rider this long before ready
LEARN_WEEKS = read_variable("LEARN_WEEKS")

# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = Path(read_variable("STATIC_ROOT") or BASE_DIR / ".static")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},  # phones load the tracking page
}
SECURE_SSL_REDIRECT = False  # TLS ends at the proxy; a provider's POST is never redirected
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = BEHIND_TLS
SECURE_HSTS_PRELOAD = BEHIND_TLS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # the redirect to HTTPS is the proxy's (see SECURE_SSL_REDIRECT)

from config.logs import LOGGING, configure_structlog  # noqa: E402  (needs the values above to exist)

configure_structlog()

__all__ = ["LOGGING"]
