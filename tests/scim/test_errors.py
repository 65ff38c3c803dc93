"""The body of an error (RFC 7644 section 3.12)."""

import pytest
from django_scim.exceptions import SCIMException

from scim.errors import ERROR_SCHEMA, InvalidFilter, NoTarget, ScimError, TooMany, Uniqueness, shown


def test_the_status_is_a_string_in_the_body_and_a_number_on_the_exception() -> None:
    error = Uniqueness("Another user has this userName.")
    assert error.status == 409
    assert error.to_dict() == {
        "schemas": [ERROR_SCHEMA],
        "status": "409",
        "scimType": "uniqueness",
        "detail": "Another user has this userName.",
    }


def test_an_error_without_a_keyword_has_no_scim_type() -> None:
    assert "scimType" not in ScimError("Not here.", status=404).to_dict()
    assert ScimError("Not here.", status=404).status == 404


@pytest.mark.parametrize(
    ("kind", "keyword"), [(InvalidFilter, "invalidFilter"), (NoTarget, "noTarget"), (TooMany, "tooMany")]
)
def test_django_scim_takes_our_errors_for_its_own(kind: type[ScimError], keyword: str) -> None:
    error = kind("Why.")
    assert isinstance(error, SCIMException)
    assert (error.status, error.scim_type, error.detail) == (400, keyword, "Why.")


def test_a_name_shown_in_a_detail_is_short_and_printable() -> None:
    assert shown("a\n\0\ud800b") == "a???b"
    assert len(shown("x" * 1000)) < 100
