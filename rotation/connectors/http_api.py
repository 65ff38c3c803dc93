"""Logins of any service with an HTTP API: the requests are declared, filled, sent, and their effect is proved.

A good answer to the change is not believed: only the login call says which password is in force.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from rotation.connectors import http_login
from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline
from rotation.connectors.http_answers import Expected, JsonTest, Statuses, Words, value_at
from rotation.connectors.http_client import Answer, HttpClient, address_of, host_of, refusal, said
from rotation.connectors.http_login import Headers, LoginSettings, Template, UrlTemplate, named
from rotation.connectors.http_template import Authorization, BodyType, Request, Values, check_body, check_url
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret

PLACES: Final = frozenset({"username", "new", "current", "admin_username", "admin_password"})
ADMIN_PLACES: Final = frozenset({"admin_username", "admin_password"})
"""What may stand in the request that changes a password."""


class ChangeSettings(TargetSettings):
    """The request that sets a password, and the one that ends sessions."""

    changed_by: Annotated[
        Literal["admin", "itself"], Field(description="Who asks: the admin account, or the login itself.")
    ] = "admin"
    url: Annotated[
        UrlTemplate, Field(title="URL", description="Where the change is asked for; may contain {username}.")
    ]
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    authorization: Annotated[
        Authorization, Field(description="How the one who asks logs in. A bearer token is stored as their password.")
    ] = "basic"
    headers: Annotated[Headers, Field(description="One a line, such as “X-Client: cerby”.")] = ""
    body_type: BodyType = "json"
    body: Annotated[
        Template, Field(description="With {new}, and {username}, {current}, {admin_username} or {admin_password}.")
    ] = '{"password": "{new}"}'
    done_status: Annotated[Statuses, Field(description="Statuses that mean: it was taken.")] = "200-299"
    policy_status: Annotated[Statuses, Field(description="Statuses of a password the policy refused.")] = "422"
    policy_json: Annotated[
        JsonTest, Field(title="Policy JSON", description="What its JSON must say as well, such as error.code=weak.")
    ] = ""
    policy_text: Annotated[Words, Field(description="Words it must contain as well.")] = ""
    sessions_url: Annotated[
        str,
        Field(
            max_length=500, title="Sessions URL",
            description="A request that ends all sessions of {username}. Empty: none.",
        ),
    ] = ""  # fmt: skip
    sessions_method: Literal["POST", "DELETE"] = "POST"
    sessions_count: Annotated[
        str, Field(max_length=200, description="Where its JSON says how many ended, such as data.ended.")
    ] = ""

    @model_validator(mode="after")
    def _change_is_whole(self) -> Self:
        with named("body"):
            check_body(self.body_type, self.body)
        found = self.change_request.places
        if unknown := found - PLACES:
            raise ValueError(f"body: there is no place {{{min(unknown)}}}")
        if "new" not in found:
            raise ValueError("body: nothing in the request says where the new password goes: {new}")
        if self.changed_by == "itself" and found & ADMIN_PLACES:
            raise ValueError(f"body: {{{min(found & ADMIN_PLACES)}}} needs changed_by to be admin")
        if self.policy.is_bare and self.policy.shares_status(Expected(self.done_status)):
            raise ValueError("policy_status: what also means done needs policy_json or policy_text to tell it apart")
        if self.sessions_url:
            with named("sessions_url"):
                check_url(self.sessions_url)
        return self

    @property
    def change_request(self) -> Request:
        return Request(self.method, self.url, self.authorization, self.headers, self.body_type, self.body)

    @property
    def policy(self) -> Expected:
        """The answer by which a password policy says no."""
        return Expected(self.policy_status, self.policy_json, self.policy_text)

    @property
    def sessions_request(self) -> Request:
        return Request(self.sessions_method, self.sessions_url, self.authorization, "", "json", "")


class HttpApiSettings(LoginSettings, ChangeSettings):
    """Both, and the login call. (A form shows the fields of the last base first.)"""


class HttpApi(Connector):
    """A login on a service. What its settings declare is what can be done."""

    key = "http_api"
    label = "HTTP API"
    capabilities = Capabilities(self_change=True, admin_reset=True, closes_sessions=True, can_verify=True)
    Settings = HttpApiSettings

    def __init__(self, settings: TargetSettings, username: str, *, timeout: float) -> None:
        super().__init__(settings, username, timeout=timeout)
        self.capabilities = Capabilities(
            self_change=self._target.changed_by == "itself", admin_reset=self._target.changed_by == "admin",
            closes_sessions=bool(self._target.sessions_url), can_verify=bool(self._target.login_url),
        )  # fmt: skip

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """Send the declared request. Raises TargetError; POLICY for an answer that was declared to mean it."""
        text_of(new)
        changer = self._changer(current, admin)
        values: dict[str, str | Secret] = {"username": self.username, "new": new}
        if current is not None:
            values["current"] = current
        if admin is not None:
            values |= {"admin_username": admin.username, "admin_password": admin.password}
        answer = self._target.change_request.send(HttpClient(Deadline(self.timeout)), login=changer, values=values)
        self._judge(answer, _texts(values, changer))

    def verify(self, password: Secret) -> bool:
        """The answer to the declared login call. Raises TargetError for one that means neither."""
        text_of(password)
        return http_login.verify(self._target, self.username, password, deadline=Deadline(self.timeout))

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """Send the declared request, where there is one; what it cannot be known to reach is named. TargetError."""
        tokens = f"Keys and tokens that {self.username} has at {self.hosts[0]}: end those made by whoever left."
        if not self._target.sessions_url:
            sessions = f"No request that ends sessions is declared: end {self.username}'s sessions at {self.hosts[0]}."
            return Closed(0, (sessions, tokens))
        changer = self._changer(new, admin)
        values = {"username": self.username, **({"admin_username": admin.username} if admin else {})}
        answer = self._target.sessions_request.send(HttpClient(Deadline(self.timeout)), login=changer, values=values)
        if not 200 <= answer.status < 300:
            raise refusal(answer, f"The end of {self.username}'s sessions", *_texts(values, changer))
        return Closed(self._counted(answer), (tokens,))

    def _judge(self, answer: Answer, secrets: tuple[str, ...]) -> None:
        """Raises TargetError unless the answer was declared to be a good one."""
        if self._target.policy.matches(answer):
            words = said(answer, *secrets)
            raise TargetError(
                FailureKind.POLICY, f"The password for {self.username} was refused ({answer.status}): {words}"
            )
        if not Expected(self._target.done_status).matches(answer):
            raise refusal(answer, f"The change of {self.username}", *secrets)

    def _changer(self, current: Secret | None, admin: Login | None) -> Login:
        if self._target.changed_by == "admin":
            if admin is None:
                raise TargetError(
                    FailureKind.PERMISSION if current else FailureKind.AUTHENTICATION,
                    f"{self.username} is changed by an admin account, and none is named or its password is not known.",
                )
            return admin
        return self.itself(current)

    def _counted(self, answer: Answer) -> int:
        """How many sessions ended, as far as the answer says."""
        try:
            found = value_at(answer, self._target.sessions_count) if self._target.sessions_count else 0
        except (TargetError, LookupError):
            return 0
        return found if isinstance(found, int) and found > 0 else 0

    @property
    def hosts(self) -> tuple[str, ...]:
        target = self._target
        urls = (target.url, target.login_url, target.sessions_url)
        return tuple(dict.fromkeys(host_of(url) for url in urls if url))

    @classmethod
    def address_of(cls, target: Mapping[str, Any]) -> str:
        return address_of(str(target.get("url", "")))

    @property
    def _target(self) -> HttpApiSettings:
        return HttpApiSettings.model_validate(self.settings)


def _texts(values: Values, login: Login) -> tuple[str, ...]:
    """Everything secret that the target was sent, and may repeat."""
    secrets = [value.reveal() for value in values.values() if isinstance(value, Secret)]
    return (*secrets, login.password.reveal())
