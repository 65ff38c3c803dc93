"""Requests that hypothesis makes up for everything under /scim/v2/: sensible, twisted and nonsensical.

They are written before any row exists, so ids stand in them as names in «angle quotes», filled in when sent.
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
MESSAGES: Final = "urn:ietf:params:scim:api:messages:2.0"

OWN: Final = ["«person»", "«leaver»", "«team»"]
FOREIGN: Final = ["«foreign person»", "«foreign leaver»", "«foreign team»", "«foreign token»", "«foreign account»"]
IDS: Final = [*OWN, *FOREIGN]


@dataclass(frozen=True)
class Request:
    """`target` is path and query as they stand on the request line, after /scim/v2."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def filled(self, ids: dict[str, str]) -> "Request":
        """With real ids for the names of `ids`."""
        target, body = self.target, self.body
        for name, identifier in ids.items():
            for spelled in (name, quote(name)):
                target = target.replace(spelled, identifier)
            for spelled in (name, json.dumps(name)[1:-1]):
                body = body.replace(spelled.encode(), identifier.encode())
        return Request(self.method, target, self.headers, body)


# Values

NASTY: Final[list[Any]] = [
    None, True, False, 0, -1, 2**31, 2**63, 10**400, -(10**400), 1.5, 1e308, "", " ", "\x00", "\ud800", "\u202e",
    "'; DROP TABLE workspace_user; --", "%", "_", "\\", '"', "a" * 5000, "é" * 300, "🜚", "true", "False", "null",
    [], {}, [[]], [None], [{}], {"value": None}, {"value": []}, {"value": {"value": "x"}}, [1, "a", {}], {"": ""},
    {"$ref": "javascript:1"}, {"__proto__": {}}, "1999-01-01T00:00:00Z", "9999-99-99T99:99:99Z", "urn:x:y",
    {USER: {}}, {ENTERPRISE: []}, "bulkId:1", "W/\"1\"",
]  # fmt: skip
TEXTS: Final = st.text(max_size=20) | st.sampled_from([each for each in NASTY if isinstance(each, str)])
SCALARS: Final = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.sampled_from(IDS)
JSON: Final = st.recursive(
    SCALARS | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)

ATTRIBUTES: Final = [
    "id", "externalId", "userName", "displayName", "name", "name.givenName", "name.familyName", "name.formatted",
    "active", "emails", "emails.value", "emails.type", "emails.primary", "phoneNumbers", "phoneNumbers.value",
    "addresses", "addresses.locality", "roles", "roles.value", "groups", "groups.value", "members", "members.value",
    "meta", "schemas", "meta.created", "meta.lastModified", "meta.version", "title", "nickName", "locale", "password",
    "entitlements", "photos", "x509Certificates", "ims.value", ENTERPRISE, f"{ENTERPRISE}:department",
    f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.value", f"{USER}:userName", f"{GROUP}:displayName",
    "urn:acme:1.0:User:shirt", "urn:acme:1.0:User", "USERNAME", "shoeSize", "", ".", "a.b.c", "$ref", "name.$ref",
]  # fmt: skip
LITERALS: Final = (
    st.sampled_from(["true", "False", "null", "1", "-0.5e7", "1e999", "12345678901234567890", '"', '"\\ud800"', "x"])
    | st.sampled_from([*IDS, "ada", "%", "2026-05-13T04:42:34Z", "work"]).map(json.dumps)
    | TEXTS.map(json.dumps)
)
OPERATORS: Final = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "xx", ""]


def _comparison(names: list[str]) -> st.SearchStrategy[str]:
    name = st.sampled_from(names)
    compared = st.tuples(name, st.sampled_from(OPERATORS[:10]), LITERALS).map(" ".join)
    return compared | name.map("{} pr".format) | st.tuples(name, st.sampled_from(OPERATORS), LITERALS).map(" ".join)


