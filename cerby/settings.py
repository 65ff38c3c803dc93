"""Django's settings, made from `cerby.environment`."""

import sys
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.templatetags.static import static
from django.urls import reverse_lazy
from redis.backoff import NoBackoff
from redis.retry import Retry

from cerby import connections, environment
from cerby.environment import ROOT, MailSecurity, Misconfigured, Mode

try:
    ENVIRONMENT: Final = environment.read()
except Misconfigured as problem:
    sys.exit(f"Cerby cannot start:\n{problem}")

DEBUG = False
SECRET_KEY = ENVIRONMENT.secret_key.get_secret_value() or "only for tools that read settings and run nothing"
ENCRYPTION_KEYS = [key.get_secret_value() for key in ENVIRONMENT.encryption_keys]
BASE_URL = ENVIRONMENT.public_url
_HOST = urlsplit(BASE_URL).hostname or "localhost"
ALLOWED_HOSTS = [_HOST] if ENVIRONMENT.is_production else ["127.0.0.1", "localhost", "[::1]", "testserver", _HOST]
CSRF_TRUSTED_ORIGINS = [BASE_URL]

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the plain "unfold" would put its own admin site in the place of ours
    "unfold.contrib.filters",
    "cerby.admin_site.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "axes",
    "pgtrigger",
    "rest_framework",
    "django_scim",
    "workspace",
    "rotation",
    "scim",
    "cerby",
]
MIDDLEWARE = [
    "cerby.health.probes_first",
    "workspace.request_ids.named",
    "django.middleware.security.SecurityMiddleware",
    "scim.entrance.scim_first",
    "workspace.policy.headers",
    "workspace.request_checks.acceptable",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "workspace.gate.gate",
]
ROOT_URLCONF = "cerby.urls"
WSGI_APPLICATION = "cerby.wsgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "workspace.gate.second_factor_due",
            ]
        },
    }
]


DATABASES = {"default": connections.django_database(ENVIRONMENT.database_url.get_secret_value())}
WEB_STATEMENT_SECONDS = ENVIRONMENT.web_statement_seconds
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "workspace.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "workspace.signin.WorkspaceBackend"]
AXES_HANDLER = "workspace.throttle.Handler"
AXES_USERNAME_CALLABLE = "workspace.throttle.who"
AXES_CLIENT_IP_CALLABLE = "workspace.throttle.where"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
SILENCED_SYSTEM_CHECKS = ["axes.W002"]  # its middleware would answer lock-outs with a page of its own; our form does
SECOND_FACTOR_GRACE_DAYS = ENVIRONMENT.second_factor_grace_days
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
        ("UserAttributeSimilarityValidator", {"user_attributes": ("user_name", "email", "display_name")}),
    )
]
PASSWORD_RESET_TIMEOUT = 24 * 3600
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
SESSION_ENGINE = "workspace.sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = f"cerby_session_{ENVIRONMENT.port}"
CSRF_COOKIE_NAME = f"cerby_csrf_{ENVIRONMENT.port}"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if ENVIRONMENT.is_production:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
if ENVIRONMENT.trusted_proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = ENVIRONMENT.scim_payload_bytes
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # a removal of many people is answered with a field for each of them
DATA_UPLOAD_MAX_NUMBER_FILES = 0
FILE_UPLOAD_HANDLERS: list[str] = []

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = ENVIRONMENT.home / "static" if ENVIRONMENT.is_production else None
WHITENOISE_USE_FINDERS = not ENVIRONMENT.is_production

