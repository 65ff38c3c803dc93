"""The console's side of web logins: a recipe in the account's form, the authenticator on pages of its own."""

import json
from typing import Any

import pytest

from tests.companies import TESTS, Company
from tests.console_world import text_of
from tests.rotation.connectors.web_target import RECIPE
from tests.workspace.test_admin_acts import page, post
from workspace import accounts, authenticators
from workspace.crypto import Secret
from workspace.models import Account, Authenticator

pytestmark = pytest.mark.django_db

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SITE = {
    "name": "Intranet", "username": "app", "connector": "web_form", "web_form__url": "https://intranet.example.com/",
    "web_form__recipe": json.dumps(RECIPE, indent=1), "password_length": "24", "password_classes": ["lower"],
}  # fmt: skip
MISTYPED = json.dumps({**RECIPE, "change": {**RECIPE["change"], "steps": [{"fill": {"lable": "x"}, "with": "{new}"}]}})


@pytest.fixture
def intranet(acme: Company) -> Account:
    return accounts.create(
        acme.workspace, "Intranet", actor=TESTS, connector="web_form", username="app",
        target={"url": "https://intranet.example.com/", "recipe": RECIPE},
    )  # fmt: skip


def test_a_recipe_is_entered_as_json(acme: Company) -> None:
    post(acme.browser(), "/admin/workspace/account/add/", **SITE)
    account = Account.objects.get(name="Intranet")
    assert json.loads(account.target["recipe"]) == RECIPE
    shown = text_of(acme.browser(), page(account, "edit"))
    assert "Log out everywhere" in shown
    assert "<textarea" in shown


def test_a_recipe_given_as_json_elsewhere_is_edited_as_text(acme: Company, intranet: Account) -> None:
    shown = text_of(acme.browser(), page(intranet, "edit"))
    assert "&quot;goto&quot;: &quot;/login&quot;" in shown
    assert "&#x27;goto&#x27;" not in shown
    assert "goto" in text_of(acme.browser(), page(intranet))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"web_form__recipe": MISTYPED}, "Change, step 1, fill, lable"),
        ({"web_form__recipe": "{"}, "Is not JSON: line 1, column 2"),
        ({"web_form__url": "intranet"}, "Must be an address"), ({"username": ""}, "must be named"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_step_and_field(acme: Company, changed: dict[str, Any], said: str) -> None:
    assert said in post(acme.browser(), "/admin/workspace/account/add/", **{**SITE, **changed})
    assert not Account.objects.filter(name="Intranet").exists()


def test_an_authenticator_is_stored_and_shown_on_no_page(acme: Company, intranet: Account) -> None:
    browser = acme.browser()
    shown = post(browser, page(intranet, "authenticator"), key=KEY)
    assert "The key is sealed" in shown
    assert len(authenticators.next_code(intranet, within=0).reveal()) == 6
    for text in (shown, text_of(browser, page(intranet)), text_of(browser, page(intranet, "authenticator"))):
        assert KEY not in text
    assert "takes its place" in text_of(browser, page(intranet, "authenticator"))


def test_a_key_that_is_none_is_not_sent_back(acme: Company, intranet: Account) -> None:
    shown = post(acme.browser(), page(intranet, "authenticator"), key="no-such-key-01")
    assert "Enter the key as the site shows it" in shown
    assert "no-such-key" not in shown
    assert not Authenticator.objects.exists()


def test_an_authenticator_is_forgotten(acme: Company, intranet: Account) -> None:
    authenticators.enroll(intranet, Secret(KEY), actor=TESTS)
    browser = acme.browser()
    assert page(intranet, "forget_authenticator") in text_of(browser, page(intranet))
    post(browser, page(intranet, "forget_authenticator"))
    assert authenticators.find(intranet) is None
    assert page(intranet, "forget_authenticator") not in text_of(browser, page(intranet))


def test_what_never_asks_for_codes_has_no_authenticator(acme: Company) -> None:
    browser = acme.browser()
    assert page(acme.account, "authenticator") not in text_of(browser, page(acme.account))
    assert "never asks for one-time codes" in post(browser, page(acme.account, "authenticator"), key=KEY)
    assert not Authenticator.objects.exists()
