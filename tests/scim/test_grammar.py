"""Filters and paths as text: what they parse to and what is refused (RFC 7644 sections 3.4.2.2, 3.5.2)."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim.errors import InvalidFilter, InvalidPath, ScimError
from scim.grammar import (
    MAX_DEPTH,
    MAX_LENGTH,
    OPERATORS,
    And,
    AttributePath,
    Comparison,
    Node,
    Not,
    Or,
    ParsedPath,
    Present,
    ValuePath,
    parse_filter,
    parse_path,
)

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def eq(name: str, value: str | bool | float | None) -> Comparison:
    return Comparison(AttributePath(name), "eq", value)


A, B, C = (Present(AttributePath(name)) for name in "abc")


def test_oktas_match_is_one_comparison() -> None:
    assert parse_filter('userName eq "a@b.c"') == eq("userName", "a@b.c")


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_stand_in_any_letter_case(operator: str) -> None:
    assert parse_filter(f'a {operator.title()} "x"') == Comparison(AttributePath("a"), operator, "x")
    assert parse_filter(f'a {operator.upper()} "x"') == Comparison(AttributePath("a"), operator, "x")


def test_presence_and_logic_stand_in_any_letter_case() -> None:
    assert parse_filter("a PR And b Pr OR NOT(c pR)") == Or((And((A, B)), Not(C)))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a pr or b pr and c pr", Or((A, And((B, C))))),
        ("a pr and b pr or c pr", Or((And((A, B)), C))),
        ("(a pr or b pr) and c pr", And((Or((A, B)), C))),
        ("a pr and (b pr or c pr)", And((A, Or((B, C))))),
        ("not (a pr) and b pr", And((Not(A), B))),
        ("not (a pr and b pr)", Not(And((A, B)))),
        ("a pr or b pr or c pr", Or((A, B, C))),
        ("((a pr))", A),
        ("not (not (a pr))", Not(Not(A))),
    ],
)
def test_not_binds_tighter_than_and_and_tighter_than_or(text: str, tree: Node) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('"x"', "x"),
        ('""', ""),
        (r'"a\"b\\c\/d\b\f\n\r\t"', 'a"b\\c/d\b\f\n\r\t'),
        (r'"\u00e9\ud83d\ude00"', "é😀"),
        (r'"\u0000"', "\0"),
        ('"and or ) ] not ("', "and or ) ] not ("),
        ("0", 0),
        ("-12", -12),
        ("3.25", 3.25),
        ("-1.5e+3", -1500.0),
        ("2E-2", 0.02),
        ("true", True),
        ("FALSE", False),
        ("null", None),
    ],
)
def test_literals_are_those_of_json(literal: str, value: str | float | None) -> None:
    node = parse_filter(f"a eq {literal}")
    assert isinstance(node, Comparison)
    assert (node.value, type(node.value)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [
        ("userName", AttributePath("userName"), "username"),
        ("name.familyName", AttributePath("name", "familyName"), "name.familyname"),
        (f"{USER}:userName", AttributePath("userName", urn=USER), "username"),
        (
            f"{USER.upper()}:name.givenName",
            AttributePath("name", "givenName", USER.upper()),
            "name.givenname",
        ),
        (
            f"{ENTERPRISE}:manager.value",
            AttributePath("manager", "value", ENTERPRISE),
            f"{ENTERPRISE}:manager.value".lower(),
        ),
        ("members.$ref", AttributePath("members", "$ref"), "members.$ref"),
        ("a_b-c1", AttributePath("a_b-c1"), "a_b-c1"),
    ],
)
def test_names_may_be_dotted_and_qualified_by_a_urn(text: str, path: AttributePath, key: str) -> None:
    assert parse_filter(f"{text} pr") == Present(path)
    assert parse_path(text) == ParsedPath(path)
    assert path.key == key
    assert str(path) == text


def test_words_of_the_grammar_are_names_where_a_name_stands() -> None:
    assert parse_filter('not eq "x" and and pr or or pr') == Or(
        (And((eq("not", "x"), Present(AttributePath("and")))), Present(AttributePath("or")))
    )


def test_a_value_path_holds_a_filter_of_its_own() -> None:
    inner = And((eq("type", "work"), Comparison(AttributePath("value"), "co", "x")))
    assert parse_filter('emails[type eq "work" and value co "x"] or a pr') == Or(
        (ValuePath(AttributePath("emails"), inner), A)
    )


def test_entras_sub_attribute_behind_the_bracket_belongs_to_the_same_element() -> None:
    assert parse_filter('emails[type eq "work"].value eq "x"') == ValuePath(
        AttributePath("emails"), And((eq("type", "work"), eq("value", "x")))
    )


def test_a_patch_path_takes_a_filter_and_a_sub_attribute() -> None:
    assert parse_path('members[value eq "1"].display') == ParsedPath(
        AttributePath("members", "display"), eq("value", "1")
    )
    assert parse_path(f'{USER}:emails[type eq "work"]') == ParsedPath(
        AttributePath("emails", urn=USER), eq("type", "work")
    )


def test_five_hundred_terms_in_a_row_are_no_depth() -> None:
    node = parse_filter(" or ".join(['a eq "x"'] * 500))
    assert isinstance(node, Or)
    assert len(node.terms) == 500


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "userName",
        "userName eq",
        "userName like 1",
        "userName eq x",
        "userName eq 'x'",
        'userName eq "x',
        r'userName eq "\x"',
        'userName eq "a\tb"',
        'userName eq "x" garbage',
        'userName eq "x")',
        '(userName eq "x"',
        'emails[type eq "work"',
        'emails[type eq "work")',
        "emails[]",
        "()",
        "not a pr",
        "a pr and",
        "or a pr",
        "a pr b pr",
        '"a" eq "a"',
        "1a pr",
        "a.b.c pr",
        "a. pr",
        ".a pr",
        "é pr",
        "urn:x pr and",
        "a[b[c pr]]",
        "a.b[c pr]",
        "a[b pr].",
        "a[b pr].c",
        "a eq 01",
        "a eq 1.",
        "a eq .5",
        "a eq +1",
        "a eq 1e999",
        f"a eq {'9' * 5000}",
        "a eq NaN",
    ],
)
def test_what_is_no_filter_is_an_invalid_filter(text: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse_filter(text)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidFilter")
    assert caught.value.detail


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", InvalidPath),
        ("a b", InvalidPath),
        ("a.b.c", InvalidPath),
        ("a[", InvalidFilter),
        ("a[b eq]", InvalidFilter),
        ("a[b[c pr]]", InvalidFilter),
        ("a[b pr]c", InvalidPath),
        ("a[b pr].c.d", InvalidPath),
        ("a[b pr].c d", InvalidPath),
        ("a.b[c pr]", InvalidPath),
        ('a["', InvalidPath),
        ("[a pr]", InvalidPath),
    ],
)
def test_a_malformed_path_says_whether_path_or_filter_is_wrong(text: str, error: type[ScimError]) -> None:
    with pytest.raises(error):
        parse_path(text)


def test_length_and_depth_are_bounded_and_the_answer_names_the_limit() -> None:
    with pytest.raises(InvalidFilter, match="8,192"):
        parse_filter("a" * (MAX_LENGTH + 1))
    with pytest.raises(InvalidPath, match="8,192"):
        parse_path("a" * (MAX_LENGTH + 1))
    deep = MAX_DEPTH + 1
    for text in ("(" * deep + "a pr" + ")" * deep, "not (" * deep + "a pr" + ")" * deep, "(" * MAX_LENGTH):
        with pytest.raises(InvalidFilter, match="50 levels"):
            parse_filter(text)
    assert parse_filter("(" * MAX_DEPTH + "a pr" + ")" * MAX_DEPTH) == A


def test_groups_beside_each_other_are_no_depth() -> None:
    node = parse_filter(" and ".join(["(not (a pr))", "b[c pr]"] * MAX_DEPTH))
    assert isinstance(node, And)
    assert len(node.terms) == 2 * MAX_DEPTH


def test_an_error_never_repeats_a_value() -> None:
    for text in ('a eq "hunter2" "hunter2"', '"hunter2" eq 1', 'a "hunter2"'):
        with pytest.raises(InvalidFilter) as caught:
            parse_filter(text)
        assert "hunter2" not in caught.value.detail


# Trees, printed and parsed again

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name.lower() != "not")
URNS = st.sampled_from([None, USER, ENTERPRISE, "urn:okta:acme_1:1.0:user:custom"])
PATHS = st.builds(AttributePath, NAMES, st.none() | NAMES, URNS)
LITERALS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
LEAVES = st.builds(Present, PATHS) | st.builds(Comparison, PATHS, st.sampled_from(OPERATORS), LITERALS)


def trees(leaves: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.recursive(leaves, composed, max_leaves=12)


def composed(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)


VALUE_PATHS = st.builds(ValuePath, st.builds(AttributePath, NAMES, st.none(), URNS), trees(LEAVES))
FILTERS = trees(LEAVES | VALUE_PATHS)


def printed(node: Node) -> str:
    match node:
        case Present(path):
            return f"{path} pr"
        case Comparison(path, operator, value):
            return f"{path} {operator} {json.dumps(value)}"
        case Not(term):
            return f"not ({printed(term)})"
        case ValuePath(path, inner):
            return f"{path}[{printed(inner)}]"
        case And(terms):
            return " and ".join(f"({printed(t)})" if isinstance(t, And | Or) else printed(t) for t in terms)
        case Or(terms):
            return " or ".join(f"({printed(t)})" if isinstance(t, Or) else printed(t) for t in terms)


@given(FILTERS)
def test_a_printed_tree_parses_to_itself(tree: Node) -> None:
    text = printed(tree)
    if len(text) <= MAX_LENGTH:
        assert parse_filter(text) == tree


WORDS = f'a emails .value urn: {USER} eq PR and or not ( ) [ ] "x" " 1 - 1e5 true null é $ref : .'.split()
TOKENS = st.sampled_from([*WORDS, "\\", " ", "\n", "\0", "\ud800"])


def answer(text: str, parse: Callable[[str], Node | ParsedPath]) -> Node | ParsedPath | ScimError:
    try:
        return parse(text)
    except ScimError as error:
        return error


@given(st.text(max_size=60) | st.lists(TOKENS, max_size=25).map(" ".join) | st.lists(TOKENS).map("".join))
def test_any_text_parses_or_is_a_scim_error(text: str) -> None:
    for found in (answer(text, parse_filter), answer(text, parse_path)):
        if isinstance(found, ScimError):
            assert found.status == 400
            assert json.dumps(found.to_dict(), ensure_ascii=False).encode()
