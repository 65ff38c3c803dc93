"""The `password` of a user on somebody else's SCIM server (RFC 7643, 4.1.1; RFC 7644), by a bearer token.

SCIM can set a password and never says whether one is right, so a login call is declared where it is to be verified.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from rotation.connectors import http_login
from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline
from rotation.connectors.http_client import Answer, HttpClient, address_of, bearer, checked_url, host_of, refusal
from rotation.connectors.http_login import LoginSettings
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret

MEDIA_TYPE: Final = "application/scim+json"
PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
# Set by the server alone (RFC 7643, 3.1), or beside the point.
NOT_OURS: Final = frozenset({"meta", "groups"})


def _base_url(text: str) -> str:
    checked_url(text)
    if "?" in text:
        raise ValueError("must be the base of the SCIM server, such as https://app.example.com/scim/v2")
    return text.rstrip("/")


class ScimSettings(TargetSettings):
    """Where the SCIM server is, and how it wants to be told."""

    url: Annotated[
        str,
        Field(
            max_length=500, title="SCIM base URL",
            description="The base of the SCIM server, such as https://app.example.com/scim/v2.",
        ),
        AfterValidator(_base_url),
    ]  # fmt: skip
    method: Annotated[
        Literal["patch", "put"], Field(description="put writes the whole user back, for servers without PATCH.")
    ] = "patch"


class ScimTargetSettings(LoginSettings, ScimSettings):
    """Both, and the login call for verification. (A form shows the fields of the last base first.)"""


class ScimTarget(Connector):
    """A user of a SCIM server. The admin account's password is the token; its user name is not used."""

    key = "scim_target"
    label = "SCIM target"
    capabilities = Capabilities(admin_reset=True, can_verify=True)
    Settings = ScimTargetSettings

    def __init__(self, settings: TargetSettings, username: str, *, timeout: float) -> None:
        super().__init__(settings, username, timeout=timeout)
        self.capabilities = Capabilities(admin_reset=True, can_verify=bool(self._target.login_url))

    @property
    def hosts(self) -> tuple[str, ...]:
        urls = (self._target.url, self._target.login_url)
        return tuple(dict.fromkeys(host_of(url) for url in urls if url))

    @classmethod
    def address_of(cls, target: Mapping[str, Any]) -> str:
        return address_of(str(target.get("url", "")))

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """PATCH or PUT `password` of the one user of that userName. Raises TargetError.

        PERMISSION where the server says that it changes no passwords, or has no such user.
        """
        text = text_of(new)
        token = self._token(current, admin)
        client = HttpClient(Deadline(self.timeout))
        self._refuse_unsupported(client, token)
        path = f"Users/{quote(self._id(client, token), safe='')}"
        if self._target.method == "patch":
            operation = {"op": "replace", "path": "password", "value": text}
            answer = self._ask(client, "PATCH", path, token, {"schemas": [PATCH_OP], "Operations": [operation]})
        else:
            answer = self._put(client, path, token, text)
        if answer.status not in {200, 204}:
            raise self._refused(answer, token, text)

    def verify(self, password: Secret) -> bool:
        """The answer to the declared login call. Raises TargetError; HUMAN where none is declared."""
        text_of(password)
        return http_login.verify(self._target, self.username, password, deadline=Deadline(self.timeout))

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """SCIM knows no sessions: nothing is asked, and what lives on is named."""
        place = self.hosts[0]
        return Closed(follow_ups=(f"Sessions, keys and tokens of {self.username} at {place} live on: end them there.",))

    def _refuse_unsupported(self, client: HttpClient, token: Secret) -> None:
        """A server that ignores what it does not support would take the password and not set it."""
        answer = self._ask(client, "GET", "ServiceProviderConfig", token)
        if answer.status == 401:
            raise self._refused(answer, token)
        try:
            supported = answer.json()["changePassword"]["supported"] if answer.status == 200 else True
        except (TargetError, LookupError, TypeError):
            return  # it does not say
        if supported is False:
            raise TargetError(FailureKind.PERMISSION, "The SCIM server says that it changes no passwords.")

    def _id(self, client: HttpClient, token: Secret) -> str:
        """The id of the one user with our userName. A server may have ignored the filter."""
        wanted = f"userName eq {json.dumps(self.username, ensure_ascii=False)}"
        answer = self._ask(client, "GET", f"Users?filter={quote(wanted, safe='')}", token)
        if answer.status != 200:
            raise self._refused(answer, token)
        found = [user for user in _resources(answer) if _same(user.get("userName"), self.username)]
        if len(found) != 1 or not isinstance(found[0].get("id"), str):
            number = "no user" if not found else "more than one user" if len(found) > 1 else "no id for the user"
            raise TargetError(FailureKind.PERMISSION, f"The SCIM server has {number} {self.username}.")
        identity: str = found[0]["id"]
        return identity

    def _put(self, client: HttpClient, path: str, token: Secret, text: str) -> Answer:
        """The whole user as it is, with the password; refused (412) where somebody changed it meanwhile."""
        answer = self._ask(client, "GET", path, token)
        if answer.status != 200:
            raise self._refused(answer, token)
        present = answer.json()
        if not isinstance(present, dict):
            raise TargetError(FailureKind.PERMISSION, "The SCIM server does not describe the user.")
        wanted = {name: value for name, value in present.items() if name not in NOT_OURS} | {"password": text}
        tag = answer.headers.get("etag")
        return self._ask(client, "PUT", path, token, wanted, {"If-Match": tag} if tag else {})

    def _ask(
        self, client: HttpClient, method: str, path: str, token: Secret, document: Mapping[str, Any] | None = None,
        further: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        headers = {"Authorization": bearer(token), "Accept": MEDIA_TYPE, **(further or {})}
        if document is None:
            return client.send(method, f"{self._target.url}/{path}", headers=headers)
        headers["Content-Type"] = MEDIA_TYPE
        return client.send(method, f"{self._target.url}/{path}", headers=headers, body=json.dumps(document).encode())

    def _refused(self, answer: Answer, token: Secret, *secrets: str) -> TargetError:
        found = refusal(answer, f"SCIM: the change of {self.username}", token.reveal(), *secrets)
        if answer.status == 412:
            return TargetError(FailureKind.UNREACHABLE, f"{self.username} was edited meanwhile: {found.detail}")
        if answer.status == 400 and secrets and _scim_type(answer) == "invalidValue":
            return TargetError(FailureKind.POLICY, found.detail)
        return found

    def _token(self, current: Secret | None, admin: Login | None) -> Secret:
        if admin is None:
            raise TargetError(
                FailureKind.PERMISSION if current else FailureKind.AUTHENTICATION,
                f"{self.username} is changed by a token of the SCIM server. Name the account whose password that is.",
            )
        return admin.password

    @property
    def _target(self) -> ScimTargetSettings:
        return ScimTargetSettings.model_validate(self.settings)


def _resources(answer: Answer) -> list[dict[str, Any]]:
    document = answer.json()
    found = document.get("Resources", []) if isinstance(document, dict) else []
    return [user for user in found if isinstance(user, dict)] if isinstance(found, list) else []


def _same(name: Any, username: str) -> bool:
    """userName is compared without regard to case (RFC 7643, 4.1.1)."""
    return isinstance(name, str) and name.casefold() == username.casefold()


def _scim_type(answer: Answer) -> str:
    try:
        document = answer.json()
    except TargetError:
        return ""
    return str(document.get("scimType", "")) if isinstance(document, dict) else ""
