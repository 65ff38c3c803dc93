"""What only web forms do: scripts, the well-known address, one-time codes, captchas, and pages that mean harm."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest

from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.contract import random_password
from rotation.connectors.web_form import WebForm
from tests.rotation.connectors.web_site import CAPTCHAS, SHORTEST, Person, Site
from tests.rotation.connectors.web_target import RECIPE, SCRIPTED, WebTarget, shared_browser
from tests.waiting import growing
from workspace.crypto import Secret

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(scope="module", autouse=True)
def _browser() -> Iterator[None]:
    with shared_browser():
        yield


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def target(running: Site) -> Iterator[WebTarget]:
    yield (found := WebTarget(running))
    found.forget()


@pytest.fixture
def site(target: WebTarget) -> Site:
    return target.site


class Codes:
    """One-time codes from memory. `left` are those still to come."""

    def __init__(self, *left: str) -> None:
        self._left = list(left)
        self.asked = 0

    def are_known(self) -> bool:
        return True

    def next(self, *, within: float) -> Secret:
        self.asked += 1
        if not self._left:
            raise TargetError(FailureKind.LOCKED, "The next one comes in 21 s.", retry_after=21)
        return Secret(self._left.pop(0))


def failed(connector: WebForm, password: Secret) -> TargetError:
    with pytest.raises(TargetError) as failure:
        connector.verify(password)
    return failure.value


def with_codes(site: Site, connector: WebForm) -> Codes:
    """The login asks for codes from now on, and we hold two that are right."""
    site.people[connector.username].codes = totp = pyotp.TOTP(KEY)
    connector.codes = codes = Codes(totp.now(), totp.at(int(time.time()) + totp.interval))
    return codes


# What the site says


def test_a_refused_password_is_a_matter_of_policy_and_is_not_repeated(target: WebTarget, old: Secret) -> None:
    connector, short = target.connector(target.make_login(old)), Secret(secrets.token_hex(SHORTEST // 2 - 1))
    with pytest.raises(TargetError, match=f"Use at least {SHORTEST} characters") as failure:
        connector.change(short, current=old, admin=None)
    assert failure.value.kind is FailureKind.POLICY
    assert short.reveal() not in failure.value.detail
    assert target.site.people[connector.username].password == old.reveal()


def test_a_password_that_is_in_force_is_not_changed_to_itself(target: WebTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old))
    log = target.recorded(lambda: connector.change(old, current=old, admin=None))
    assert "POST /account/password" not in log
    assert "POST /login" in log


@pytest.mark.parametrize("style", ["down", "busy"])
def test_a_site_that_says_not_now_is_asked_again_when_it_says(target: WebTarget, old: Secret, style: str) -> None:
    connector = target.connector(target.make_login(old))
    target.site.style.add(style)
    failure = failed(connector, old)
    assert (failure.kind, failure.retry_after) == (FailureKind.UNREACHABLE, 17)


def test_no_session_of_ours_is_left_behind(target: WebTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    connector.change(new, current=old, admin=None)
    connector.verify(new)
    connector.close_sessions(new=new, admin=None)
    assert target.site.sessions_of(connector.username) == []


def test_what_cannot_be_closed_is_named(target: WebTarget, old: Secret) -> None:
    recipe = {name: part for name, part in RECIPE.items() if name != "logout_everywhere"}
    closed = target.connector(target.make_login(old), recipe=recipe).close_sessions(new=old, admin=None)
    assert closed.sessions == 0
    assert "log out everywhere" in closed.follow_ups[0]
    assert "API keys" in closed.follow_ups[1]


@pytest.mark.parametrize(
    ("step", "kind", "said"),
    [
        ({"click": {"label": "Not there"}}, FailureKind.UNREACHABLE, "login, step 2: The field “Not there” was not on"),
        ({"click": {"css": "input"}}, FailureKind.HUMAN, "login, step 2: The element “input” fits 2 elements"),
        ({"expect": {"text": "Not said"}}, FailureKind.UNREACHABLE, "login, step 2"),
    ],
)
def test_a_step_that_cannot_be_done_is_named(
    target: WebTarget, old: Secret, step: dict[str, Any], kind: FailureKind, said: str
) -> None:
    steps = [{"goto": "/login"}, step, *RECIPE["login"]["steps"][1:]]
    recipe = {**RECIPE, "login": {**RECIPE["login"], "steps": steps}}
    for seconds in growing(3):
        failure = failed(target.connector(target.make_login(old), recipe=recipe, timeout=seconds), old)
        if said in failure.detail:
            break
    assert (failure.kind, said in failure.detail) == (kind, True), failure.detail


def test_a_site_that_says_neither_yes_nor_no_is_not_believed(target: WebTarget, old: Secret) -> None:
    changed = {**RECIPE["login"], "accepted": {"text": "Welcome back"}, "rejected": {"url": "/denied"}}
    for seconds in growing(4):
        recipe = {**RECIPE, "login": changed}
        failure = failed(target.connector(target.make_login(old), recipe=recipe, timeout=seconds), old)
        assert failure.kind is FailureKind.UNREACHABLE
        if "showed neither" in failure.detail:
            break
    assert "showed neither" in failure.detail


def test_a_login_that_is_locked_says_so(target: WebTarget, old: Secret) -> None:
    changed = {**RECIPE["login"], "rejected": {"text": "nothing"}, "locked": {"text": "Wrong name"}}
    connector = target.connector(target.make_login(old), recipe={**RECIPE, "login": changed})
    assert failed(connector, random_password()).kind is FailureKind.LOCKED


# Scripts


def test_pages_made_by_script_are_waited_for(target: WebTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old), recipe=SCRIPTED)
    assert (connector.verify(old), connector.verify(new)) == (True, False)
    with pytest.raises(TargetError, match="Use at least") as failure:
        connector.change(Secret("short"), current=old, admin=None)
    assert failure.value.kind is FailureKind.POLICY
    connector.change(new, current=old, admin=None)
    assert (connector.verify(new), connector.verify(old)) == (True, False)


# The well-known address


@pytest.mark.parametrize("style", ["", "two_steps", "scripts"])
def test_a_site_that_declares_itself_needs_no_recipe(target: WebTarget, old: Secret, new: Secret, style: str) -> None:
    target.site.style.add(style)
    login_url = f"{target.site.url}app/login" if style == "scripts" else ""
    connector = target.connector(target.make_login(old), recipe="", login_url=login_url)
    assert (connector.verify(old), connector.verify(new)) == (True, False)
    connector.change(new, current=old, admin=None)
    assert target.site.people[connector.username].password == new.reveal()
    assert not connector.verify(old)
    assert "may be open still" in connector.close_sessions(new=new, admin=None).follow_ups[0]


def test_its_refusal_of_a_password_is_told_from_a_wrong_one(target: WebTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old), recipe="")
    with pytest.raises(TargetError, match="Use at least") as failure:
        connector.change(Secret("short"), current=old, admin=None)
    assert failure.value.kind is FailureKind.POLICY
    with pytest.raises(TargetError) as failure:
        connector.change(new, current=random_password(), admin=None)
    assert failure.value.kind is FailureKind.AUTHENTICATION


@pytest.mark.parametrize("style", ["shows_all", "none"])
def test_a_site_that_does_not_declare_itself_is_not_guessed_about(
    target: WebTarget, old: Secret, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if style == "shows_all":
        target.site.style.add(style)
    else:
        monkeypatch.delitem(target.site.private, "/.well-known/change-password")
    failure = failed(target.connector(target.make_login(old), recipe=""), old)
    assert failure.kind is FailureKind.HUMAN
    assert "recipe" in failure.detail.lower()
    assert "POST /login" not in str(target.site.log[-3:])


# One-time codes


@pytest.mark.parametrize("recipe", [RECIPE, ""])
def test_a_code_is_given_where_it_is_asked_for(target: WebTarget, old: Secret, new: Secret, recipe: Any) -> None:
    connector = target.connector(target.make_login(old), recipe=recipe)
    codes = with_codes(target.site, connector)
    connector.change(new, current=old, admin=None)
    assert (codes.asked, len(target.site.people[connector.username].used)) == (1, 1)
    assert target.site.people[connector.username].password == new.reveal()
    if recipe:
        closed = connector.close_sessions(new=new, admin=None)
        assert (codes.asked, "authenticator secret" in str(closed.follow_ups)) == (2, True)


@pytest.mark.parametrize("recipe", [RECIPE, {name: RECIPE[name] for name in ("login", "change")}, ""])
def test_to_be_asked_for_a_code_means_that_the_password_was_right(target: WebTarget, old: Secret, recipe: Any) -> None:
    """So a proof costs no codes, of which there is one in half a minute."""
    connector = target.connector(target.make_login(old), recipe=recipe)
    target.site.people[connector.username].codes = pyotp.TOTP(KEY)
    assert not connector.verify(random_password())
    assert connector.verify(old)
    assert target.site.people[connector.username].used == []


def test_a_site_that_asks_everybody_is_given_its_code_before_it_is_believed(target: WebTarget, old: Secret) -> None:
    recipe = {**RECIPE, "second_factor": {**RECIPE["second_factor"], "asks_everybody": True}}
    connector = target.connector(target.make_login(old), recipe=recipe)
    codes = with_codes(target.site, connector)
    assert connector.verify(old)
    assert codes.asked == 1


@pytest.mark.parametrize("recipe", [RECIPE, ""])
def test_a_code_that_the_site_does_not_take_is_for_a_person(
    target: WebTarget, old: Secret, new: Secret, recipe: Any
) -> None:
    connector = target.connector(target.make_login(old), recipe=recipe)
    with_codes(target.site, connector)
    connector.codes = Codes("000000")
    with pytest.raises(TargetError, match="did not take the code") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.HUMAN


def test_a_code_that_comes_too_late_is_tried_again_when_there_is_one(
    target: WebTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old))
    with_codes(target.site, connector)
    connector.codes = Codes()
    with pytest.raises(TargetError) as failure:
        connector.change(new, current=old, admin=None)
    assert (failure.value.kind, failure.value.retry_after) == (FailureKind.LOCKED, 21)


@pytest.mark.parametrize("recipe", [RECIPE, {name: RECIPE[name] for name in ("login", "change")}, ""])
def test_a_second_factor_that_we_do_not_have_is_for_a_person(
    target: WebTarget, old: Secret, new: Secret, recipe: Any
) -> None:
    connector = target.connector(target.make_login(old), recipe=recipe)
    target.site.people[connector.username].codes = pyotp.TOTP(KEY)
    with pytest.raises(TargetError, match=r"asks for a second factor\. Store the account's authenticator") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.HUMAN


# Captchas


@pytest.mark.parametrize("recipe", [RECIPE, ""])
@pytest.mark.parametrize("captcha", CAPTCHAS)
def test_a_captcha_is_for_a_person(target: WebTarget, old: Secret, captcha: str, recipe: Any) -> None:
    target.site.style.add(captcha)
    connector = target.connector(target.make_login(old), recipe=recipe)
    failure = failed(connector, random_password())
    assert failure.kind is FailureKind.HUMAN
    assert "captcha" in failure.detail


def test_a_badge_that_asks_nothing_is_no_captcha(target: WebTarget, old: Secret) -> None:
    target.site.style.add("badge")
    assert target.connector(target.make_login(old)).verify(old)


# Pages that mean harm


def test_a_password_is_typed_on_no_other_site(target: WebTarget, old: Secret) -> None:
    """Whoever can make the site redirect would otherwise be sent the password."""
    with Site() as lure:
        lure.people["x"] = Person("x")
        connector = target.connector(target.make_login(old))
        target.site.style.add("elsewhere")
        target.site.lure = f"{lure.url}login"
        failure = failed(connector, old)
        assert failure.kind is FailureKind.PERMISSION
        assert "no password is typed there" in failure.detail
        assert not [line for line in lure.log if line.startswith("POST")]

        allowed = target.connector(connector.username, also_on=lure.url)
        assert not allowed.verify(old)  # typed there now, where nobody of that name is known
        assert "POST /login" in str(lure.log)


def test_the_log_in_page_of_a_well_known_site_may_not_be_another_sites(target: WebTarget, old: Secret) -> None:
    with Site() as lure:
        target.site.style.add("elsewhere")
        target.site.lure = f"{lure.url}login"
        failure = failed(target.connector(target.make_login(old), recipe=""), old)
        assert failure.kind is FailureKind.PERMISSION
        assert not [line for line in lure.log if line.startswith("POST")]
