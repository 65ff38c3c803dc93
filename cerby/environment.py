"""What the operator decides: every setting read from the environment, typed, validated and described.

`manage.py settings` prints this listing. Nothing else in the product reads `os.environ`.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cerby import connections
from workspace.crypto import decode_key

ROOT: Final = Path(__file__).resolve().parent.parent


class Mode(StrEnum):
    """How much is provided for. Only production takes nothing for granted."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    DEMO = "demo"
    TEST = "test"


class MailSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Misconfigured(Exception):
    """The environment cannot be used; the message says which variable and what to do."""


class Environment(BaseSettings):
    """Names are those of the variables: `CERBY_…`, and `DATABASE_URL`, `REDIS_URL` as hosting platforms set them."""

    model_config = SettingsConfigDict(env_prefix="CERBY_", frozen=True, extra="ignore", env_ignore_empty=True)

    mode: Mode = Field(Mode.PRODUCTION, description="production, development, demo or test.")
    secret_key: SecretStr = Field(
        SecretStr(""), description="Signs sessions and links. Required in production: at least 50 random characters."
    )
    encryption_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Seal the stored passwords: 32 bytes in base64, comma separated; the first seals, all open."
        " Required in production.",
    )  # fmt: skip
    database_url: SecretStr = Field(
        SecretStr(""), validation_alias="DATABASE_URL",
        description="postgresql://user:password@host:port/name?sslmode=verify-full, as PostgreSQL's own programs take"
        " it, with several hosts too. Unset outside production: the embedded PostgreSQL.",
    )  # fmt: skip
    redis_url: SecretStr = Field(
        SecretStr(""), validation_alias="REDIS_URL",
        description="rediss://:password@host:port/0, the task broker over TLS, verified; redis:// without TLS. Unset"
        " outside production: the embedded Valkey.",
    )  # fmt: skip
    base_url: str = Field(
        "", description="The address people and Okta use, such as https://cerby.example.com. Required in production."
    )
    home: Path = Field(ROOT / "var", description="Where the embedded engines and generated keys lie.")
    disk_free_mib: int = Field(
        512, ge=0, description="/health/ready calls the disk of CERBY_HOME nearly full below this, in MiB."
    )
    bind: str = Field("127.0.0.1", description="The address the web server listens on. Demo mode: loopback only.")
    port: int = Field(8000, ge=1, le=65535, description="The port the web server listens on.")
    web_workers: int = Field(2, ge=1, description="Web server processes.")
    web_threads: int = Field(8, ge=1, description="Threads in each web server process.")
    web_statement_seconds: float = Field(
        30, ge=0, description="The longest one statement of a web process may take in the database, in seconds, waiting"
        " for others included. Okta gives up after 60. 0: no limit, as behind a pooler that takes no `options`.",
    )  # fmt: skip
    worker_concurrency: int = Field(4, ge=1, description="Rotations that one worker runs at a time.")
    target_concurrency: int = Field(4, ge=1, description="Rotations that run at a time on one target.")
    sweep_seconds: float = Field(3, gt=0, description="How often due rotations are looked for, in seconds.")
    wake_again_seconds: float = Field(
        30, gt=0, description="After how long a due rotation is announced again when nobody took it, in seconds."
    )
    call_timeout_seconds: float = Field(10, gt=0, description="The longest a target may take to answer one call.")
    browser_timeout_seconds: float = Field(
        30, gt=0, description="The longest a web site driven in a browser may take for one call. At most four fifths of"
        " the task time limit, which is half of CERBY_LEASE_SECONDS.",
    )  # fmt: skip
    chromium: Path = Field(Path("/usr/bin/chromium"), description="The browser in which web forms are filled.")
    chromium_account: str = Field(
        "nobody", description="The account that the browser runs as where the worker runs as root."
    )
    lease_seconds: float = Field(
        120, gt=0, description="How long a worker holds a rotation; above the task time limit, which is half of it."
    )
    access_loss_seconds: float = Field(
        60, ge=0, description="How long people who lost access to an account have to be given it back before what they"
        " could have known is changed, in seconds.",
    )  # fmt: skip
    allow_loopback_targets: bool = Field(
        False, description="Let accounts name targets on this very machine. On in demo, development and test."
    )
    scim_token_days: int = Field(365, ge=1, description="How long a SCIM token lasts unless said otherwise.")
    provisioning_log_days: int = Field(
        180, ge=1, description="How long provisioning events are kept; `manage.py prune` deletes older ones."
    )
    scim_requests_per_minute: int = Field(
        120_000, ge=1, description="How many SCIM requests a minute one token may make before it is answered 429."
    )
    scim_bulk_operations: int = Field(1_000, ge=1, description="How many operations one SCIM Bulk request may hold.")
    scim_payload_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="The largest body of a request that is read, in bytes."
    )
    trusted_proxies: int = Field(
        0, ge=0, description="Reverse proxies in front that set X-Forwarded-Proto and X-Forwarded-For."
    )
    second_factor_grace_days: float = Field(
        7, ge=0, description="How long an Owner may sign in without a second factor, from becoming one. 0: not at all."
    )
    smtp_host: str = Field(
        "", description="The mail server. Unset: no mail in production, elsewhere mails are printed to the terminal."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="The mail server's port.")
    smtp_user: str = Field("", description="The user name at the mail server. Unset: no log-in there.")
    smtp_password: SecretStr = Field(SecretStr(""), description="The password at the mail server.")
    smtp_security: MailSecurity = Field(
        MailSecurity.STARTTLS, description="How the connection to the mail server is protected: starttls, tls or none."
    )
    mail_from: str = Field("", description="The sender of mails, such as Cerby <cerby@example.com>.")
    support_email: str = Field(
        "", description="Who is told by mail when an Owner asks for the deletion of a person's data. Unset: nobody."
    )
    mail_folder: Path | None = Field(None, description="Write mails into files there instead of sending them.")
    mail_delay_seconds: float = Field(
        30, ge=0, description="How long a notice waits for others, so that one mail tells of all of them."
    )
    postgres_port: int | None = Field(None, description="Port of the embedded PostgreSQL. Unset: a free one.")
    valkey_port: int | None = Field(None, description="Port of the embedded Valkey. Unset: a free one.")
    failpoints: str = Field("", description="Where a rotation shall die, for the tests; refused outside test mode.")

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> "Environment":
        if self.mode is Mode.PRODUCTION:
            self._require_everything()
        self._check_encryption_keys()
        self._check_addresses()
        if self.mode is Mode.DEMO and self.bind not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(f"CERBY_BIND is {self.bind}: the demo listens on loopback only (127.0.0.1, ::1).")
        if self.mode is not Mode.TEST and self.lease_seconds < 12 * self.call_timeout_seconds:
            raise ValueError(
                f"CERBY_LEASE_SECONDS is {self.lease_seconds:g}: it must be at least 12 times"
                " CERBY_CALL_TIMEOUT_SECONDS, so that a worker is never in a call when its lease ends."
            )
        if self.failpoints and self.mode is not Mode.TEST:
            raise ValueError("CERBY_FAILPOINTS works in test mode only. Unset it.")
        return self

    def _require_everything(self) -> None:
        if len(self.secret_key.get_secret_value()) < 50:
            raise ValueError(
                "CERBY_SECRET_KEY is missing or shorter than 50 characters. Make one with"
                ' `python3 -c "import secrets; print(secrets.token_urlsafe(64))"` and keep it with your other secrets.'
            )
        if not self.encryption_keys:
            raise ValueError(
                "CERBY_ENCRYPTION_KEYS is missing, so stored passwords could not be sealed. Make one with"
                ' `python3 -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"`,'
                " keep a copy outside this machine: without it the stored passwords are lost."
            )
        if self.smtp_host and not self.mail_from:
            raise ValueError("CERBY_MAIL_FROM is missing: mail servers take no mail without a sender.")
        for name, value in (("DATABASE_URL", self.database_url), ("REDIS_URL", self.redis_url)):
            if not value.get_secret_value():
                raise ValueError(f"{name} is missing. The embedded engines serve demo, development and tests only.")
        if not self.base_url.startswith("https://"):
            raise ValueError("CERBY_BASE_URL must be the https:// address under which Okta and people reach Cerby.")

    def _check_encryption_keys(self) -> None:
        """Found at the start, not when the first password is to be sealed."""
        for key in self.encryption_keys:
            try:
                decode_key(key.get_secret_value())
            except ValueError as error:
                raise ValueError(f"CERBY_ENCRYPTION_KEYS cannot be used: {error}.") from None

    def _check_addresses(self) -> None:
        """Found at the start: a parameter that is misspelled might be the one that asks for TLS."""
        try:
            if url := self.database_url.get_secret_value():
                connections.django_database(url)
            if url := self.redis_url.get_secret_value():
                connections.redis_address(url)
        except ValueError as error:
            raise ValueError(f"{error}.") from None

    @property
    def is_production(self) -> bool:
        return self.mode is Mode.PRODUCTION

    @property
    def public_url(self) -> str:
        """The base URL without a slash at its end."""
        return (self.base_url or f"http://{self.bind}:{self.port}").rstrip("/")


def read() -> Environment:
    """The environment as it is now. Raises Misconfigured with one sentence a problem, naming no value."""
    try:
        return Environment()
    except ValidationError as error:
        raise Misconfigured("\n".join(_sentence(problem) for problem in error.errors())) from None


def is_untouched() -> bool:
    """Whether nothing of Cerby is configured at all, as on a developer's machine."""
    names = {"DATABASE_URL", "REDIS_URL"}
    return not any(name in names or name.startswith("CERBY_") for name in os.environ)


def variable_of(name: str) -> str:
    """The environment variable behind a field of Environment."""
    alias = Environment.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"CERBY_{name.upper()}"


def _sentence(problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    place = ".".join(str(part) for part in problem["loc"][:1])
    if not place:
        return message
    return f"{variable_of(place) if place in Environment.model_fields else place}: {message}."
