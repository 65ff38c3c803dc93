"""Any filter, asked over HTTP, selects whom the same filter selects among the documents everybody sees."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim.attributes import GROUP_ATTRIBUTES, GROUP_ELEMENTS, USER_ATTRIBUTES, USER_ELEMENTS
from scim.filters import AttributeType, matches
from scim.grammar import And, AttributePath, Comparison, Node, Not, Or, Present, ValuePath, parse_filter
from tests import generators
from tests.companies import TESTS, Company
from tests.generators import examples
from tests.scim.dialects.http import ENTERPRISE, GROUP, USER, Json, Provider, bearer
from tests.scim.rows import digest
from workspace import teams

pytestmark = [pytest.mark.django_db, pytest.mark.generated, generators.timeout(900)]

WORDS = [
    "ada", "Ada", "ADA@acme.example", "a%b", "a_b", "a\\b", 'a"b', "É", "é", "ß", "zz", "x' or '1'='1", "10", "9",
    " ", "İ",
]  # fmt: skip
LINKS = ["https://x.example/Ada", "https://x.example/ada", "https://X.example/é"]
KINDS = ["work", "home", "WORK", "other", ""]


def pick(options: list[Any], number: int, pace: int) -> Any:
    """The columns step at different paces, so that values combine in every way."""
    return options[number // pace % len(options)]


def person(number: int) -> Json:
    """Person `number` of the forty, with gaps, odd letters and up to three of everything that is plural."""
    texts = [None, *WORDS]
    elements = [
        {
            "value": pick(WORDS, number + each, 1),
            "type": pick(KINDS, number + each, 2),
            "display": pick(texts, number, 3),
        }
        for each in range(number % 4)
    ]
    manager = {"value": pick(WORDS, number, 2), "displayName": pick(texts, number, 1)}
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": f"{pick(WORDS, number, 1)}-{number:02}",
        "externalId": f"{pick(WORDS, number, 2)}{number}" if number % 5 else None,
        "displayName": pick(texts, number, 3),
        "name": {"givenName": pick(texts, number, 1), "familyName": pick(texts, number, 2),
        "middleName": pick(texts, number, 5)},
        "nickName": pick(texts, number, 4),
        "title": pick(texts, number, 1),
        "locale": pick([None, "en-US", "EN-us", "de"], number, 1),
        "active": number % 3 != 0,
        "emails": [{**each, "value": f"{number}{each['value']}@x", "primary": at == 0} for at,
        each in enumerate(elements)],
        "phoneNumbers": elements,
        "addresses": [{"type": pick(KINDS, number, 1), "locality": pick(texts, number, 2)}] if number % 2 else [],
        "ims": [{"value": pick(WORDS, number, 3), "primary": number % 4 == 1}] if number % 3 else [],
        "entitlements": [{"value": pick(WORDS, number, 2), "primary": number % 5 == 0}],
        "photos": [{"value": pick(LINKS, number, 1), "type": pick(KINDS, number, 2)}] if number % 3 else [],
        "profileUrl": pick([None, *LINKS], number, 1),
        "roles": [{"value": pick(["member", "admin"], number, 3)}],
        ENTERPRISE: {"department": pick(texts, number, 2), "employeeNumber": str(number), "manager": manager},
    }  # fmt: skip


@pytest.fixture
def okta(acme: Company, rival: Company) -> Iterator[Provider]:
    """Forty people as a provider sent them, some local ones, and groups of them."""
    before = digest(rival.workspace)
    provider = Provider({"authorization": bearer(acme)}, "application/scim+json")
    people = [provider.post("/Users", _without_nulls(person(number))).ok(201) for number in range(37)]
    for number in range(0, 37, 4):
        chosen = [{"value": each["id"]} for each in people[number :: 5 + number]]
        body = {"schemas": [GROUP], "displayName": f"{pick(WORDS, number, 1)} {number}", "members": chosen}
        provider.post("/Groups", {**body, "externalId": pick(WORDS, number, 2)}).ok(201)
    teams.add_members(acme.team, [acme.owner.id], actor=TESTS)
    acme.person("local")
    yield provider
    assert digest(rival.workspace) == before


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


# Filters as trees

ORDER, SUBSTRING, EQUALITY = ["gt", "ge", "lt", "le"], ["co", "sw", "ew"], ["eq", "ne"]
OPERATORS = {
    AttributeType.TEXT: EQUALITY + SUBSTRING + ORDER,
    AttributeType.EXACT: EQUALITY + SUBSTRING + ORDER,
    AttributeType.BOOLEAN: EQUALITY,
    AttributeType.MOMENT: EQUALITY + ORDER,
    AttributeType.IDENTIFIER: EQUALITY,
    AttributeType.NUMBER: EQUALITY + ORDER,
}
TEXTS = st.text("aA%_\\é'ß", max_size=3) | st.sampled_from(
    [*WORDS, *KINDS, *LINKS, "", "a", "%", "_", "\\", "work", "true", "@x", "-1", "member", "\0", "admin", "Admin",
     "direct", "User", "user", USER, ENTERPRISE, "urn:", "12 "]
)
LITERALS: dict[AttributeType, st.SearchStrategy[Any]] = {
    AttributeType.TEXT: TEXTS,
    AttributeType.EXACT: TEXTS,
    AttributeType.BOOLEAN: st.sampled_from([True, False, "True", "fALSE"]),
    AttributeType.MOMENT: st.sampled_from(["1999-01-01T00:00:00Z", "2999-01-01T02:00:00+02:00"]),
    AttributeType.IDENTIFIER: st.sampled_from(["00000000-0000-0000-0000-000000000000", "x", ""]) | st.integers(0, 60),
    AttributeType.NUMBER: st.integers(),
}


def path_of(name: str) -> AttributePath:
    [compared] = [parse_filter(f"{name} pr")]
    assert isinstance(compared, Present)
    return compared.path


@st.composite
def comparisons(draw: st.DrawFn, types: dict[str, AttributeType]) -> Node:
    name = draw(st.sampled_from(sorted(types)))
    operator = draw(st.sampled_from([*OPERATORS[types[name]], "pr", "null"]))
    path = path_of(draw(st.sampled_from([name, name.upper(), name.lower()])) if not name.startswith("urn") else name)
    if operator == "pr":
        return Present(path)
    if operator == "null":
        return Comparison(path, draw(st.sampled_from(EQUALITY)), None)
    return Comparison(path, operator, draw(LITERALS[types[name]]))


def combined(leaves: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def compose(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)

    return st.recursive(leaves, compose, max_leaves=5)


def trees(types: dict[str, AttributeType], elements: dict[str, dict[str, AttributeType]]) -> st.SearchStrategy[Node]:
    brackets = [
        st.builds(ValuePath, st.just(AttributePath(name)), combined(comparisons(inner)))
        for name, inner in elements.items()
    ]
    return combined(st.one_of(comparisons(types), *brackets))


def text_of(node: Node) -> str:
    match node:
        case And(terms):
            return "(" + " and ".join(map(text_of, terms)) + ")"
        case Or(terms):
            return "(" + " or ".join(map(text_of, terms)) + ")"
        case Not(term):
            return f"not ({text_of(term)})"
        case ValuePath(path, inner):
            return f"{path}[{text_of(inner)}]"
        case Present(path):
            return f"{path} pr"
        case Comparison(path, operator, value):
            return f"{path} {operator} {json.dumps(value)}"


def selected(okta: Provider, kind: str, node: Node) -> set[str]:
    found = okta.get(f"/{kind}?count=1000&filter={quote(text_of(node))}").ok()
    return {each["id"] for each in found["Resources"]}


def check(okta: Provider, kind: str, documents: list[Json], types: dict[str, AttributeType], node: Node) -> None:
    node = numbered(node, [each["id"] for each in documents])
    lower = {name.lower(): kind for name, kind in types.items()}
    expected = {each["id"] for each in documents if matches(node, each, lower)}
    assert selected(okta, kind, node) == expected


def numbered(node: Node, ids: list[str]) -> Node:
    """Whole numbers in place of ids become the ids of that many documents."""
    match node:
        case And(terms):
            return And(tuple(numbered(term, ids) for term in terms))
        case Or(terms):
            return Or(tuple(numbered(term, ids) for term in terms))
        case Not(term):
            return Not(numbered(term, ids))
        case ValuePath(path, inner):
            return ValuePath(path, numbered(inner, ids))
        case Comparison(path, operator, int() as value) if not isinstance(value, bool):
            return Comparison(path, operator, ids[value % len(ids)])
        case _:
            return node


TYPES = {
    "boolean": AttributeType.BOOLEAN,
    "dateTime": AttributeType.MOMENT,
    "string": AttributeType.TEXT,
    "reference": AttributeType.EXACT,
    "binary": AttributeType.EXACT,
}
COMMON = {
    "id": AttributeType.IDENTIFIER,
    "externalId": AttributeType.EXACT,
    "schemas": AttributeType.EXACT,
    "meta.resourceType": AttributeType.EXACT,
    "meta.created": AttributeType.MOMENT,
    "meta.lastModified": AttributeType.MOMENT,
}
REFERRED = {"groups.value": AttributeType.IDENTIFIER, "members.value": AttributeType.IDENTIFIER}


def published(okta: Provider, *urns: str) -> dict[str, AttributeType]:
    """The type of every attribute, dotted names included, as /Schemas tells the world (RFC 7643 section 7)."""
    types = dict(COMMON)
    for urn in urns:
        prefix = f"{urn}:" if "extension" in urn else ""
        for each in okta.get(f"/Schemas/{urn}").ok()["attributes"]:
            for part in each.get("subAttributes", ()):
                types[f"{prefix}{each['name']}.{part['name']}"] = _type(part)
            if each["type"] != "complex":
                types[f"{prefix}{each['name']}"] = _type(each)
    return {**types, **REFERRED}


def _type(described: Json) -> AttributeType:
    if described["type"] == "string" and described["caseExact"]:
        return AttributeType.EXACT
    return TYPES[described["type"]]


def offered(types: dict[str, AttributeType], attributes: Any) -> dict[str, AttributeType]:
    return {name: types[name] for name in attributes}


def parts(types: dict[str, AttributeType], attributes: Any, names: Any) -> dict[str, dict[str, AttributeType]]:
    """name → the sub-attributes that may stand in its brackets: those that are offered with a dot as well."""
    return {
        name: {each.partition(".")[2]: types[each] for each in attributes if each.startswith(f"{name}.")}
        for name in names
    }


def test_people_are_selected_as_their_documents_say(okta: Provider) -> None:
    documents = okta.get("/Users?count=1000").ok()["Resources"]
    types = published(okta, USER, ENTERPRISE)
    assert len(documents) == 40

    @examples(200)
    @given(trees(offered(types, USER_ATTRIBUTES), parts(types, USER_ATTRIBUTES, USER_ELEMENTS)))
    def rule(node: Node) -> None:
        check(okta, "Users", documents, types, node)

    rule()


def test_teams_are_selected_as_their_documents_say(okta: Provider) -> None:
    documents = okta.get("/Groups?count=1000").ok()["Resources"]
    types = published(okta, GROUP)
    assert len(documents) == 11

    @examples(200)
    @given(trees(offered(types, GROUP_ATTRIBUTES), parts(types, GROUP_ATTRIBUTES, GROUP_ELEMENTS)))
    def rule(node: Node) -> None:
        check(okta, "Groups", documents, types, node)

    rule()


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_present_and_absent_share_everybody(okta: Provider, kind: str) -> None:
    everybody = {each["id"] for each in okta.get(f"/{kind}?count=1000").ok()["Resources"]}
    attributes: Any = USER_ATTRIBUTES if kind == "Users" else GROUP_ATTRIBUTES
    for name in attributes:
        present = parse_filter(f"{name} pr")
        found, missing = selected(okta, kind, present), selected(okta, kind, Not(present))
        assert found | missing == everybody, name
        assert not found & missing, name


def test_a_search_by_post_finds_the_same(okta: Provider) -> None:
    types = published(okta, USER, ENTERPRISE)

    @examples(50)
    @given(trees(offered(types, USER_ATTRIBUTES), parts(types, USER_ATTRIBUTES, USER_ELEMENTS)))
    def rule(node: Node) -> None:
        node = numbered(node, ["x"])
        search = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
        found = okta.post("/Users/.search", {"schemas": [search], "filter": text_of(node), "count": 1000}).ok()
        assert {each["id"] for each in found["Resources"]} == selected(okta, "Users", node)

    rule()


@pytest.mark.parametrize("name", sorted(USER_ELEMENTS))
@pytest.mark.parametrize("form", ["{}.shoeSize eq 4", "{}[shoeSize eq 4]", "{}[not (shoeSize pr)]", "{}[type eq 4]"])
def test_what_no_element_has_is_refused_and_not_taken_for_nobody(okta: Provider, name: str, form: str) -> None:
    okta.get(f"/Users?filter={quote(form.format(name))}").refused(400, "invalidFilter")
