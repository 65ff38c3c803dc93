"""A recipe is checked before anything is done by it, and its author is told the part, the step and the field."""

import copy
import json
from typing import Any

import pytest

from rotation import connectors
from rotation.connectors.base import validated
from rotation.connectors.web_form import WebForm, WebFormSettings
from rotation.connectors.web_form.recipe import Recipe, as_json, parsed
from tests.rotation.connectors.web_target import RECIPE, SCRIPTED
from workspace.errors import Invalid
from workspace.models import Account

URL = "https://intranet.example.com/"


def wrong(change: dict[str, Any] | str) -> str:
    """What is said of a recipe."""
    with pytest.raises(Invalid) as refusal:
        validated(WebForm, {"url": URL, "recipe": change})
    assert refusal.value.field == "target"
    return refusal.value.detail


def with_step(part: str, number: int, step: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(RECIPE)
    changed[part]["steps"][number - 1] = step
    return changed


def without(part: str, name: str = "") -> dict[str, Any]:
    changed = copy.deepcopy(RECIPE)
    del (changed[part] if name else changed)[name or part]
    return changed


@pytest.mark.parametrize("recipe", [RECIPE, SCRIPTED])
def test_a_recipe_is_the_same_as_text_and_as_json(recipe: dict[str, Any]) -> None:
    texts = validated(WebForm, {"url": URL, "recipe": json.dumps(recipe, indent=2)})
    given = validated(WebForm, {"url": URL, "recipe": recipe})
    assert texts == given
    assert as_json(Recipe.model_validate(recipe)) == recipe


@pytest.mark.parametrize("empty", ["", "  \n", None])
def test_an_empty_recipe_is_none(empty: str | None) -> None:
    assert WebFormSettings(url=URL, recipe=parsed(empty)).recipe is None


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"fill": {"label": ""}, "with": "x"}, "login, step 2, fill, label: String should have at least 1 character"),
        ({"fill": {}, "with": "x"}, "login, step 2, fill: name one of label, role, css"),
        ({"fill": {"label": "a", "css": "b"}, "with": "x"}, "login, step 2, fill: name one of label, role, css"),
        ({"click": {"css": "a", "name": "b"}}, "login, step 2, click: name goes with role"),
        ({"fill": {"label": "a"}}, "login, step 2: fill and with belong together"),
        ({"click": {"label": "a"}, "with": "x"}, "login, step 2: fill and with belong together"),
        ({"click": {"label": "a"}, "goto": "/"}, "login, step 2: do one of goto, fill, click, wait_for, expect"),
        ({}, "login, step 2: do one of goto"),
        ({"run": "alert(1)"}, "login, step 2, run: Extra inputs are not permitted"),
        ({"goto": "file:///etc/passwd"}, "login, step 2, goto: String should match"),
        ({"goto": "javascript:alert(1)"}, "login, step 2, goto: String should match"),
        ({"goto": 5}, "login, step 2, goto: Input should be a valid string"),
        ({"expect": {}}, "login, step 2, expect: name at least one of text, url"),
        ("go there", "login, step 2: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_step_is_named_with_its_field(step: Any, said: str) -> None:
    detail = wrong(with_step("login", 2, step))
    assert detail.startswith(f"Connection settings: recipe: {said}")
    assert ";" not in detail


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("{", "is not JSON: line 1, column 2"), ('{"login": }', "line 1, column 11"), ("[]", "valid dictionary"),
        ("[" * 100_000, "is not JSON"), ({}, "login: Field required; change: Field required"),
        (without("login"), "login: Field required"), (without("login", "rejected"), "login, rejected: Field required"),
        (without("change", "steps"), "change, steps: Field required"),
        ({**RECIPE, "login": {**RECIPE["login"], "steps": []}}, "login, steps: Tuple should have at least 1 item"),
        ({**RECIPE, "passwords": ["x"]}, "passwords: Extra inputs"),
        (with_step("login", 3, {"click": {"css": "a"}}), "login never types {current}"),
        (with_step("login", 3, {"fill": {"css": "a"}, "with": "{new}{current}"}), "login must not type {new}"),
        ({**RECIPE, "change": RECIPE["logout"] | {"accepted": {"text": "x"}}}, "change never types {new}"),
    ],
)  # fmt: skip
def test_what_a_recipe_lacks_is_said(recipe: Any, said: str) -> None:
    assert said in wrong(recipe)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("url", "", "url: String should have at least 1"),
        ("url", "intranet.example.com", "url: must be an address"),
        ("url", "https://ada:secret@example.com/", "url: must not contain a user name"),
        ("url", "https://exa mple.com/", "url"), ("url", "https://example.com:70000/", "url"),
        ("url", "https://example.com:0/", "port 0"), ("url", "https://ex_ample$/", "url"),
        ("login_url", "javascript:alert(1)", "login_url"), ("also_on", "https://a.example b", "also_on"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(Invalid, match=r"Connection settings") as refusal:
        validated(WebForm, {"url": URL, name: value})
    assert said in refusal.value.detail


def test_passwords_may_be_typed_on_the_sites_own_origins_and_those_named() -> None:
    target = validated(WebForm, {"url": URL, "also_on": "https://login.example.com/x http://10.0.0.1:8080"})
    assert isinstance(target, WebFormSettings)
    assert target.origins == [
        "https://intranet.example.com:443", "https://login.example.com:443", "http://10.0.0.1:8080"
    ]  # fmt: skip


def test_a_browser_is_given_more_time_than_others() -> None:
    account = Account(connector="web_form", username="app", target={"url": URL})
    assert connectors.of(account, timeout=10).timeout == 30
    assert connectors.of(account, timeout=50).timeout == 50
