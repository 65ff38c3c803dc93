"""Bodies that are refused before anybody looks for the person: who leaves by JSON is out, other bodies say nothing."""

import json
from typing import Any, Final

import pytest

from tests.companies import Company
from tests.scim.dialects.http import Provider
from tests.scim.leaving import OFF, ended, has_access, patch_op, put_body, send_raw

pytestmark = pytest.mark.django_db


DEEP: Final = b"[" * 50_000 + b"]" * 50_000
JSON_BODIES: Final = [
    b'{"active": false, "x": ' + b"9" * 5000 + b"}",
    b'{"active": false, "x": -1e999}',
    b'{"active": false, "x": ' + DEEP + b"}",
    b'{"x": {"a": ' * 30_000 + b"1" + b"}}" * 30_000 + b"",
    b'{"active": false, "x": "\\u0000"}',
    b'{"active": false, "x": "\\ud800"}',
    b'{"active": false, "x": 1, "X": 2}',
    b'{"active": false, "Active": false}',
    b'\xef\xbb\xbf{"active": false, "userName": 5}',
    b'{"active": false, "x": NaN}',
    b'{"active": false, "x": [Infinity, -Infinity]}',
    b'{"active": false, "displayName": "Zo\xeb"}',
    b'{"active": false, "\xff\xfe": "\xc3"}',
    b'{"active": false, "x": "\x00"}',
    b'{"active": false, "title": "a\nb\tc"}',
]


@pytest.mark.parametrize("body", JSON_BODIES, ids=lambda body: body[:40].decode("latin-1"))
def test_what_cannot_be_kept_is_still_json(okta: Provider, acme: Company, path: str, body: bytes) -> None:
    if b"active" not in body:
        body = b'{"active": false, "y": ' + body + b"}"
    answer = send_raw(okta, "PUT", path, body)
    assert (answer.status, ended(answer), has_access(acme)) == (400, True, False)


@pytest.mark.parametrize("body", JSON_BODIES, ids=lambda body: body[:40].decode("latin-1"))
def test_a_patch_with_it_too(okta: Provider, acme: Company, path: str, body: bytes) -> None:
    operations = b'{"Operations": [{"op": "replace", "path": "active", "value": "False"}], "x": '
    answer = send_raw(okta, "PATCH", path, operations + body.removeprefix(b"\xef\xbb\xbf") + b"}")
    assert answer.status == 400 or answer.body["active"] is False
    assert not has_access(acme)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"active": false', b'{"active": NaN}', b'{"active": -Infinity}', b'{"active": false,}',
        b'{"active": false} x', b'{"active": fals\xe9}', b'{"active": "fals\xe9"}', b'{"active": false, "x": nan}',
        '{"active": false}'.encode("utf-16-le"), b'{"active": false, \xa0"x": 1}',
        '{"active": false}'.encode("utf-16"), b"active=false", b'{"active": false, "x": ' + b"[" * 50_000 + b"}",
        b'{"active": false, "x": ' + b"[" * 5000 + b"nonsense" + b"]" * 5000 + b"}",
        b'{"active": false, "x": ' + b"[" * 5000 + b"}" * 5000 + b"}", b"]" * 300, b'["\\' * 200_000,
        b'{"active": false, "x": 01}',
        b"{'active': false}", b"false", b'"active"', b'{"active": false, "active": true}',
        b'{"active": false, "Active": "true", "userName": ""}', b'{"active": 1' + b"0" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_json_or_says_two_things_ends_nothing(okta: Provider, acme: Company, path: str, body: bytes) -> None:
    for method in ("PUT", "PATCH"):
        answer = send_raw(okta, method, path, body)
        assert (answer.status, ended(answer)) == (400, False), answer.body
    assert has_access(acme)


@pytest.mark.parametrize("headers", [{"content_type": "text/html"}, {"content_encoding": "br"}])
def test_a_header_that_is_wrong_does_not_keep_a_leaver(
    okta: Provider, acme: Company, path: str, headers: dict[str, str]
) -> None:
    answer = send_raw(okta, "PATCH", path, json.dumps(patch_op(OFF)).encode(), **headers)
    assert (answer.status, ended(answer), has_access(acme)) == (415, True, False)


def test_what_is_too_large_was_not_read(okta: Provider, acme: Company, path: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = okta.put(path, put_body(acme, title="x" * 2000))
    assert (answer.status, ended(answer), has_access(acme)) == (413, False, True)
