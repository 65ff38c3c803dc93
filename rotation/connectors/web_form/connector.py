"""The connector: what the browser is asked to do, and what its answers mean."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from django.conf import settings as configured
from pydantic import AfterValidator, Field, TypeAdapter

from rotation import password_rules
from rotation.browser.addresses import PORTS, host_of, origin
from rotation.browser.client import Answer, Browser, Chromium, NoBrowser, Silent
from rotation.connectors.base import (
    Capabilities,
    Closed,
    Connector,
    FailureKind,
    Login,
    TargetError,
    TargetSettings,
)
from rotation.connectors.dial import Deadline, Host
from rotation.connectors.secrecy import clean, text_of
from rotation.connectors.web_form.gate import Gate
from rotation.connectors.web_form.recipe import GivenRecipe, as_json
from rotation.password_rules import LEAST
from workspace import host_names
from workspace.crypto import Secret
from workspace.errors import Invalid

_HOST: Final[TypeAdapter[str]] = TypeAdapter(Host)
CODE_SECONDS: Final = 5.0
"""What a code that was waited for leaves of the call: the site has to take it yet."""


def _address(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in PORTS or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("must be an address that begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    _HOST.validate_python(parts.hostname)
    if parts.port == 0:  # reading it raises ValueError for one that is no port
        raise ValueError("must not name port 0")
    return text


def _addresses(text: str) -> str:
    for word in text.split():
        _address(word)
    return text


Address = Annotated[str, Field(max_length=2000), AfterValidator(_address)]


class WebFormSettings(TargetSettings):
    """Where the site is, and how one goes about it there."""

    url: Annotated[
        str,
        Field(min_length=1, max_length=2000, title="Address", description="Such as https://intranet.example.com/."),
        AfterValidator(_address),
    ]
    recipe: Annotated[
        GivenRecipe,
        Field(
            description="What is done on the site's pages, in JSON. Empty: the site declares it itself"
            " (/.well-known/change-password and its fields' autocomplete).",
            json_schema_extra={"multiline": True, "limit": 50_000},
        ),
    ] = None
    login_url: Annotated[
        Address,
        Field(title="Log-in address", description="Without a recipe, where the site's own does not lead there."),
    ] = ""
    also_on: Annotated[
        str,
        Field(max_length=2000, description="Other addresses where passwords may be typed, such as a log-in service's."),
        AfterValidator(_addresses),
    ] = ""

    @property
    def origins(self) -> list[str]:
        return [origin(address) for address in (self.url, *self.also_on.split())]


class WebForm(Connector):
    """A login of a web site. It changes its own password, as its owner would."""

    key = "web_form"
    label = "Web form"
    capabilities = Capabilities(self_change=True, closes_sessions=True, can_verify=True)
    Settings = WebFormSettings
    takes_codes = True

    def __init__(self, settings: TargetSettings, username: str, *, timeout: float) -> None:
        super().__init__(settings, username, timeout=timeout)
        self._browser: Browser | None = None
        if self._target.recipe is None or self._target.recipe.logout_everywhere is None:
            self.capabilities = replace(type(self).capabilities, closes_sessions=False)

    @classmethod
    def time_limit(cls, timeout: float) -> float:
        """A browser has to start, and pages to load."""
        return max(timeout, configured.BROWSER_TIMEOUT_SECONDS)

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """Log in, fill the form, and see what the site says. Raises TargetError.

        A password that is in force already is left alone: sites refuse to change one to itself.
        """
        text_of(new)
        if current is None:
            raise TargetError(FailureKind.AUTHENTICATION, f"The present password of {self.username} is not known.")
        answer = self._ask("verify" if current == new else "change", current=current, new=new)
        if answer["outcome"] == "rejected":
            raise TargetError(FailureKind.AUTHENTICATION, f"The site rejected the password of {self.username}.")
        if answer["outcome"] == "refused":
            why = self._words(answer, current, new) or "it does not say why."
            raise TargetError(FailureKind.POLICY, f"The site refused the new password: {why}")

    def verify(self, password: Secret) -> bool:
        """Log in with a clean browser. Raises TargetError where the site says neither yes nor no."""
        return bool(self._ask("verify", current=password)["outcome"] == "accepted")

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """End every session where the recipe says how; elsewhere that is left to a person. Raises TargetError."""
        whose, recipe = f"{self.username} at {host_of(self._target.url)}", self._target.recipe
        left = [f"Devices, app passwords and API keys of {whose}: end those of whoever left."]
        if self.codes is not None and self.codes.are_known():
            left.append(f"The authenticator secret of {whose} is still the same: enrol a new one.")
        if recipe is None or recipe.logout_everywhere is None:
            return Closed(0, (f"Sessions of {whose} may be open still: log out everywhere there.", *left))
        answer = self._ask("logout", current=new)
        if answer["outcome"] == "rejected":
            raise TargetError(FailureKind.AUTHENTICATION, f"The site rejected the password of {self.username}.")
        return Closed(int(answer["count"]), tuple(left))

    def close(self) -> None:
        if self._browser is not None:
            self._browser.close()

    @classmethod
    def address_of(cls, target: Mapping[str, Any]) -> str:
        return origin(str(target.get("url", "")))

    @property
    def hosts(self) -> tuple[str, ...]:
        urls = (self._target.url, self._target.login_url, *self._target.also_on.split())
        return tuple(dict.fromkeys(host_of(url) for url in urls if url))

    @property
    def _target(self) -> WebFormSettings:
        return WebFormSettings.model_validate(self.settings)

    def _ask(self, do: str, *, current: Secret, new: Secret | None = None) -> Answer:
        """One visit to the site through a gate of its own. Raises TargetError for one that came to no answer."""
        call = {
            "do": do, "site": self._site(), "username": self.username, "current": text_of(current),
            "new": text_of(new) if new else "",
        }  # fmt: skip
        deadline = Deadline(self.timeout)
        with Gate(deadline, judge=self._judge) as gate:
            try:
                answer = self._started(deadline).ask(
                    {**call, "proxy": gate.url}, seconds=deadline.left(), code=lambda: self._code(deadline)
                )
            except NoBrowser as error:
                raise TargetError(FailureKind.PERMISSION, clean(str(error))) from None
            except Silent as error:
                raise TargetError(FailureKind.UNREACHABLE, str(error)) from None
            if answer["outcome"] == "failed":
                raise self._failure(answer, gate, current, new)
        return answer

    def _judge(self, host: str) -> None:
        """Whatever a page asks for, the workspace's list holds for it too. Raises TargetError."""
        if self.allowed_hosts and not host_names.permits(self.allowed_hosts, host):
            raise TargetError(
                FailureKind.PERMISSION, f"The site leads to {host}, which is not on the workspace's list of hosts."
            )

    def _started(self, deadline: Deadline) -> Browser:
        """The browser of this connector: started once, clean for every call."""
        if self._browser is not None and not self._browser.is_alive:
            self._browser.close()
            self._browser = None
        if self._browser is None:
            self._browser = start(deadline.left())
        return self._browser

    def _site(self) -> dict[str, Any]:
        target = self._target
        return {
            "url": target.url, "origins": target.origins, "login_url": target.login_url,
            "recipe": as_json(target.recipe) if target.recipe else None,
            "has_codes": self.codes is not None and self.codes.are_known(),
        }  # fmt: skip

    def _code(self, deadline: Deadline) -> Answer:
        """A code for the browser's process, or why there is none."""
        if self.codes is None:
            return {"kind": str(FailureKind.HUMAN), "detail": "The site asks for a code, and none can be made."}
        try:
            return {"code": self.codes.next(within=max(0.0, deadline.left() - CODE_SECONDS)).reveal()}
        except TargetError as error:
            return {"kind": str(error.kind), "detail": error.detail, "retry_after": error.retry_after}

    def _failure(self, answer: Answer, gate: Gate, *secrets: Secret | None) -> TargetError:
        """What the browser found; where its way was barred, why."""
        barred = gate.refusal(answer["host"]) if answer["host"] else None
        if barred is not None:
            return barred
        words, kind, rules = self._words(answer, *secrets), FailureKind(answer["kind"]), str(answer["rules"])
        if kind is FailureKind.POLICY and (most := longest(rules)) < LEAST:
            few = f"{words} It takes {most} at most, and fewer than {LEAST} are too few."
            return TargetError(FailureKind.HUMAN, few)
        return TargetError(kind, words, retry_after=answer["retry_after"], rules=rules)

    def _words(self, answer: Answer, *secrets: Secret | None) -> str:
        return clean(str(answer.get("detail", "")), *(secret.reveal() for secret in secrets if secret))


def longest(rules: str) -> int:
    """How many characters the site's own rules allow; as many as ever where these contradict themselves."""
    try:
        return password_rules.parse(rules).maxlength
    except Invalid:
        return password_rules.LONGEST


def start(seconds: float) -> Browser:
    """A browser as the operator configured it. Raises NoBrowser, Silent."""
    return Browser(Chromium(Path(configured.CHROMIUM), configured.CHROMIUM_ACCOUNT), seconds=seconds)
