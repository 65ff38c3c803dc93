"""Passwords fit their policy, always."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotation.passwords import ALPHABETS, Policy, generate
from workspace.crypto import Secret
from workspace.errors import Invalid

CLASSES = list(ALPHABETS)


@given(
    length=st.integers(8, 128),
    classes=st.lists(st.sampled_from(CLASSES), min_size=1, unique=True).map(tuple),
    excluded=st.text(alphabet="aeiou0O1lI!#", max_size=8),
)
def test_a_password_fits_its_policy(length: int, classes: tuple[str, ...], excluded: str) -> None:
    policy = Policy(length, classes, excluded)
    text = generate(policy).reveal()
    assert len(text) == length
    assert not set(text) & set(excluded)
    for name in CLASSES:
        assert bool(set(text) & set(ALPHABETS[name])) is (name in classes)


@pytest.mark.parametrize(
    "policy", [Policy(8, ()), Policy(8, ("digit",), "0123456789"), Policy(2, ("lower", "upper", "digit"))]
)
def test_a_policy_that_nothing_fits_is_refused(policy: Policy) -> None:
    with pytest.raises(Invalid):
        generate(policy)


def test_two_passwords_differ() -> None:
    assert len({generate(Policy(16, ("lower",))).reveal() for _ in range(50)}) == 50


def test_accepts_is_strict() -> None:
    policy = Policy(8, ("lower", "digit"), "z")
    assert policy.accepts(Secret("abcdefg1"))
    assert not any(policy.accepts(Secret(text)) for text in ("abcdefgh", "abcdefg12", "abcdefz1", "ABCDEFG1"))
