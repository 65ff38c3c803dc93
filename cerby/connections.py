"""What DATABASE_URL and REDIS_URL say, as Django, redis-py and Celery take it.

A URL's query is honoured or refused, never dropped: `sslmode=verify-full` that nobody reads is a password in plain
text. The functions raise ValueError with a sentence that names the parameter and no value.
"""

import os
import re
import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

# A host that vanished without a word is given up within about ten seconds, where the kernel would wait for a quarter
# of an hour: unacknowledged data by tcp_user_timeout, an answer that does not come by keepalives (libpq, Linux tcp(7)).
# `prepare_threshold`, whatever number, lets `workspace.statements` prepare its own; Django's cursors never do.
DATABASE_DEFAULTS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "cerby",
    "prepare_threshold": 5,
}
_DJANGO: Final = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
_NOT_OURS: Final = {
    "client_encoding": "Cerby speaks UTF-8",
    "replication": "Cerby runs statements",
}
_CHOICES: Final = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    # On a standby nothing can be written, and no access ended.
    "target_session_attrs": {"any", "read-write", "primary"},
}
_WHOLE_NUMBERS: Final = ("connect_timeout", "tcp_user_timeout", "keepalives", *(
    f"keepalives_{what}" for what in ("idle", "interval", "count")
))  # fmt: skip
_DATABASE_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
_REDIS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
# libpq takes ssl=true for sslmode=require, whatever sslmode says before it.
_ALSO_CALLED: Final = {"ssl": "sslmode"}
_REDIS_TLS: Final = {"ssl_cert_reqs", "ssl_check_hostname", *_REDIS_FILES}
_CERTIFICATES: Final = {
    "required": "required", "cert_required": "required", "none": "none", "cert_none": "none",
}  # fmt: skip


def django_database(url: str) -> dict[str, Any]:
    """Django's form of a postgresql:// URL, read as libpq reads it; without one, a name that nothing answers to."""
    found = _conninfo(url or "postgresql://nobody@127.0.0.1:1/none")
    named = {setting: str(found.pop(name, "")) for name, setting in _DJANGO.items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **named,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**DATABASE_DEFAULTS, **found, **_trusted_by_default(found)},
    }


def limit_statements(database: dict[str, Any], seconds: float) -> None:
    """Let PostgreSQL end what takes longer, and a transaction that nothing is asked of for twice as long. For
    connections opened from now on, and only where DATABASE_URL's own `options` say nothing else."""
    if seconds:
        limit = max(int(seconds * 1000), 1)
        ours = f"-c statement_timeout={limit} -c idle_in_transaction_session_timeout={2 * limit}"
        options = database["OPTIONS"]
        options["options"] = f"{ours} {options.get('options', '')}".rstrip()


def _conninfo(url: str) -> dict[str, Any]:
    """The parameters of a postgresql:// URL by libpq's names."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("DATABASE_URL must be postgresql://user:password@host:port/name")
    try:
        found = dict(conninfo_to_dict(url))
    except ProgrammingError as error:
        raise ValueError(_unreadable(url, str(error))) from None
    _refuse_repeated("DATABASE_URL", _query(url))
    _check_database(found)
    return found


def _unreadable(url: str, complaint: str) -> str:
    """What libpq's complaint means. It quotes what it stumbled on, which may be a password that was not escaped."""
    name = re.search(r'^invalid URI query parameter: "([a-z_]{1,40})"', complaint)
    if name and "@" not in _query(url):
        return f"DATABASE_URL sets {name[1]}, which PostgreSQL's client does not know. Take it out"
    return (
        "DATABASE_URL cannot be read. Characters that have a meaning in addresses are written as % and two digits"
        " in user names, passwords and values"
    )


def _check_database(found: dict[str, Any]) -> None:
    for name, reason in _NOT_OURS.items():
        if name in found:
            raise ValueError(f"DATABASE_URL sets {name}, which cannot be chosen: {reason}. Take it out")
    for name, choices in _CHOICES.items():
        if name in found and found[name] not in choices:
            raise ValueError(f"DATABASE_URL's {name} must be one of {', '.join(sorted(choices))}")
    for name in _WHOLE_NUMBERS:
        if not re.fullmatch(r"\d{1,9}", str(found.get(name, "0"))):
            raise ValueError(f"DATABASE_URL's {name} must be a whole number")
    if not all(_is_port(port) for port in str(found.get("port", "")).split(",")):
        raise ValueError("DATABASE_URL's port must be a number up to 65535")
    if not (found.get("dbname") or found.get("service")):
        raise ValueError("DATABASE_URL names no database: postgresql://user:password@host:port/name")
    _check_files("DATABASE_URL", _DATABASE_FILES, found)


