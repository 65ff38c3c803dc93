"""Filters as PostgreSQL runs them: the same answers as the predicate over JSON, and the index put to use."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models
from django.db.models.functions import Lower
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from scim.filters import boolean, exact, fixed, identifier, matches, moment, text, to_q
from scim.grammar import And, AttributePath, Comparison, Node, Not, Or, Present, ValuePath, parse_filter

pytestmark = pytest.mark.django_db

with isolate_apps("scim"):

    class Row(models.Model):
        """A table of this module alone, with every type that a filter can meet, all nullable but the key."""

        id = models.UUIDField(primary_key=True)
        user_name = models.CharField(max_length=200, null=True)  # noqa: DJ001  # filters meet NULL in columns of others
        external_id = models.TextField(null=True)  # noqa: DJ001
        is_active = models.BooleanField(null=True)
        email = models.EmailField(null=True)  # noqa: DJ001
        updated_at = models.DateTimeField(null=True)

        objects: models.Manager["Row"] = models.Manager()

        class Meta:
            app_label = "scim"
            db_table = "test_filters_row"
            indexes = (models.Index(Lower("user_name"), name="test_filters_user_name"),)

        def __str__(self) -> str:
            return str(self.user_name)


WORK = {"type": fixed("work"), "value": text("email"), "primary": fixed(True)}
ATTRIBUTES = {
    "id": identifier("id"),
    "userName": text("user_name"),
    "externalId": exact("external_id"),
    "active": boolean("is_active"),
    "emails.value": text("email"),
    "meta.lastModified": moment("updated_at"),
}
TYPES = {name.lower(): attribute.type for name, attribute in ATTRIBUTES.items()}
STRINGS = [None, "", "ada", "Ada", "ADA@acme.example", "a%b", "a_b", r"a\b", "É", "zz", "x' or '1'='1"]
TIMES = [None, "2026-05-13T04:42:34+00:00", "2026-05-13T04:42:34.000001+00:00", "1999-12-31T23:59:59+00:00"]


def resource(number: int) -> dict[str, Any]:
    """Row `number` as a SCIM resource; the columns step at different paces, so that they combine."""
    email = STRINGS[number // 3 % len(STRINGS)]
    return {
        "id": str(UUID(int=number)),
        "userName": STRINGS[number % len(STRINGS)],
        "externalId": STRINGS[number // 2 % len(STRINGS)],
        "active": [None, True, False][number % 3],
        "emails": [{"type": "work", "primary": True, "value": email}],
        "meta": {"lastModified": TIMES[number % len(TIMES)]},
    }


RESOURCES = [resource(number) for number in range(1, 45)]


@pytest.fixture(autouse=True)
def rows(db: None) -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.create_model(Row)
    Row.objects.bulk_create(
        Row(
            id=each["id"],
            user_name=each["userName"],
            external_id=each["externalId"],
            is_active=each["active"],
            email=each["emails"][0]["value"],
            updated_at=each["meta"]["lastModified"],
        )
        for each in RESOURCES
    )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE test_filters_row")


def condition(node: Node) -> models.Q:
    return to_q(node, ATTRIBUTES, {"emails": lambda inner: to_q(inner, WORK)})


def selected(node: Node) -> set[str]:
    return {str(key) for key in Row.objects.filter(condition(node)).values_list("pk", flat=True)}


def expected(node: Node) -> set[str]:
    return {each["id"] for each in RESOURCES if matches(node, each, TYPES)}


LITERALS = st.sampled_from([*STRINGS, "\0", "\ud800", "%", "_", "\\", "a", "b"]) | st.text("aA%_\\é'", max_size=3)
ORDER = ["gt", "ge", "lt", "le"]
SUBSTRING = ["co", "sw", "ew"]


def comparison(name: str, operators: list[str], literals: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    head, _, sub = name.partition(".")
    path = AttributePath(head, sub or None)
    nullable = st.builds(Comparison, st.just(path), st.sampled_from(["eq", "ne"]), st.none() | literals)
    usable = st.builds(Comparison, st.just(path), st.sampled_from(operators), literals.filter(lambda x: x is not None))
    return nullable | usable | st.just(Present(path))


def combined(leaves: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def compose(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)

    return st.recursive(leaves, compose, max_leaves=6)


IN_BRACKETS = (
    comparison("value", SUBSTRING, LITERALS)
    | comparison("type", SUBSTRING, st.sampled_from(["work", "WORK", "home", "o"]))
    | comparison("primary", ["eq"], st.sampled_from([True, False]))
)
LEAVES = (
    comparison("userName", [*ORDER, *SUBSTRING], LITERALS)
    | comparison("externalId", [*ORDER, *SUBSTRING], LITERALS)
    | comparison("emails.value", [*ORDER, *SUBSTRING], LITERALS)
    | comparison("active", ["eq"], st.sampled_from([True, False, "True", "fALSE"]))
    | comparison("meta.lastModified", ORDER, st.sampled_from([*TIMES[1:], "2026-05-13T06:42:34+02:00"]))
    | comparison("id", ["eq"], st.sampled_from([str(UUID(int=3)), "x", "", 5, "\0"]))
    | st.builds(ValuePath, st.just(AttributePath("emails")), combined(IN_BRACKETS))
)


@given(combined(LEAVES))
def test_rows_and_json_give_the_same_answer(node: Node) -> None:
    assert selected(node) == expected(node)


@pytest.mark.parametrize("name", ["userName", "externalId", "active", "emails.value", "meta.lastModified", "id"])
def test_ne_and_not_are_the_complement_with_nulls_included(name: str) -> None:
    value: object = {"active": True, "meta.lastModified": TIMES[1], "id": RESOURCES[0]["id"]}.get(name, "ada")
    everything = {each["id"] for each in RESOURCES}
    equal = selected(parse_filter(f"{name} eq {json.dumps(value)}"))
    assert equal
    assert selected(parse_filter(f"{name} ne {json.dumps(value)}")) == everything - equal
    assert selected(parse_filter(f"not ({name} eq {json.dumps(value)})")) == everything - equal


def test_wildcards_in_a_literal_are_plain_characters() -> None:
    for literal in ("%", "_", "\\"):
        found = selected(parse_filter(f"userName co {json.dumps(literal)}"))
        assert found == {each["id"] for each in RESOURCES if literal in (each["userName"] or "")}
        assert found


def test_a_filter_stands_beside_other_conditions_and_never_widens_them() -> None:
    mine = Row.objects.filter(id=RESOURCES[0]["id"])
    widening = parse_filter("id pr or id pr")
    assert mine.filter(condition(widening)).count() == 1
    assert Row.objects.filter(condition(widening), id=RESOURCES[0]["id"]).count() == 1


def test_five_hundred_terms_are_answered() -> None:
    node = parse_filter(" or ".join(['userName eq "x"'] * 400 + ['userName eq "zz"']))
    assert selected(node) == {each["id"] for each in RESOURCES if each["userName"] == "zz"}


@pytest.mark.parametrize("form", ['userName eq "ADA"', 'userName eq "ADA" and active eq true'])
def test_an_index_on_the_lowered_column_serves_equality(form: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Row.objects.filter(condition(parse_filter(form))).explain()
    assert "test_filters_user_name" in plan
    assert "Index Cond: (lower" in plan


@pytest.mark.parametrize("name", ["userName", "externalId"])
def test_order_is_by_code_point_whatever_the_databases_collation(name: str) -> None:
    assert 'COLLATE "C"' in str(Row.objects.filter(condition(parse_filter(f'{name} gt "a"'))).query)
