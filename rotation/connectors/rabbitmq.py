"""Users of RabbitMQ, over its management API. The server is given salted digests, so that none of its logs or exports
holds a password. See RabbitMQ's "HTTP API Reference" and "Credentials and Passwords".
"""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import AfterValidator, Field

from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline, Host, Port
from rotation.connectors.http_client import Answer, HttpClient, basic, refusal
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret

SALT_BYTES: Final = 4
DIGESTS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "rabbit_password_hashing_sha256": hashlib.sha256, "rabbit_password_hashing_sha512": hashlib.sha512,
}  # fmt: skip
DEFAULT_DIGEST: Final = "rabbit_password_hashing_sha256"

# All of these come with 401, and tell which of two questions was answered with no. The words are the server's own, and
# are not translated. "Not_Authorized" from 3.12 on.
WRONG_PASSWORD: Final = frozenset({"Login failed", "Not_Authorized"})
RIGHT_PASSWORD: Final = frozenset({"Not management user", "User can only log in via localhost"})

_POWERS: Final = frozenset({"administrator", "policymaker"})


def _path(text: str) -> str:
    if not re.fullmatch(r"(?:/[A-Za-z0-9_~.-]*[A-Za-z0-9_~-])*", text):
        raise ValueError("must be a path such as /rabbit, without a slash at its end")
    return text


class RabbitMqSettings(TargetSettings):
    """Where the management API answers; its certificate is verified where `tls` is on."""

    host: Host
    port: Port = 15672
    tls: bool = False
    path_prefix: Annotated[
        str,
        Field(
            max_length=200,
            description="What management.path_prefix says on the server, such as /rabbit. Usually empty.",
        ),
        AfterValidator(_path),
    ] = ""  # fmt: skip