PARTS: Final = ["value", "type", "primary", "display", "$ref", "locality", "shoe"]
_FILTERS: Final = st.recursive(
    _comparison(ATTRIBUTES) | st.tuples(st.sampled_from(ATTRIBUTES), _comparison(PARTS)).map("{0[0]}[{0[1]}]".format),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or", "AND"]), inner).map(" ".join)
        | inner.map("({})".format)
        | inner.map("not ({})".format)
    ),
    max_leaves=5,
)
FILTERS: Final = _FILTERS | st.sampled_from(["(" * 200, "not " * 50, "userName eq " * 30, '"', "[", "a[b[c]]"]) | TEXTS
PATHS: Final = (
    st.sampled_from(ATTRIBUTES)
    | st.tuples(st.sampled_from(ATTRIBUTES), _comparison(PARTS)).map("{0[0]}[{0[1]}]".format)
    | st.tuples(st.sampled_from(ATTRIBUTES), _comparison(PARTS), st.sampled_from(PARTS)).map(
        "{0[0]}[{0[1]}].{0[2]}".format
    )
    | st.sampled_from(FOREIGN).map('members[value eq "{}"]'.format)
    | TEXTS
)

# Bodies

_ADA: Final[dict[str, Any]] = {
    "schemas": [USER, ENTERPRISE],
    "userName": "ada@acme.example",
    "name": {"givenName": "Ada", "familyName": "Byron", "formatted": "Ada Byron"},
    "displayName": "Ada",
    "emails": [{"value": "ada@acme.example", "type": "work", "primary": True}],
    "phoneNumbers": [{"value": "1", "type": "work"}, {"value": "2", "type": "home"}],
    "addresses": [{"type": "work", "locality": "London", "country": "GB"}],
    "roles": [{"value": "member"}],
    "groups": [{"value": "«foreign team»"}],
    "externalId": "00u1",
    "active": True,
    "password": "x",
    ENTERPRISE: {"department": "Engines", "manager": {"value": "«foreign person»"}},
    "urn:acme:1.0:User": {"shirt": "M"},
}
_CREW: Final[dict[str, Any]] = {
    "schemas": [GROUP],
    "displayName": "Crew",
    "externalId": "00g1",
    "members": [{"value": "«person»", "display": "x"}, {"value": "«foreign person»", "type": "User"}],
}


def _object(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=parts)


