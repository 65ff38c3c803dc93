"""A login by HTTP as people declare it: the call, and which answers mean that the password was accepted or rejected."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from rotation.connectors.base import FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline
from rotation.connectors.http_answers import Expected, JsonTest, Statuses, Words
from rotation.connectors.http_client import HttpClient, refusal
from rotation.connectors.http_template import (
    MAX_TEMPLATE,
    Authorization,
    BodyType,
    Method,
    Request,
    Values,
    check_body,
    check_headers,
    check_url,
)
from workspace.crypto import Secret

Template = Annotated[str, Field(max_length=MAX_TEMPLATE, json_schema_extra={"multiline": True})]
Headers = Annotated[Template, AfterValidator(check_headers)]
UrlTemplate = Annotated[str, Field(max_length=500), AfterValidator(check_url)]


@contextmanager
def named(field: str) -> Iterator[None]:
    """A field's name in front of what is wrong with it, for what pydantic cannot check field by field."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


class LoginSettings(TargetSettings):
    """The fields of a login call; without a URL there is none, and nothing can be verified."""

    login_url: Annotated[
        str,
        Field(
            max_length=500, title="Login URL",
            description="A request that only a right password lets through. Empty: none.",
        ),
    ] = ""  # fmt: skip
    login_method: Method = "GET"
    login_authorization: Annotated[
        Authorization, Field(description="How the password is presented, where it does not stand in the body.")
    ] = "basic"
    login_headers: Headers = ""
    login_body_type: BodyType = "json"
    login_body: Annotated[Template, Field(description="With {username} and {password}.")] = ""
    login_accepted_status: Annotated[Statuses, Field(description="Statuses of an accepted login.")] = "200-299"
    login_accepted_json: Annotated[
        JsonTest,
        Field(
            title="Login accepted JSON",
            description="What its JSON must say as well, such as data.authenticated=true.",
        ),
    ] = ""  # fmt: skip
    login_accepted_text: Annotated[Words, Field(description="Words it must contain as well.")] = ""
    login_rejected_status: Annotated[Statuses, Field(description="Statuses of a wrong password.")] = "401"
    login_rejected_json: Annotated[
        JsonTest, Field(title="Login rejected JSON", description="What its JSON must say as well.")
    ] = ""
    login_rejected_text: Annotated[Words, Field(description="Words it must contain as well.")] = ""

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if not self.login_url:
            return self
        with named("login_url"):
            check_url(self.login_url)
        with named("login_body"):
            check_body(self.login_body_type, self.login_body)
        wrong = self.login_request.places - {"username", "password"}
        if wrong:
            raise ValueError(f"login_body: a login knows {{username}} and {{password}}, not {{{min(wrong)}}}")
        if self.login_authorization == "none" and "password" not in self.login_request.places:
            raise ValueError("login_body: nothing in the login says where the password goes: {password}")
        accepted, rejected = self.login_accepted, self.login_rejected
        if accepted.shares_status(rejected) and (accepted.is_bare or rejected.is_bare):
            raise ValueError(
                "login_rejected_status: a status cannot mean accepted and rejected, unless both name a JSON value or"
                " words by which they are told apart"
            )
        return self

    @property
    def login_request(self) -> Request:
        return Request(
            self.login_method, self.login_url, self.login_authorization, self.login_headers, self.login_body_type,
            self.login_body,
        )  # fmt: skip

    @property
    def login_accepted(self) -> Expected:
        return Expected(self.login_accepted_status, self.login_accepted_json, self.login_accepted_text)

    @property
    def login_rejected(self) -> Expected:
        return Expected(self.login_rejected_status, self.login_rejected_json, self.login_rejected_text)


def verify(settings: LoginSettings, username: str, password: Secret, *, deadline: Deadline) -> bool:
    """A fresh login: True accepted, False rejected. Raises TargetError for an answer that was declared as neither.

    HUMAN where no login call is declared at all.
    """
    if not settings.login_url:
        raise TargetError(
            FailureKind.HUMAN,
            "No login call is declared for this account, so that nothing can be tried from here. Declare one in its"
            " settings and try again, or set a password by hand and enter it.",
        )
    login = Login(username, password)
    values: Values = {"username": username, "password": password}
    answer = settings.login_request.send(HttpClient(deadline), login=login, values=values)
    accepted, rejected = settings.login_accepted.matches(answer), settings.login_rejected.matches(answer)
    if accepted != rejected:
        return accepted
    found = refusal(answer, f"The login of {username}", password.reveal())
    if found.kind is FailureKind.UNREACHABLE:
        raise found
    raise TargetError(
        FailureKind.PERMISSION,
        f"{found.detail} That means neither accepted nor rejected by this account's settings: see “login accepted” and"
        " “login rejected”.",
    )
