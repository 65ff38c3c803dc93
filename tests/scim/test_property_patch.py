"""Any run of PATCH operations leaves what a plain dict would hold after the same (RFC 7644 section 3.5.2).

The model below knows the few rules of the RFC and nothing of the server: sub-attributes are merged, a plural
attribute is replaced whole, extended, or changed where a filter points, one element at most is primary.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from tests import generators
from tests.companies import Company
from tests.generators import examples
from tests.scim.dialects.http import ENTERPRISE, USER, Json, Provider, bearer
from tests.scim.rows import digest
from workspace.models import TeamMembership

pytestmark = [pytest.mark.django_db, pytest.mark.generated, generators.timeout(900)]

SIMPLE = ["title", "nickName", "userType", "preferredLanguage", "timezone", "displayName"]
NAME_PARTS = ["middleName", "honorificPrefix", "honorificSuffix"]
OF_THE_COMPANY = ["department", "division", "costCenter", "organization"]
PLURALS = ["phoneNumbers", "ims"]
KINDS = ["work", "home", "mobile"]
VERBS = {"add": ["add", "Add", "ADD"], "replace": ["replace", "Replace"], "remove": ["remove", "Remove"]}
TEXTS = st.sampled_from(["a", "B", "c d", "é", 'q"q', "\\", "0", "false", "x" * 60])


@pytest.fixture
def okta(acme: Company, rival: Company) -> Iterator[Provider]:
    before = digest(rival.workspace)
    yield Provider({"authorization": bearer(acme)}, "application/scim+json")
    assert digest(rival.workspace) == before


# The model


class Model:
    """A person as a dict: what was never set, or was taken away, is not in it."""

    def __init__(self, start: Json) -> None:
        self.person = deepcopy(start)

    def apply(self, verb: str, where: tuple[str, ...], value: Any) -> None:
        match where:
            case ("plural", name):
                self._plural(verb, name, value)
            case ("element", name, kind):
                self._element(verb, name, kind, value)
            case ("part", holder, name):
                inner = self.person.setdefault(holder, {})
                _set(inner, name, None if verb == "remove" else value)
                _set(self.person, holder, inner)
            case (name,):
                _set(self.person, name, None if verb == "remove" else value)

    def _plural(self, verb: str, name: str, given: Any) -> None:
        elements = self.person.get(name, [])
        if verb == "replace":
            elements = deepcopy(given)
        elif verb == "remove":
            elements = []
        else:
            for each in deepcopy(given):
                same = next((old for old in elements if _key(old) == _key(each)), None)
                if same is None:
                    elements.append(each)
                else:
                    same.update(each)
                _one_primary(elements, [same or each])
        _set(self.person, name, elements)

    def _element(self, verb: str, name: str, kind: str, value: Any) -> None:
        elements = self.person.get(name, [])
        chosen = [each for each in elements if each["type"] == kind]
        if verb == "remove":
            elements = [each for each in elements if each["type"] != kind]
        else:
            if not chosen:
                chosen = [{"type": kind}]
                elements.extend(chosen)
            for each in chosen:
                each["value"] = value
        _set(self.person, name, elements)


def _key(element: Json) -> tuple[Any, Any]:
    return element["value"], element["type"]


def _set(holder: Json, name: str, value: Any) -> None:
    if value in (None, [], {}):
        holder.pop(name, None)
    else:
        holder[name] = value


def _one_primary(elements: list[Json], winners: list[Json]) -> None:
    for winner in winners:
        for each in elements:
            if winner.get("primary") is True and each is not winner and each.get("primary") is True:
                each["primary"] = False


# Operations: for the model (verb, where, value), for the server JSON


def spelled(draw: st.DrawFn, verb: str, path: str, value: Any) -> Json:
    """The operation in one of the shapes in which providers send it."""
    op = draw(st.sampled_from(VERBS[verb]))
    if verb == "remove":
        return {"op": op, "path": path}
    if draw(st.booleans()):
        return {"op": op, "value": {path: value}}
    prefixed = path if path.startswith("urn:") or not draw(st.booleans()) else f"{USER}:{path}"
    return {"op": op, "path": prefixed, "value": value}


@st.composite
def singles(draw: st.DrawFn) -> tuple[tuple[str, tuple[str, ...], Any], Json]:
    verb, value = draw(st.sampled_from(sorted(VERBS))), draw(TEXTS)
    name = draw(st.sampled_from(SIMPLE))
    return (verb, (name,), value), spelled(draw, verb, draw(st.sampled_from([name, name.upper()])), value)


@st.composite
def parts(draw: st.DrawFn) -> tuple[tuple[str, tuple[str, ...], Any], Json]:
    verb, value = draw(st.sampled_from(sorted(VERBS))), draw(TEXTS)
    holder, names, separator = draw(st.sampled_from([("name", NAME_PARTS, "."), (ENTERPRISE, OF_THE_COMPANY, ":")]))
    name = draw(st.sampled_from(names))
    step = (verb, ("part", holder, name), value)
    if verb != "remove" and draw(st.booleans()):
        return step, {"op": verb, "path": holder, "value": {name: value}}
    return step, spelled(draw, verb, f"{holder}{separator}{name}", value)


@st.composite
def elements(draw: st.DrawFn) -> tuple[tuple[str, tuple[str, ...], Any], Json]:
    name, kind = draw(st.sampled_from(PLURALS)), draw(st.sampled_from(KINDS))
    if draw(st.booleans()):
        verb = draw(st.sampled_from(sorted(VERBS)))
        kinds = draw(st.lists(st.sampled_from(KINDS), unique=True, max_size=3))
        given: list[Json] = [{"value": draw(TEXTS), "type": each} for each in kinds]
        if draw(st.booleans()) and given:
            given[0]["primary"] = True
        if verb == "add" and not given:
            verb = "remove"
        return (verb, ("plural", name), given), spelled(draw, verb, name, given)
    verb, value = draw(st.sampled_from(["add", "remove"])), draw(TEXTS)
    path = f'{name}[type eq "{draw(st.sampled_from([kind, kind.upper()]))}"]'
    # What an add makes of a filter's text has the filter's spelling: keep to the one the model uses.
    path = path.lower().replace(name.lower(), name) if verb == "add" else path
    step = (verb, ("element", name, kind), value)
    return step, spelled(draw, verb, path if verb == "remove" else f"{path}.value", value)


STEPS = st.lists(singles() | parts() | elements(), min_size=1, max_size=6)
FAULTS: list[Json] = [
    {"op": "replace", "path": "shoeSize", "value": 4},
    {"op": "replace", "path": "id", "value": "x"},
    {"op": "boil", "path": "title", "value": "x"},
    {"op": "replace", "path": 'phoneNumbers[type eq "fax"].value', "value": "x"},
    {"op": "replace", "path": "phoneNumbers[type eq", "value": "x"},
    {"op": "replace", "path": "active", "value": "perhaps"},
    {"op": "add", "path": "title"},
    {"op": "remove"},
]


def person(okta: Provider) -> Json:
    body = {
        "schemas": [USER, ENTERPRISE],
        "userName": "model@acme.example",
        "title": "T",
        "name": {"givenName": "M", "familyName": "Odel", "middleName": "X"},
        "phoneNumbers": [{"value": "1", "type": "work", "primary": True}, {"value": "2", "type": "home"}],
        ENTERPRISE: {"department": "D"},
    }
    return okta.post("/Users", body).ok(201)


def modelled(document: Json) -> Json:
    """What the model knows of, without the parts of the name that it leaves alone."""
    kept = {name: deepcopy(document[name]) for name in [*SIMPLE, *PLURALS, ENTERPRISE] if name in document}
    name = {part: text for part, text in document["name"].items() if part in NAME_PARTS}
    return {**kept, **({"name": name} if name else {})}


def test_operations_end_where_the_model_ends(okta: Provider) -> None:
    made = person(okta)

    @examples(200)
    @given(STEPS)
    def rule(steps: list[Any]) -> None:
        model = Model(modelled(made))
        for step, _ in steps:
            model.apply(*step)
        with transaction.atomic():
            answer = okta.patch(f"/Users/{made['id']}", *[operation for _, operation in steps]).ok()
            read = okta.get(f"/Users/{made['id']}").ok()
            transaction.set_rollback(True)
        assert modelled(answer) == model.person
        assert read == answer
        assert (answer["id"], answer["userName"], answer["active"]) == (made["id"], made["userName"], True)

    rule()


def test_one_request_or_several_end_alike(okta: Provider) -> None:
    made = person(okta)
    path = f"/Users/{made['id']}"

    @examples(60)
    @given(STEPS)
    def rule(steps: list[Any]) -> None:
        ends = []
        for requests in ([[each for _, each in steps]], [[each] for _, each in steps]):
            with transaction.atomic():
                for operations in requests:
                    okta.patch(path, *operations).ok()
                ends.append(modelled(okta.get(path).ok()))
                transaction.set_rollback(True)
        assert ends[0] == ends[1]

    rule()


def test_one_fault_anywhere_undoes_all(okta: Provider) -> None:
    made = person(okta)
    before = okta.get(f"/Users/{made['id']}").ok()

    @examples(100)
    @given(STEPS, st.sampled_from(FAULTS), st.integers(0, 6))
    def rule(steps: list[Any], fault: Json, place: int) -> None:
        operations = [each for _, each in steps]
        operations.insert(place, fault)
        answer = okta.patch(f"/Users/{made['id']}", *operations)
        assert answer.status == 400, (answer.status, answer.body)
        assert answer.body["detail"]
        assert okta.get(f"/Users/{made['id']}").ok() == before

    rule()


def test_a_put_of_what_was_read_changes_nothing(okta: Provider) -> None:
    made = person(okta)

    @examples(60)
    @given(STEPS)
    def rule(steps: list[Any]) -> None:
        with transaction.atomic():
            okta.patch(f"/Users/{made['id']}", *[each for _, each in steps]).ok()
            read = okta.get(f"/Users/{made['id']}").ok()
            again = okta.put(f"/Users/{made['id']}", read).ok()
            transaction.set_rollback(True)
        assert {**again, "meta": None} == {**read, "meta": None}

    rule()


# Members


CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "filtered", "replace", "clear", "keyed"]), st.sets(st.integers(0, 5))),
    min_size=1,
    max_size=8,
)


def membership(kind: str, ids: list[str]) -> list[Json]:
    """The operations in which Okta and Entra send a change of members."""
    listed = [{"value": each} for each in ids]
    match kind:
        case "filtered":
            return [{"op": "remove", "path": f'members[value eq "{each}"]'} for each in ids]
        case "clear":
            return [{"op": "remove", "path": "members"}]
        case "keyed":
            return [{"op": "replace", "value": {"members": listed}}]
        case _:
            return [{"op": kind, "path": "members", "value": listed}]


def test_members_end_as_the_set_ends(okta: Provider, acme: Company) -> None:
    crowd = [str(acme.person(f"m{number}").id) for number in range(6)]
    start = {str(acme.member.id)}

    @examples(200)
    @given(CHANGES)
    def rule(changes: list[tuple[str, set[int]]]) -> None:
        expected, operations = set(start), []
        for kind, numbers in changes:
            ids = {crowd[number] for number in numbers}
            operations += membership(kind, sorted(ids))
            match kind:
                case "add":
                    expected |= ids
                case "remove" | "filtered":
                    expected -= ids
                case "replace" | "keyed":
                    expected = ids
                case "clear":
                    expected = set()
        if not operations:
            return
        with transaction.atomic():
            okta.patch(f"/Groups/{acme.team.id}", *operations).ok(200, 204)
            live = TeamMembership.objects.filter(team=acme.team, left_at=None)
            found = {str(each) for each in live.values_list("user_id", flat=True)}
            transaction.set_rollback(True)
        assert found == expected

    rule()
