"""Apple's passwordrules: what is read, what is refused and where, and that passwords fit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotation.password_rules import LONGEST, NAMED, SYMBOLS, Rules, parse
from rotation.passwords import Policy, fresh, generate
from workspace.crypto import Secret
from workspace.errors import Invalid

PRINTABLE = "".join(map(chr, range(32, 127)))


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", Rules()),
        (" ; ; ", Rules()),
        ("minlength: 12", Rules(minlength=12)),
        ("MinLength:12;maxlength:20;", Rules(minlength=12, maxlength=20)),
        ("minlength: 8; minlength: 12; maxlength: 30; maxlength: 20", Rules(minlength=12, maxlength=20)),
        ("max-consecutive: 2", Rules(max_consecutive=2)),
        ("required: digit", Rules(required=(NAMED["digit"],), allowed=NAMED["digit"])),
        (
            "required: lower, [-.]; allowed: upper",
            Rules(required=(NAMED["lower"] + "-.",), allowed=NAMED["lower"] + "-." + NAMED["upper"]),
        ),
        ("allowed: [abc]", Rules(allowed="abc")),
        ("allowed: [ab]]", Rules(allowed="ab]")),
        ("allowed: [aab], [b]", Rules(allowed="ab")),
        ("required: special", Rules(required=(SYMBOLS,), allowed=SYMBOLS)),
    ],
)
def test_rules_are_read(text: str, rules: Rules) -> None:
    assert parse(text) == rules


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("length: 8", 1, "“length” is none of"),
        ("minlength 8", 11, "expected “:”"),
        ("minlength: ", 12, "wants a number"),
        ("minlength: 0", 12, "wants a number"),
        ("minlength: 999", 12, "at most 128"),
        ("minlength: 8 maxlength: 9", 14, "expected “;”"),
        ("required: letters", 11, "“letters” is none of"),
        ("required: lower,", 17, "expected a class"),
        ("required: [abc", 11, "never closed"),
        ("required: []", 11, "nothing between"),
        ("allowed: [a-z]", 12, "“-” must come first"),
        ("allowed: [aé]", 12, "printable ASCII"),
        ("maxlength: 8; required: lower; 9", 32, "expected a property"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        parse(text)
    assert f"position {position}:" in refused.value.detail
    assert refused.value.field == "password_rules"


def test_contradicting_lengths_are_refused() -> None:
    with pytest.raises(Invalid, match="greater than maxlength"):
        parse("minlength: 20; maxlength: 8")


@given(st.text(alphabet=PRINTABLE + "\n\té", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert parse(text).minlength >= 1


names = st.sampled_from(["lower", "upper", "digit", "special", "ascii-printable", "[-#.]", "[abcXYZ]"])
classes = st.lists(names, min_size=1, max_size=3).map(", ".join)


@given(
    least=st.integers(6, 20), more=st.integers(0, 40), required=st.lists(classes, max_size=4),
    allowed=st.one_of(st.none(), classes), run=st.integers(1, 4), length=st.integers(8, 128),
)  # fmt: skip
def test_a_password_fits_the_rules(
    least: int, more: int, required: list[str], allowed: str | None, run: int, length: int
) -> None:
    parts = [f"minlength: {least}", f"maxlength: {least + more}", f"max-consecutive: {run}"]
    parts += [f"required: {each}" for each in required] + ([f"allowed: {allowed}"] if allowed else [])
    rules = parse("; ".join(parts))
    policy = Policy(length, ("lower", "upper", "digit"), "", rules)
    text = generate(policy).reveal()
    assert least <= len(text) <= least + more
    assert all(set(text) & set(letters) for letters in rules.required)
    assert rules.allowed is None or set(text) <= set(rules.allowed)
    assert not any(letter * (run + 1) in text for letter in set(text))


def test_rules_take_the_place_of_classes_and_excluded_characters_stay_excluded() -> None:
    policy = Policy(8, ("lower", "upper", "digit"), "0", parse("required: digit; maxlength: 6"))
    texts = {generate(policy).reveal() for _ in range(50)}
    assert all(len(text) == 6 and text.isdigit() and "0" not in text for text in texts)


def test_a_targets_own_rules_hold_whatever_the_account_says() -> None:
    policy = Policy(100, ("lower",), "", parse("minlength: 20"), parse("maxlength: 72; allowed: [abc]"))
    text = generate(policy).reveal()
    assert (len(text), set(text) <= set("abc")) == (72, True)
    with pytest.raises(Invalid, match="as long as"):
        generate(Policy(100, ("lower",), "", parse("minlength: 80"), parse("maxlength: 72")))
    with pytest.raises(Invalid, match="excludes every character"):
        generate(Policy(8, ("digit",), "", Rules(), parse("allowed: [abc]")))


def test_rare_classes_are_given_a_place() -> None:
    policy = Policy(8, (), "", parse("; ".join(f"required: [{letter}]" for letter in "abcdefgh")))
    assert sorted(generate(policy).reveal()) == list("abcdefgh")


def test_a_policy_that_nothing_fits_ends() -> None:
    with pytest.raises(Invalid, match="no password was found"):
        generate(Policy(8, (), "", parse("required: [a]; max-consecutive: 1")))


def test_a_new_password_is_none_of_the_earlier_ones() -> None:
    policy = Policy(8, (), "", parse("allowed: [01]; minlength: 1; maxlength: 1"))
    assert fresh(policy, {Secret("0")}) == Secret("1")
    with pytest.raises(Invalid, match="has not had before"):
        fresh(policy, {Secret("0"), Secret("1")})


def test_no_rule_is_longer_than_a_password_may_be() -> None:
    assert parse("maxlength: 4000").maxlength == LONGEST
