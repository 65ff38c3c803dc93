"""Ids as texts: what is taken for a UUID, and what is not."""

from uuid import UUID

import pytest

from workspace.identifiers import parse_uuid

ID = "0190a6b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


@pytest.mark.parametrize("text", [ID, ID.upper(), ID.replace("-", "")])
def test_a_uuid_is_read_in_any_letter_case_with_hyphens_or_without(text: str) -> None:
    assert parse_uuid(text) == UUID(ID)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ID[:-1],
        f"{ID}0",
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID}\n",
        ID.replace("0", "٠"),
        "x" * 36,
        None,
        7,
        True,
        [ID],
        b"\x00" * 16,
    ],
)
def test_anything_else_is_none(value: object) -> None:
    assert parse_uuid(value) is None