class RabbitMq(Connector):
    """A user of the internal database. Only an administrator can change it."""

    key = "rabbitmq"
    label = "RabbitMQ"
    # RabbitMQ locks nobody out; a directory behind it may, so that failed logins are counted all the same.
    capabilities = Capabilities(admin_reset=True, closes_sessions=True, can_verify=True, may_truncate=False)
    Settings = RabbitMqSettings

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """`PUT /api/users/…` with a digest made here and the tags it has: without them it would lose its rights.

        Raises TargetError; a user that does not exist is not made.
        """
        text, admin = text_of(new), self._administrator(current, admin)
        if ":" in self.username or self.username in {".", ".."}:
            raise TargetError(FailureKind.PERMISSION, f"{self.username}: such a name cannot be asked for over HTTP.")
        client = HttpClient(Deadline(self.timeout))
        present = self._user(client, admin)
        wanted = {**_stored(text, present.get("hashing_algorithm")), "tags": present["tags"]}
        answer = self._ask(client, "PUT", f"users/{quote(self.username, safe='')}", admin, wanted)
        if answer.status not in {201, 204}:
            raise self._refused(answer, "change", admin, text, wanted["password_hash"])

    def verify(self, password: Secret) -> bool:
        """The answer to `GET /api/whoami`. A user without rights in the management API is still told apart.

        Raises TargetError for an answer that means neither.
        """
        login = Login(self.username, password)
        answer = self._ask(HttpClient(Deadline(self.timeout)), "GET", "whoami", login)
        if answer.status == 200 and answer.json().get("name") == self.username:
            return True
        reason = _reason(answer)
        if reason in RIGHT_PASSWORD:
            return True
        if answer.status == 401 and reason in WRONG_PASSWORD:
            return False
        found = refusal(answer, f"The login of {self.username}", password.reveal())
        kind = FailureKind.UNREACHABLE if found.kind is FailureKind.UNREACHABLE else FailureKind.PERMISSION
        raise TargetError(kind, found.detail, retry_after=found.retry_after)

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """`DELETE` every connection of the user, whatever its protocol, until none is new. Raises TargetError.

        From its answer on the server takes nothing more from a connection; it lists it for half a minute longer where
        the client does not take its leave.
        """
        admin, client = self._administrator(new, admin), HttpClient(Deadline(self.timeout))
        ended: set[str] = set()
        while left := self._connections(client, admin) - ended:
            self._end_connections(client, admin)
            ended |= left
        return Closed(len(ended), self._follow_ups(self._user(client, admin)))

    def _user(self, client: HttpClient, admin: Login) -> dict[str, Any]:
        """Raises TargetError PERMISSION for a user that does not exist."""
        answer = self._ask(client, "GET", f"users/{quote(self.username, safe='')}", admin)
        if answer.status == 404:
            raise TargetError(
                FailureKind.PERMISSION,
                f"There is no user {self.username} in this server's own database. Is it kept elsewhere, as in LDAP?",
            )
        if answer.status != 200:
            raise self._refused(answer, "look at the user", admin)
        found: dict[str, Any] = answer.json()
        if not isinstance(found, dict) or not isinstance(found.get("tags"), str | list):
            raise TargetError(FailureKind.PERMISSION, "The answer does not describe a RabbitMQ user.")
        return found

    def _connections(self, client: HttpClient, admin: Login) -> set[str]:
        """By name. This list is the broker's own; the one of all connections is seconds behind."""
        answer = self._ask(client, "GET", f"connections/username/{quote(self.username, safe='')}", admin)
        if answer.status != 200:
            raise self._refused(answer, "list of connections", admin)
        return {found["name"] for found in answer.json() if found.get("user") == self.username and "name" in found}

    def _end_connections(self, client: HttpClient, admin: Login) -> None:
        answer = self._ask(client, "DELETE", f"connections/username/{quote(self.username, safe='')}", admin)
        if answer.status != 204:
            raise self._refused(answer, "end of its connections", admin)

    def _ask(
        self, client: HttpClient, method: str, path: str, login: Login, document: Mapping[str, Any] | None = None
    ) -> Answer:
        headers = {"Authorization": basic(login), "Accept": "application/json", "X-Reason": "the password was changed"}
        if document is None:
            return client.send(method, self._url(path), headers=headers)
        headers["Content-Type"] = "application/json"
        return client.send(method, self._url(path), headers=headers, body=json.dumps(document).encode())

    def _refused(self, answer: Answer, doing: str, admin: Login, *secrets: str) -> TargetError:
        """401 is the answer to a wrong password, and to a right one that may not do this."""
        found = refusal(answer, f"{self.username}: the {doing}", admin.password.reveal(), *secrets)
        if found.kind is not FailureKind.AUTHENTICATION or _reason(answer) in WRONG_PASSWORD:
            return found
        return TargetError(FailureKind.PERMISSION, f"{found.detail} {admin.username} needs the tag administrator.")

    def _follow_ups(self, user: Mapping[str, Any]) -> tuple[str, ...]:
        powers = sorted(_POWERS.intersection(_tags(user["tags"])))
        if not powers:
            return ()
        return (
            f"{self.username} is {' and '.join(powers)}: look for users, shovels and federation upstreams made by"
            " whoever knew its password.",
        )

    def _administrator(self, current: Secret | None, admin: Login | None) -> Login:
        if admin is None:
            raise TargetError(
                FailureKind.PERMISSION if current else FailureKind.AUTHENTICATION,
                f"{self.username} cannot change its own password on RabbitMQ. Name an admin account with the tag"
                " administrator, and enter its password.",
            )
        return admin

    @property
    def _target(self) -> RabbitMqSettings:
        return RabbitMqSettings.model_validate(self.settings)

    def _url(self, path: str) -> str:
        target = self._target
        host = f"[{target.host}]" if ":" in target.host else target.host
        return f"{'https' if target.tls else 'http'}://{host}:{target.port}{target.path_prefix}/api/{path}"


def _stored(password: str, algorithm: str | None) -> dict[str, str]:
    """What the server keeps of a password: Base64 of the salt and the digest of salt and password."""
    name = algorithm if algorithm and algorithm in DIGESTS else DEFAULT_DIGEST
    salt = secrets.token_bytes(SALT_BYTES)
    digest = DIGESTS[name](salt + password.encode()).digest()
    return {"password_hash": base64.b64encode(salt + digest).decode(), "hashing_algorithm": name}


def _reason(answer: Answer) -> str:
    """The server's own word for a refusal; "" where something else answered."""
    try:
        found = answer.json()
    except TargetError:
        return ""
    return str(found.get("reason", "")) if isinstance(found, dict) else ""


def _tags(tags: str | list[str]) -> list[str]:
    """A list; older servers give names with commas in between."""
    return tags if isinstance(tags, list) else [tag.strip() for tag in tags.split(",")]
