"""All settings, from the environment (`.env.example` lists every variable)."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.env import (
    BASE_DIR,
    database,
    decimal,
    env,
    networks,
    one_of,
    origins,
    pairs,
    persisted_secret_key,
    secret,
    sizes,
    web_address,
    whole,
)
from config.logging import LOGGING  # noqa: F401 - a Django setting

DATA_DIR = Path(env.str("KEYDECK_DATA_DIR", default=str(BASE_DIR / "var"))).absolute()
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = persisted_secret_key(DATA_DIR)
PORT = whole("PORT", default=8000)
PUBLIC_URL = web_address("KEYDECK_PUBLIC_URL", default=f"http://localhost:{PORT}")
# Where applications call the gateway; production may give its listener a name of its own.
GATEWAY_URL = web_address("KEYDECK_GATEWAY_URL", default=PUBLIC_URL) + "/gateway"
HTTPS = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = [
    *env.list("ALLOWED_HOSTS", default=[urlsplit(PUBLIC_URL).hostname or "localhost"]),
    *("localhost", "127.0.0.1", "[::1]"),  # health checks ask from within
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "keys",
    "usage",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "django_htmx",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.unstored",
    "config.middleware.refuse",
    "config.middleware.explained",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "keys.sign_in.presence.SeenMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Database. Embedded default: SQLite in WAL, every transaction IMMEDIATE so that two writers
# queue instead of failing half-way (DESIGN decision 12).
DATABASES = {"default": database(default=f"sqlite:///{DATA_DIR / 'keydeck.sqlite3'}")}
# How soon a connection to PostgreSQL whose other end went silent is given up.
POSTGRES_ALIVE = {
    "connect_timeout": 3,  # seconds, as the next two
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}
# Under ASGI every request has a thread of its own: a kept connection would never be used again.
DATABASES["default"]["CONN_MAX_AGE"] = 0
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # A server gives up a database that hangs; a command (migrate, restore) may take its time.
    _hurry = decimal("KEYDECK_STATEMENT_TIMEOUT", default=15.0)  # seconds; 0: none
    _options: dict[str, Any] = DATABASES["default"].setdefault("OPTIONS", {})
    for _name, _value in POSTGRES_ALIVE.items():
        _options.setdefault(_name, _value)
    if _hurry and Path(sys.argv[0]).name != "manage.py":
        _given = _options.get("options", "")
        _options["options"] = f"{_given} -c statement_timeout={_hurry * 1000:.0f}".strip()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = secret("REDIS_URL")
# Shared by all processes, without pickle: sign-in limits live here.
CACHES = {"default": {"BACKEND": "keys.cache.JsonCache"}}

# Accounts (DESIGN decision 18): e-mail is the login name; people are invited, they don't sign up.
AUTH_USER_MODEL = "keys.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "keys.sign_in.passwords.GuessableValidator"},
    {"NAME": "keys.sign_in.passwords.ContextValidator"},
]
ACCOUNT_ADAPTER = "keys.sign_in.accounts.InvitedOnlyAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_RATE_LIMITS = {  # beside allauth's own
    "single_sign_on": "30/m/ip",
    "reauthenticate": "5/5m/user",  # step-ups by password, code and passkey, together
}
ACCOUNT_FORMS = {"change_password": "keys.forms.passwords.ChangeForm"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""  # allauth's is the host that was asked
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # its mail tells strangers to sign up
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "keys.sign_in.invitations.LinkTokens"  # noqa: S105 - a path
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True  # the way in while somebody else guesses one's password
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_SESSION_REMEMBER = True
MFA_ADAPTER = "keys.sign_in.second_factor.SecondFactorAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are given by whoever invites, never by oneself
MFA_TOTP_ISSUER = "Keydeck"
MFA_FORMS = {
    "add_webauthn": "keys.forms.passkeys.AddForm",
    "authenticate_webauthn": "keys.forms.passkeys.AuthenticateForm",
    "reauthenticate_webauthn": "keys.forms.passkeys.ReauthenticateForm",
}
# A touch alone says that a device is there, not whose hand it is: a passkey confirms acts alone.
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
# Single sign-on by OpenID Connect, for people who are invited: see keys/sign_in/single_sign_on.py.
OIDC_URL = env.str("KEYDECK_OIDC_URL", default="").rstrip("/")
OIDC_NAME = env.str("KEYDECK_OIDC_NAME", default="") or "single sign-on"
OIDC_CLIENT_ID = env.str("KEYDECK_OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = secret("KEYDECK_OIDC_CLIENT_SECRET")
OIDC_TRUST_EMAIL = env.bool("KEYDECK_OIDC_TRUST_EMAIL", default=False)
SOCIALACCOUNT_ADAPTER = "keys.sign_in.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # a form's redirect to another host is what our CSP refuses
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"
vars().update(env.email_url_config(secret("EMAIL_URL") or "dummymail://"))
EMAIL_TIMEOUT = 10  # seconds that a request waits for a mail server
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="") or (
    f"Keydeck <keydeck@{urlsplit(PUBLIC_URL).hostname}>"
)

# Cookies and headers.
SESSION_ENGINE = "keys.sign_in.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "keydeck_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "keydeck_csrf"
CSRF_COOKIE_HTTPONLY = True
# One in which an account signed in before: see keys/sign_in/accounts.py.
BROWSER_COOKIE_NAME = "__Host-browser" if HTTPS else "keydeck_browser"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_SSL_REDIRECT = False  # the proxy in front owns port 80
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
# What `check --deploy` asks for and is the operator's: the domain beside and above this host,
# and port 80, which the proxy in front owns.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],  # Tabler's form controls are data: images
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# Static files: ours in static/, packages from npm by the table in config/npm.py.
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("KEYDECK_STATIC_DIR", default=str(DATA_DIR / "static"))).absolute()
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",  # allauth's passkey scripts
    "config.npm.PackageFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.npm.HashedStorage"},
}

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# The vault and the outbound door.
MASTER_KEYS = secret("KEYDECK_MASTER_KEYS")
MASTER_KEY_FILE = DATA_DIR / "master.key"
PROVIDER_URLS = pairs("KEYDECK_PROVIDER_URLS")
OUTBOUND_ALLOW = env.list("KEYDECK_OUTBOUND_ALLOW", default=[])
OUTBOUND_PROXY = secret("KEYDECK_OUTBOUND_PROXY")
OUTBOUND_CA = env.str("KEYDECK_OUTBOUND_CA", default="")
TRUSTED_PROXIES = networks("KEYDECK_TRUSTED_PROXIES")
CHECK_INTERVAL = decimal("KEYDECK_CHECK_INTERVAL", default=300.0)  # seconds
PROBES_AT_ONCE = max(1, whole("KEYDECK_PROBES_AT_ONCE", default=8))  # of one provider's keys

# Demo and the sandbox provider that make up starts.
DEMO = env.bool("KEYDECK_DEMO", default=True)
SANDBOX_PORT = whole("KEYDECK_SANDBOX_PORT", default=PORT + 1)
if DEMO:
    OUTBOUND_ALLOW = [*OUTBOUND_ALLOW, f"127.0.0.1:{SANDBOX_PORT}"]
ADMIN_EMAIL = env.str("KEYDECK_ADMIN_EMAIL", default="")
ADMIN_PASSWORD = secret("KEYDECK_ADMIN_PASSWORD")

# Usage: the spool and the gateway's bounds.
SPOOL_DIR = Path(env.str("KEYDECK_SPOOL_DIR", default=str(DATA_DIR / "spool"))).absolute()
SPOOL_FSYNC = env.bool("KEYDECK_SPOOL_FSYNC", default=False)  # survive a power loss too
GATEWAY_BODY_LIMIT = whole("KEYDECK_BODY_LIMIT", default=20 * 1024 * 1024)  # bytes
GATEWAY_BODY_LIMITS = sizes("KEYDECK_BODY_LIMITS")  # of single providers
GATEWAY_UPLOAD_LIMIT = whole("KEYDECK_UPLOAD_LIMIT", default=1024**3)  # bytes of a streamed body
GATEWAY_TIMEOUT = decimal("KEYDECK_UPSTREAM_TIMEOUT", default=300.0)  # seconds without a byte
GATEWAY_BODY_TIMEOUT = decimal("KEYDECK_BODY_TIMEOUT", default=30.0)  # seconds, of a stranger
GATEWAY_CONNECT_TIMEOUT = decimal("KEYDECK_CONNECT_TIMEOUT", default=10.0)  # seconds
GATEWAY_CORS = origins("KEYDECK_GATEWAY_CORS")  # whose pages may call from a browser
GATEWAY_STALE = decimal("KEYDECK_STALE_LIMIT", default=300.0)  # seconds, DESIGN decision 11
CALLER_ADDRESS = one_of("KEYDECK_CALLER_ADDRESS", ("full", "truncated", "hashed"))
SECRET_MAX_AGE_DAYS = whole("KEYDECK_SECRET_MAX_AGE_DAYS", default=180)  # 0: any age
CALL_RETENTION_DAYS = whole("KEYDECK_CALL_RETENTION_DAYS", default=30)
_days = whole("KEYDECK_DAY_RETENTION_DAYS", default=3650)
COUNTS_KEPT = {  # per step; None: for good
    "minute": timedelta(hours=whole("KEYDECK_MINUTE_RETENTION_HOURS", default=48)),
    "hour": timedelta(days=whole("KEYDECK_HOUR_RETENTION_DAYS", default=90)),
    "day": timedelta(days=_days) if _days else None,
}
METRICS_TOKEN = secret("KEYDECK_METRICS_TOKEN")

# Celery: Redis, or a broker of files where there is none (DESIGN decision 7).
CELERY_BROKER_URL = REDIS_URL or "filesystem://localhost/"
if not REDIS_URL:
    CELERY_BROKER_TRANSPORT = "config.broker:Transport"
    BROKER_DIR = DATA_DIR / "broker"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.25,  # seconds
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "keydeck"
# No time limit per task: it has no effect on threads. The work bounds itself: probes have
# time-outs (keys.probing), statements too (above), and what is left is due again.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# What is due lives in rows, not in beat's own memory file.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
