"""Django settings of the sandbox: views and templates, nothing else. Its data lives in `engine.store`."""

import secrets
from pathlib import Path

SECRET_KEY = secrets.token_hex(32)  # nothing is signed with it, so it may be new at each start
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "sandbox.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
DATABASES: dict[str, dict[str, str]] = {}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "engine" / "templates"],
    }
]
USE_TZ = True
USE_I18N = False
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the server has its own limit
LOGGING_CONFIG = None
