"""What browsers are told they may do, for each class of page."""

import re

import pytest
from django.test import Client

from tests.companies import Company
from tests.console_world import text_of
from workspace import policy

pytestmark = pytest.mark.django_db


def directives(text: str) -> dict[str, list[str]]:
    return {part.split()[0]: part.split()[1:] for part in text.split(";")}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/", policy.STRICT), ("/profile/", policy.STRICT), ("/second-factor/", policy.STRICT),
        ("/login/", policy.STRICT),
        ("/api/v1/me", policy.STRICT), ("/nothing-here/", policy.STRICT), ("/static/web/web.css", policy.STRICT),
        ("/admin/", policy.CONSOLE), ("/admin/workspace/user/", policy.CONSOLE),
        ("/admin/workspace/user/add/", policy.CONSOLE), ("/admin/nothing-here/", policy.CONSOLE),
    ],
)  # fmt: skip
def test_every_class_of_page_carries_its_policy(acme: Company, path: str, wanted: str) -> None:
    answer = acme.browser().get(path)
    assert answer["Content-Security-Policy"] == wanted
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_guests_are_told_the_same() -> None:
    assert Client().get("/admin/")["Content-Security-Policy"] == policy.CONSOLE
    assert Client().get("/")["Content-Security-Policy"] == policy.STRICT


@pytest.mark.parametrize("text", [policy.STRICT, policy.CONSOLE])
def test_no_policy_lets_an_inline_script_run_or_anything_come_from_elsewhere(text: str) -> None:
    found = directives(text)
    assert found["default-src"] == ["'none'"]
    assert "'unsafe-inline'" not in found["script-src"]
    assert not re.search(r"https?:|\*", text)
    for name in ("frame-ancestors", "base-uri"):
        assert found[name] == ["'none'"]


@pytest.mark.parametrize("path", ["/admin/", "/admin/workspace/user/", "/admin/workspace/user/add/"])
def test_the_console_has_no_inline_script_that_the_policy_would_stop(acme: Company, path: str) -> None:
    page = text_of(acme.browser(), path)
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|\son(?:click|change|load|submit)=", page)