def _trusted_by_default(found: dict[str, Any]) -> dict[str, str]:
    """Where certificates are to be verified and nothing says against what: the authorities this machine trusts. The
    TLS library inside psycopg's wheel does not know where a distribution keeps them, so `system` is told as a file."""
    root = found.get("sslrootcert", "")
    is_verified = str(found.get("sslmode", "")).startswith("verify-")
    own = Path("~/.postgresql/root.crt").expanduser()
    if root != "system" and (root or not is_verified or own.exists()):
        return {}
    trusted = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    return {"sslmode": "verify-full" if root else found["sslmode"], "sslrootcert": trusted}


@dataclass(frozen=True)
class Redis:
    """A redis:// or rediss:// address, as each client takes it. Over TLS, all of them verify the server."""

    url: str
    """For redis-py, with everything in it."""
    broker_url: str
    """For Celery, which reads `tls` beside it: of a URL alone it would verify nothing."""
    tls: dict[str, Any] | None = field(default=None)


def redis_address(url: str) -> Redis:
    """A checked REDIS_URL. Only redis-py verifies by itself; Celery's transport has to be told."""
    parts = _redis_parts(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    _refuse_repeated("REDIS_URL", parts.query)
    database = _redis_database(parts, query)
    address = f"{parts.scheme}://{parts.netloc}/{database}"
    if parts.scheme == "redis":
        _refuse_unknown(query, set(), " for redis://; over TLS it is rediss://" if _REDIS_TLS & query.keys() else "")
        return Redis(address, address)
    tls = _redis_tls(query)
    written = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in tls.items())
    return Redis(f"{address}?{written}", address, tls)


def _redis_parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and _is_port(str(parts.port or ""))
    except ValueError:
        is_whole = False
    if not is_whole or parts.fragment:
        raise ValueError(
            "REDIS_URL must be redis://:password@host:port/0, or rediss:// for TLS. Characters that have a meaning in"
            " addresses are written as % and two digits in the password"
        )
    return parts


def _redis_database(parts: SplitResult, query: dict[str, str]) -> str:
    path = unquote(parts.path).strip("/")
    number = query.pop("db", path) or "0"
    if not re.fullmatch(r"\d{1,5}", number) or path not in {"", number}:
        raise ValueError("REDIS_URL's database must be one number: redis://:password@host:port/0")
    return number


def _redis_tls(query: dict[str, str]) -> dict[str, Any]:
    _refuse_unknown(query, _REDIS_TLS)
    _check_files("REDIS_URL", _REDIS_FILES, query)
    certificates = _CERTIFICATES.get(query.get("ssl_cert_reqs", "required").lower())
    if certificates is None:
        raise ValueError("REDIS_URL's ssl_cert_reqs must be required or none")
    checks_name = query.get("ssl_check_hostname", "true").lower()
    if checks_name not in {"true", "false"}:
        raise ValueError("REDIS_URL's ssl_check_hostname must be true or false")
    files: dict[str, Any] = {name: query[name] for name in _REDIS_FILES if name in query}
    return {
        "ssl_cert_reqs": certificates,
        "ssl_check_hostname": certificates == "required" and checks_name == "true",
        **files,
    }


def _refuse_unknown(query: dict[str, str], known: set[str], why: str = "") -> None:
    unknown = sorted(query.keys() - known)
    if unknown:
        named = unknown[0] if re.fullmatch(r"[a-z_]{1,40}", unknown[0]) else "a parameter"
        raise ValueError(f"REDIS_URL sets {named}, which Cerby does not take{why}. Take it out")


def _refuse_repeated(variable: str, query: str) -> None:
    counts = Counter(_ALSO_CALLED.get(name, name) for name, _ in parse_qsl(query, keep_blank_values=True))
    twice = [name for name, times in counts.items() if times > 1]
    if twice:
        named = twice[0] if re.fullmatch(r"[a-z_]{1,40}", twice[0]) else "a parameter"
        raise ValueError(f"{variable} sets {named} twice. Only one of them can hold")


def _check_files(variable: str, names: tuple[str, ...], found: dict[str, Any]) -> None:
    for name in names:
        path = found.get(name, "")
        if path and (name, path) != ("sslrootcert", "system") and not os.access(path, os.R_OK):
            raise ValueError(f"{variable}'s {name} names a file that cannot be read")


def _is_port(text: str) -> bool:
    return text == "" or (text.isascii() and text.isdigit() and 0 < int(text) <= 65535)


def _query(url: str) -> str:
    return url.partition("://")[2].partition("?")[2]