VALUES: Final = (
    st.sampled_from([_ADA, _CREW, "x", True, "False", [{"value": "«person»"}], [{"value": "«foreign person»"}]]) | JSON
)
_SENSIBLE: Final[list[dict[str, Any]]] = [
    {"op": "replace", "value": {"active": False}},
    {"op": "Replace", "path": "active", "value": "True"},
    {"op": "add", "path": "emails", "value": [{"value": "b@acme.example", "type": "home"}]},
    {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "3"},
    {"op": "replace", "path": "name.familyName", "value": "King"},
    {"op": "add", "path": f"{ENTERPRISE}:manager", "value": "«foreign person»"},
    {"op": "remove", "path": 'addresses[type eq "work"]'},
    {"op": "replace", "value": {"displayName": "New", "members": [{"value": "«person»"}]}},
    {"op": "add", "path": "members", "value": [{"value": "«person»"}, {"value": "«foreign person»"}]},
    {"op": "remove", "path": 'members[value eq "«person»"]'},
    {"op": "Remove", "path": "members", "value": [{"value": "«foreign person»"}]},
]
OPERATIONS: Final = st.sampled_from(_SENSIBLE) | _object(
    op=st.sampled_from(["add", "Replace", "remove", "REMOVE", "add", "replace"]) | JSON,
    path=PATHS | JSON,
    value=VALUES | st.dictionaries(PATHS, VALUES, max_size=3),
)
PATCHES: Final = st.builds(
    lambda operations, name: {"schemas": [f"{MESSAGES}:PatchOp"], name: operations},
    st.lists(OPERATIONS, min_size=1, max_size=4) | JSON,
    st.sampled_from(["Operations", "operations"]),
)
SEARCHES: Final = _object(
    filter=FILTERS | JSON, sortBy=PATHS | JSON, sortOrder=st.sampled_from(["ascending", "DESCENDING", "x"]) | JSON,
    startIndex=st.integers() | JSON, count=st.integers() | JSON, cursor=TEXTS | JSON,
    attributes=st.lists(PATHS) | JSON, excludedAttributes=st.lists(PATHS) | JSON,
).map(lambda body: {"schemas": [f"{MESSAGES}:SearchRequest"], **body})  # fmt: skip
_BULK_PATHS: Final = [
    "/Users", "/Groups", *[f"/Users/{each}" for each in IDS], *[f"/Groups/{each}" for each in IDS],
    "/Users/bulkId:a", "/Groups/bulkId:b", "/Nothing", "Users", "/Users/../Groups", "/Bulk",
]  # fmt: skip
_BULK_OPERATIONS: Final = _object(
    method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "post", "GET"]) | JSON,
    path=st.sampled_from(_BULK_PATHS) | JSON,
    bulkId=st.sampled_from(["a", "b", "c", ""]) | JSON,
    version=st.sampled_from(['W/"1"', "*"]) | JSON,
    data=st.sampled_from([_ADA, _CREW, {**_CREW, "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}]}])
    | PATCHES | JSON,
)  # fmt: skip
BULKS: Final = st.builds(
    lambda operations, limit: {
        "schemas": [f"{MESSAGES}:BulkRequest"],
        "failOnErrors": limit,
        "Operations": operations,
    },
    st.lists(_BULK_OPERATIONS, max_size=4) | JSON,
    st.sampled_from([0, 1, 2]) | JSON,
)


@st.composite
def twisted(draw: st.DrawFn, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """One of the documents with some members replaced, renamed or gone."""
    document = dict(draw(st.sampled_from(documents)))
    for name in draw(st.lists(st.sampled_from(sorted(document)), max_size=2, unique=True)):
        value = document.pop(name)
        match draw(st.integers(0, 3)):
            case 0:
                document[name] = draw(JSON)
            case 1:
                document[name.upper()] = value
            case 2:
                document[name] = [value, draw(JSON)]
    if draw(st.booleans()):
        document[draw(st.sampled_from(ATTRIBUTES) | TEXTS)] = draw(VALUES)
    return document


@st.composite
def encoded(draw: st.DrawFn, documents: st.SearchStrategy[Any]) -> bytes:
    """JSON in UTF-8; half of a surrogate pair is escaped, since it has no bytes."""
    return json.dumps(draw(documents), ensure_ascii=draw(st.booleans())).encode("utf-8", "backslashreplace")


BROKEN: Final = st.binary(max_size=40) | st.sampled_from(
    [
        b"", b"{", b"}", b"[]", b"null", b"1", b'"x"', b"{}", b"[" * 100_000, b'{"a":' * 50_000, b'{"a":1,"a":2}',
        b"NaN",
        b'{"userName":NaN}', b'{"count":1' + b"0" * 5000 + b"}", b'{"userName":1e999}', b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"userName":"\xff"}', b'{"userName":"\\ud800"}', b'{"userName":"\\u0000@x"}', b"userName=x&active=true",
        "{}".encode("utf-16"), b'{"schemas":["' + USER.encode() + b'"],"userName":"a","active":' + b"9" * 400 + b"}",
    ]
)  # fmt: skip

# Addresses and headers

SEGMENTS: Final = st.sampled_from(
    [*IDS, "00000000-0000-0000-0000-000000000000", "x", ".search", "1", "%00", "%ff", "%2e%2e", "..", "%E2%82%AC",
     "a" * 3000, "Users", "'", "%22", "{}", "«person»%20", "Schemas"]
)  # fmt: skip
ENDPOINTS: Final = st.sampled_from(
    ["/Users", "/Groups", "/Users", "/Groups", "/Roles", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig",
     "/Bulk", "/.search", "/Users/.search", "/Groups/.search", "/Me", "/", "/users", "/Nothing", "//Users"]
)  # fmt: skip
ADDRESSES: Final = st.one_of(
    ENDPOINTS,
    st.tuples(st.sampled_from(["/Users/", "/Groups/", "/Roles/"]), st.sampled_from(IDS)).map("".join),
    st.tuples(ENDPOINTS, st.lists(SEGMENTS, max_size=3)).map(lambda parts: "/".join([parts[0], *parts[1]])),
    st.sampled_from(["/Schemas/" + USER, "/ResourceTypes/User", "/Users/", "/Groups//"]),
)
NUMBERS: Final = st.sampled_from(
    ["1", "0", "-1", "2", "1e3", "", " 1", "٣", "9" * 30, "9" * 5000, "0x10", "1_000", "null", "1.5"]
)
PARAMETERS: Final = st.one_of(
    st.tuples(st.just("filter"), FILTERS),
    st.tuples(st.sampled_from(["startIndex", "count", "STARTINDEX"]), NUMBERS),
    st.tuples(st.just("sortBy"), PATHS),
    st.tuples(st.just("sortOrder"), st.sampled_from(["ascending", "descending", "Descending", "up", ""])),
    st.tuples(st.sampled_from(["attributes", "excludedAttributes"]), st.lists(PATHS, max_size=3).map(",".join)),
    st.tuples(st.just("cursor"), st.sampled_from(["", "x", "WyIxIl0:1:1", "a:b:c"]) | TEXTS),
    st.tuples(TEXTS, TEXTS),
)
HEADERS: Final = st.dictionaries(
    st.sampled_from(
        ["if-match", "if-none-match", "accept", "x-request-id", "x-forwarded-for", "x-http-method-override",
         "accept-encoding", "prefer", "range", "content-encoding"]
    ),
    st.sampled_from(
        ["", "*", 'W/"1"', '"1", W/"2"', "W/", "gzip", "text/html", "application/scim+json", "1.2.3.4", "DELETE",
         "x" * 9000, "\xff\xfe", "a,b,,c", "bytes=0-1", "x\ty", "::1", "1.2.3.4, 5.6.7.8, not-an-address"]
    ),
    max_size=2,
)  # fmt: skip
CONTENT_TYPES: Final = st.sampled_from(
    ["application/scim+json", "application/json", "application/scim+json; charset=utf-8", "APPLICATION/JSON;charset=x"]
)
ODD_CONTENT_TYPES: Final = st.sampled_from(
    ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
     "application/json; charset=utf-16", "application/json; charset=none-such", ";", "x" * 300, "application/*+json"]
)  # fmt: skip


@st.composite
def targets(draw: st.DrawFn, addresses: st.SearchStrategy[str] = ADDRESSES) -> str:
    """A path with a query, percent-encoded as a client does it, or wrongly."""
    pairs = draw(st.lists(PARAMETERS, max_size=2))
    query = "&".join("=".join(quote(part, errors="replace") for part in pair) for pair in pairs)
    if not pairs:
        query = draw(st.sampled_from(["", "", "", "%", "%zz=%", "&&&", "=", "filter", "filter=%ff", "a=1;b=2"]))
    path = draw(addresses)
    return f"{path}?{query}" if query else path


_KNOWN: Final[dict[str, st.SearchStrategy[Any]]] = {
    "/Users": twisted([_ADA]),
    "/Groups": twisted([_CREW]),
    "/Users/": twisted([_ADA]) | PATCHES,
    "/Groups/": twisted([_CREW]) | PATCHES,
    "/.search": SEARCHES,
    "/Users/.search": SEARCHES,
    "/Groups/.search": SEARCHES,
    "/Bulk": BULKS,
}


@st.composite
def fitting(draw: st.DrawFn) -> Request:
    """A request that has a good chance of being carried out."""
    address = draw(st.sampled_from(sorted(_KNOWN)))
    body = draw(encoded(_KNOWN[address]))
    if address.endswith("s/"):
        method = draw(st.sampled_from(["GET", "PUT", "PATCH", "PATCH", "DELETE"]))
        document = _KNOWN[address[:-1]] if method == "PUT" else PATCHES
        body = draw(encoded(document))
        address += draw(st.sampled_from(IDS))
    else:
        method = draw(st.sampled_from(["POST", "GET"]))
    headers = {"content-type": draw(CONTENT_TYPES), **(draw(HEADERS) if draw(st.integers(0, 2)) == 2 else {})}
    body = b"" if method in {"GET", "DELETE"} else body
    questions = st.just(address) if method in {"PUT", "PATCH", "DELETE"} else targets(st.just(address))
    return Request(method, draw(questions), tuple(headers.items()), body)


@st.composite
def wild(draw: st.DrawFn) -> Request:
    """Any method, address, header and body."""
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "FOO"]
    documents = st.one_of(*_KNOWN.values(), JSON)
    body = draw(st.one_of(BROKEN, encoded(documents)))
    headers = {"content-type": draw(CONTENT_TYPES | ODD_CONTENT_TYPES), **draw(HEADERS)}
    return Request(draw(st.sampled_from(methods)), draw(targets()), tuple(headers.items()), body)
