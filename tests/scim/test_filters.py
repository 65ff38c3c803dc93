"""What a filter selects out of plain JSON, and what neither reading of a filter accepts."""

import os
from typing import Any

import pytest
from django.conf import ENVIRONMENT_VARIABLE, settings

from scim.errors import InvalidFilter
from scim.filters import boolean, exact, fixed, identifier, matches, moment, text, to_q
from scim.grammar import parse_filter

if not settings.configured and ENVIRONMENT_VARIABLE not in os.environ:
    settings.configure()

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
ATTRIBUTES = {
    "id": identifier("id"),
    "userName": text("user_name"),
    "externalId": exact("external_id"),
    "active": boolean("is_active"),
    "name.givenName": text("given_name"),
    "name.familyName": text("family_name"),
    "emails.value": text("email"),
    "emails.type": fixed("work"),
    "meta.lastModified": moment("updated_at"),
}
TYPES = {name.lower(): attribute.type for name, attribute in ATTRIBUTES.items()}
ADA: dict[str, Any] = {
    "id": ID,
    "userName": "Ada@Acme.Example",
    "externalId": "00uAda",
    "active": True,
    "name": {"givenName": "Ada", "familyName": ""},
    "emails": [
        {"type": "work", "value": "ada@acme.example", "primary": True},
        {"type": "home", "value": "ada@home.example"},
    ],
    "roles": ["Owner", "Member"],
    "addresses": [{"type": "work"}, {"type": ""}],
    "loginCount": 7,
    "meta": {"lastModified": "2026-05-13T04:42:34Z"},
    ENTERPRISE: {"department": "Engines", "manager": {"value": "26118915"}},
}


def ada(filter_text: str) -> bool:
    return matches(parse_filter(filter_text), ADA, TYPES)


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "ada@acme.example"',
        'USERNAME EQ "ADA@ACME.EXAMPLE"',
        'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "ada"',
        'userName co "ACME"',
        'userName ew ".example"',
        'userName gt "aaa" and userName lt "b"',
        'userName ge "ada@acme.example" and userName le "ada@acme.example"',
        'externalId eq "00uAda"',
        f'id eq "{ID.upper()}"',
        "active eq true",
        'active eq "True"',
        'active ne "False"',
        'name.givenName eq "ada"',
        "name pr",
        "not (name.familyName pr)",
        'emails eq "ada@home.example"',
        'emails.value co "home"',
        'emails[type eq "work" and value co "acme"]',
        'emails[type eq "work"].value eq "ada@acme.example"',
        "emails[primary eq true]",
        'emails[primary eq "True"]',
        'emails[not (primary pr) and type eq "home"]',
        'roles eq "owner"',
        'roles[value eq "owner"]',
        "loginCount eq 7 and loginCount ge 7.0 and loginCount lt 8",
        'meta.lastModified eq "2026-05-13T06:42:34+02:00"',
        'meta.lastModified gt "2026-05-13T04:42:33.999Z"',
        f'{ENTERPRISE}:department eq "engines"',
        f'{ENTERPRISE}:manager.value eq "26118915"',
        f'{ENTERPRISE}:manager eq "26118915"',
        "nickName eq null",
        'nickName ne "x"',
        'not (nickName eq "x")',
        "userName ne null",
        'userName ne "\\u0000"',
        'externalId ne "00uada"',
    ],
)
def test_ada_meets(text: str) -> None:
    assert ada(text)


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "ada"',
        'userName ne "ADA@acme.example"',
        'externalId eq "00uada"',
        'id eq "no uuid"',
        'id eq ""',
        "id eq 5",
        f'id eq "{{{ID}}}"',
        'active eq "false"',
        "name.familyName pr",
        "addresses[type pr] and nickName pr",
        'emails[type eq "home" and value co "acme"]',
        'emails[type eq "home"].value eq "ada@acme.example"',
        'emails ne "ada@home.example"',
        'userName eq "\\u0000"',
        'userName co "\\u0000"',
        'userName co "\\ud800"',
        'nickName eq "x"',
        'nickName lt "x"',
        'nickName[value eq "x"]',
        "userName eq null",
        'urn:unknown:2.0:User:department eq "engines"',
        "loginCount gt 7",
        'meta.lastModified lt "2026-05-13T04:42:34Z"',
        'userName.formatted eq "x"',
    ],
)
def test_ada_does_not_meet(text: str) -> None:
    assert not ada(text)


def test_a_sub_attribute_of_a_plain_element_is_its_value_alone() -> None:
    assert matches(parse_filter('roles.value eq "owner"'), ADA)
    assert not matches(parse_filter("roles.display pr"), ADA)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("active gt true", "gt"),
        ('active co "tr"', "boolean"),
        ('active eq "yes"', "true or false"),
        ("active eq 1", "true or false"),
        ("userName eq true", "double quotes"),
        ("userName eq 5", "double quotes"),
        ("userName gt null", "null"),
        ('meta.lastModified eq "yesterday"', "zone"),
        ('meta.lastModified gt "2026-05-13T04:42:34"', "zone"),
        ('meta.lastModified gt "0001-01-01T00:00:00+14:00"', "zone"),
        ('meta.lastModified sw "2026"', "sw"),
        (f'id gt "{ID}"', "gt"),
        ('id co "1"', "co"),
    ],
)
def test_an_operator_or_literal_that_does_not_fit_the_type_is_refused_by_both(text: str, said: str) -> None:
    for select in (lambda node: to_q(node, ATTRIBUTES), lambda node: matches(node, ADA, TYPES)):
        with pytest.raises(InvalidFilter, match=said):
            select(parse_filter(text))


def test_an_unknown_name_is_named_together_with_those_that_work() -> None:
    for name in ("nickName", "emails.display", "urn:x:2.0:User:userName"):
        with pytest.raises(InvalidFilter) as caught:
            to_q(parse_filter(f'{name} eq "x"'), ATTRIBUTES)
        assert name in caught.value.detail
        assert "name.givenName" in caught.value.detail


def test_an_unknown_name_is_refused_beside_known_ones() -> None:
    for text_ in ('userName eq "x" or nick pr', "not (nick pr)", 'userName eq "x" and nick pr'):
        with pytest.raises(InvalidFilter, match="nick"):
            to_q(parse_filter(text_), ATTRIBUTES)


def test_brackets_need_a_builder_and_the_error_names_those_there_are() -> None:
    with pytest.raises(InvalidFilter, match=r"'roles'.*members"):
        to_q(parse_filter('roles[value eq "x"]'), ATTRIBUTES, {"members": lambda node: to_q(node, ATTRIBUTES)})


def test_types_need_not_be_known() -> None:
    assert matches(parse_filter('active eq "true" and active eq true'), ADA)
    assert not matches(parse_filter('active eq "x"'), ADA)
    assert matches(parse_filter("primary eq true"), {"primary": "True"}, within="emails")
