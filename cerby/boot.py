"""What happens before Django reads its settings: outside production, engines and keys are provided.

`provide()` fills the environment of this process (and so of its children) with what is missing: a mode, keys
generated once into `var/keys.json` (mode 0600), and the addresses of the embedded engines.
"""

import base64
import json
import os
import secrets
import sys
from pathlib import Path

from cerby import environment
from cerby.engines import EngineError, Engines
from cerby.environment import Mode

# Commands that need no engine, so that they neither wait for one nor fail without one.
WITHOUT_ENGINES = {"help", "--help", "-h", "--version", "version"}


def main(argv: list[str]) -> None:
    """The whole of `manage.py`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cerby.settings")
    if argv[1:2] == ["settings"]:
        _list_settings(argv)
        return
    if environment.is_untouched():
        os.environ["CERBY_MODE"] = Mode.DEVELOPMENT
    try:
        provide(engines=len(argv) > 1 and argv[1] not in WITHOUT_ENGINES)
    except (environment.Misconfigured, EngineError) as error:
        sys.exit(f"Cerby cannot start:\n{error}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)


def _list_settings(argv: list[str]) -> None:
    """`manage.py settings` under settings of its own: it is for those whose environment cannot be used yet."""
    from django.conf import settings
    from django.core.management import execute_from_command_line

    settings.configure(INSTALLED_APPS=["cerby"])
    execute_from_command_line(argv)


def provide(*, engines: bool = True) -> Engines | None:
    """Complete the environment outside production. Raises Misconfigured or EngineError.

    Returns the engines this process now uses, if it started to use any.
    """
    found = environment.read()
    if found.is_production:
        return None
    _provide_keys(found)
    _provide_demo_address(found)
    if not engines or (found.database_url.get_secret_value() and found.redis_url.get_secret_value()):
        return None
    embedded = Engines(found.home, postgres_port=found.postgres_port, valkey_port=found.valkey_port)
    addresses = embedded.start()
    os.environ.setdefault("DATABASE_URL", addresses.database_url)
    os.environ.setdefault("REDIS_URL", addresses.redis_url)
    return embedded


def _provide_demo_address(found: environment.Environment) -> None:
    """Commands beside a running demo speak of the address it answers at."""
    try:
        facts = json.loads((found.home / "demo.json").read_text())
    except (OSError, ValueError):
        return
    os.environ.setdefault("CERBY_BASE_URL", facts["scim_base_url"].removesuffix("/scim/v2/"))


def _provide_keys(found: environment.Environment) -> None:
    if found.secret_key.get_secret_value() and found.encryption_keys:
        return
    keys = _keys(found.home / "keys.json")
    os.environ.setdefault("CERBY_SECRET_KEY", keys["secret_key"])
    os.environ.setdefault("CERBY_ENCRYPTION_KEYS", keys["encryption_key"])


def _keys(path: Path) -> dict[str, str]:
    """The generated keys; made on first use, readable by their owner alone, never half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        pass
    keys = {
        "secret_key": secrets.token_urlsafe(64),
        "encryption_key": base64.b64encode(os.urandom(32)).decode(),
    }
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(keys, file)
    try:
        os.link(draft, path)  # fails when another process was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return dict(json.loads(path.read_text()))
