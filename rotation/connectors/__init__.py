"""The connectors, by the key that `Account.connector` holds."""

from typing import TYPE_CHECKING, Final

from rotation.connectors.base import Connector, validated
from rotation.connectors.by_hand import ByHand
from rotation.connectors.http_api import HttpApi
from rotation.connectors.ldap import Ldap
from rotation.connectors.mariadb import MariaDb
from rotation.connectors.postgres import Postgres
from rotation.connectors.rabbitmq import RabbitMq
from rotation.connectors.redis_acl import RedisAcl
from rotation.connectors.registry import Registry
from rotation.connectors.scim_target import ScimTarget
from rotation.connectors.ssh import Ssh
from rotation.connectors.web_form import WebForm
from workspace import host_names
from workspace.errors import Invalid

if TYPE_CHECKING:
    from workspace.models import Account

REGISTRY: Final = Registry(
    (ByHand, HttpApi, Ldap, MariaDb, Postgres, RabbitMq, RedisAcl, ScimTarget, Ssh, WebForm)
)


def of(account: "Account", *, timeout: float) -> Connector:
    """The connector to an account's target; each of its calls ends within `timeout` seconds, or the more that this kind
    says it needs. Nothing is sent yet.

    Raises Invalid, with a sentence that names it, for an unknown connector, settings that cannot be used, a login
    without a name where one is needed, or a host that is not on the workspace's list.
    """
    kind = REGISTRY.get(account.connector)
    if kind is None:
        if broken := REGISTRY.why_not(account.connector):
            raise Invalid(str(broken), field="connector")
        known = ", ".join(sorted(REGISTRY))
        raise Invalid(f"There is no connector “{account.connector}”. Known are: {known}.", field="connector")
    target = validated(kind, account.target)
    if kind.capabilities.can_verify and not account.username:
        raise Invalid(f"{kind.label}: username: a login on the target must be named.", field="username")
    if not account.username.isprintable():
        raise Invalid("username: control characters cannot stand in a login's name.", field="username")
    connector = kind(target, account.username, timeout=kind.time_limit(timeout))
    if account.workspace_id is not None:
        connector.allowed_hosts = tuple(account.workspace.target_hosts)
        _check_hosts(connector)
    if kind.takes_codes:
        from rotation.codes import CodesOf  # only here, since it needs the tables, and connectors do not

        connector.codes = CodesOf(account)
    return connector


def _check_hosts(connector: Connector) -> None:
    """A connector that does not say where it connects to cannot be judged, and is refused where there is a list."""
    able, allowed = connector.capabilities, connector.allowed_hosts
    if not allowed or not (able.self_change or able.admin_reset or able.can_verify):
        return
    wrong = [host for host in connector.hosts if not host_names.permits(allowed, host)]
    if wrong or not connector.hosts:
        named = ", ".join(wrong) or "an unknown host"
        raise Invalid(
            f"Targets on {named} are not allowed in this workspace. An Owner can add hosts to its list.", field="target"
        )


def choices() -> list[tuple[str, str]]:
    """(key, label) of every connector, in the order of the labels."""
    return sorted(((kind.key, kind.label) for kind in REGISTRY.values()), key=lambda choice: choice[1])