_BACKEND = "filebased" if ENVIRONMENT.mail_folder else "smtp" if ENVIRONMENT.smtp_host else "console"
EMAIL_BACKEND = f"django.core.mail.backends.{_BACKEND}.EmailBackend"
EMAIL_FILE_PATH = str(ENVIRONMENT.mail_folder or "")
EMAIL_HOST = ENVIRONMENT.smtp_host
EMAIL_PORT = ENVIRONMENT.smtp_port
EMAIL_HOST_USER = ENVIRONMENT.smtp_user
EMAIL_HOST_PASSWORD = ENVIRONMENT.smtp_password.get_secret_value()
EMAIL_USE_TLS = ENVIRONMENT.smtp_security is MailSecurity.STARTTLS
EMAIL_USE_SSL = ENVIRONMENT.smtp_security is MailSecurity.TLS
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENVIRONMENT.mail_from or f"Cerby <no-reply@{_HOST}>"
SUPPORT_EMAIL = ENVIRONMENT.support_email
SENDS_MAIL = _BACKEND != "console" or not ENVIRONMENT.is_production
MAIL_DELAY_SECONDS = ENVIRONMENT.mail_delay_seconds

_REDIS = connections.redis_address(ENVIRONMENT.redis_url.get_secret_value() or "redis://127.0.0.1:1/0")
REDIS_URL = _REDIS.url
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cerby",
        "OPTIONS": {
            "serializer": "workspace.counters.Serializer",
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
            "retry": Retry(NoBackoff(), 0),  # who counts does without Valkey rather than wait for it
        },
    }
}
CELERY_BROKER_URL = _REDIS.broker_url
CELERY_BROKER_USE_SSL = _REDIS.tls
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = ENVIRONMENT.lease_seconds / 2
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = ENVIRONMENT.worker_concurrency
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": max(600, int(ENVIRONMENT.lease_seconds * 5)),
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
}

HOME = ENVIRONMENT.home
DISK_FREE_MIB = ENVIRONMENT.disk_free_mib
SWEEP_SECONDS = ENVIRONMENT.sweep_seconds
WAKE_AGAIN_SECONDS = ENVIRONMENT.wake_again_seconds
TARGET_CONCURRENCY = ENVIRONMENT.target_concurrency
CALL_TIMEOUT_SECONDS = ENVIRONMENT.call_timeout_seconds
BROWSER_TIMEOUT_SECONDS = min(ENVIRONMENT.browser_timeout_seconds, ENVIRONMENT.lease_seconds / 2 * 0.8)
CHROMIUM = ENVIRONMENT.chromium
CHROMIUM_ACCOUNT = ENVIRONMENT.chromium_account
LEASE_SECONDS = ENVIRONMENT.lease_seconds
ACCESS_LOSS_SECONDS = ENVIRONMENT.access_loss_seconds
ALLOW_LOOPBACK_TARGETS = ENVIRONMENT.allow_loopback_targets or not ENVIRONMENT.is_production
SCIM_TOKEN_DAYS = ENVIRONMENT.scim_token_days
PROVISIONING_LOG_DAYS = ENVIRONMENT.provisioning_log_days
SCIM_REQUESTS_PER_MINUTE = ENVIRONMENT.scim_requests_per_minute
SCIM_BULK_OPERATIONS = ENVIRONMENT.scim_bulk_operations
SCIM_PAYLOAD_BYTES = ENVIRONMENT.scim_payload_bytes
SCIM_PREFIX = "/scim/v2/"
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
FAILPOINTS = ENVIRONMENT.failpoints if ENVIRONMENT.mode is Mode.TEST else ""

SCIM_SERVICE_PROVIDER = {
    "USER_ADAPTER": "scim.adapters.UserAdapter",
    "GROUP_ADAPTER": "scim.adapters.GroupAdapter",
    "GROUP_MODEL": "workspace.models.Team",
    "USER_FILTER_PARSER": "scim.attributes.UserFilter",
    "GROUP_FILTER_PARSER": "scim.attributes.GroupFilter",
    "SERVICE_PROVIDER_CONFIG_MODEL": "scim.schemas.ServiceProviderConfig",
    "AUTH_CHECK_MIDDLEWARE": "scim.auth.TokenMiddleware",
    "SCHEMAS_GETTER": "scim.schemas.all_schemas",
    "BASE_LOCATION_GETTER": "scim.paging.base_location",
    "NETLOC": urlsplit(BASE_URL).netloc,
    "SCHEME": urlsplit(BASE_URL).scheme,
    "AUTHENTICATION_SCHEMES": [
        {
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A token issued by a Workspace Owner, in the Authorization header.",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": True,
        }
    ],
    "WWW_AUTHENTICATE_HEADER": 'Bearer realm="Cerby SCIM"',
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workspace.bearer.KeyAuthentication",
        "workspace.bearer.PersonSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["workspace.json_body.StorableJSONParser"],
    "EXCEPTION_HANDLER": "workspace.api.problem",
    "UNAUTHENTICATED_USER": None,
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django": {"level": "INFO"}, "httpx": {"level": "WARNING"}},
}


