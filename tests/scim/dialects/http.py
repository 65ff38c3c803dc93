"""A provider's way of speaking HTTP: its headers, its content type, a JSON body when it has one."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.test import Client

from tests.companies import Company

Json = dict[str, Any]

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


@dataclass(frozen=True)
class Answer:
    """`body` is None where there was none."""

    status: int
    headers: dict[str, str]
    body: Any

    def ok(self, *expected: int) -> Json:
        """The body, after making sure of the status: 200 unless said otherwise."""
        assert self.status in (expected or (200,)), (self.status, self.body)
        return self.body if self.body is not None else {}

    def refused(self, status: int, scim_type: str | None = None) -> Json:
        """The SCIM error (RFC 7644 section 3.12), after making sure of its shape."""
        assert self.status == status, (self.status, self.body)
        assert self.body["schemas"] == [ERROR]
        assert self.body["status"] == str(status)
        assert self.body["detail"]
        assert self.body.get("scimType") == scim_type, self.body
        return dict(self.body)


@dataclass
class Provider:
    """A provider's HTTP client. `headers` hold what it always sends, its credential included."""

    headers: dict[str, str]
    content_type: str
    client: Client = field(default_factory=Client)

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        text = json.dumps(body) if body is not None else ""
        content_type = self.content_type if body is not None else ""
        response = self.client.generic(method, f"/scim/v2{path}", text, content_type=content_type, headers=self.headers)
        found = json.loads(response.content) if response.content else None
        if found is not None:
            assert response.headers["Content-Type"].startswith("application/scim+json")
        return Answer(response.status_code, dict(response.headers), found)

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def find(self, kind: str, condition: str, more: str = "") -> Json:
        """The ListResponse of a filter, its counters and shape made sure of."""
        found = self.get(f"/{kind}?filter={quote(condition)}{more}").ok()
        assert found["schemas"] == [LIST]
        assert all(type(found[name]) is int for name in ("totalResults", "startIndex", "itemsPerPage"))
        assert found["itemsPerPage"] == len(found["Resources"])
        return found

    def post(self, path: str, body: Any) -> Answer:
        return self.send("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        return self.send("PUT", path, body)

    def patch(self, path: str, *operations: Json) -> Answer:
        return self.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)})

    def delete(self, path: str) -> Answer:
        return self.send("DELETE", path)


def bearer(company: Company) -> str:
    return f"Bearer {company.scim_token}"


def escaped(text: str) -> str:
    """A string inside a filter's quotes."""
    return json.dumps(text)[1:-1]