def _page(name: str) -> Any:
    return reverse_lazy(f"admin:{name}_changelist")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Cerby",
    "SITE_HEADER": "Cerby",
    "SITE_SUBHEADER": "Workspace console",
    "SITE_SYMBOL": "shield_lock",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("web/icon.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("console/console.css")],
    "SCRIPTS": [lambda request: static("console/labels.js")],
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .014 255)",
            "100": "oklch(93.6% .032 255)",
            "200": "oklch(88.5% .062 255)",
            "300": "oklch(80.8% .114 254)",
            "400": "oklch(70.4% .165 256)",
            "500": "oklch(60.5% .2 259)",
            "600": "oklch(52% .22 262)",
            "700": "oklch(46% .21 264)",
            "800": "oklch(40% .17 265)",
            "900": "oklch(35% .13 266)",
            "950": "oklch(26% .09 268)",
        },
    },
    "ACCOUNT": {"navigation": [{"title": "My profile", "link": "/profile/"}]},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {"items": [{"title": "Home", "icon": "home", "link": reverse_lazy("admin:index")}]},
            {
                "title": "People",
                "items": [
                    {"title": "People", "icon": "group", "link": _page("workspace_user")},
                    {"title": "Teams", "icon": "groups", "link": _page("workspace_team")},
                ],
            },
            {
                "title": "Access",
                "items": [
                    {"title": "Accounts", "icon": "key", "link": _page("workspace_account")},
                    {"title": "Grants", "icon": "handshake", "link": _page("workspace_grant")},
                ],
            },
            {
                "title": "Departures",
                "items": [
                    {"title": "Offboardings", "icon": "person_off", "link": _page("rotation_offboarding")},
                    {"title": "Exposures", "icon": "visibility", "link": _page("rotation_exposure")},
                    {"title": "Rotations", "icon": "autorenew", "link": _page("rotation_rotationjob")},
                    {"title": "Orphans", "icon": "family_restroom", "link": _page("rotation_orphan")},
                    {"title": "Lost access", "icon": "key_off", "link": _page("rotation_accessloss")},
                    {"title": "Removals of many", "icon": "group_off", "link": _page("rotation_massremoval")},
                    {"title": "Audit log", "icon": "history", "link": _page("workspace_auditevent")},
                ],
            },
            {
                "title": "Okta",
                "items": [
                    {"title": "Connect Okta", "icon": "cable", "link": reverse_lazy("admin:connect_okta")},
                    {"title": "SCIM tokens", "icon": "vpn_key", "link": _page("scim_scimtoken")},
                    {"title": "Provisioning log", "icon": "sync", "link": _page("scim_provisioningevent")},
                ],
            },
            {
                "title": "Notifications",
                "items": [
                    {"title": "Notices", "icon": "notifications", "link": _page("workspace_notice")},
                    {"title": "Deliveries", "icon": "outgoing_mail", "link": _page("workspace_delivery")},
                    {"title": "Webhook endpoints", "icon": "webhook", "link": _page("workspace_webhookendpoint")},
                ],
            },
            {
                "title": "Settings",
                "items": [{"title": "Workspace", "icon": "domain", "link": _page("workspace_workspace")}],
            },
        ],
    },
}
