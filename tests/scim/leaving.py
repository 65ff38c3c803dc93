"""Requests by which acme's member leaves, and what came of them."""

import json
from typing import Any, Final

from tests.companies import Company
from tests.scim.dialects.http import PATCH_OP, USER, Answer, Json, Provider
from workspace.models import TeamMembership, User

SENTENCE: Final = "The person's access has ended. "
OFF: Final = {"op": "replace", "path": "active", "value": False}
UNKNOWN: Final = {"op": "replace", "path": "shoeSize", "value": 4}


def has_access(company: Company) -> bool:
    """Whether the member may do anything here: the flag and the team go together."""
    active = User.objects.get(pk=company.member.pk).is_active
    assert TeamMembership.objects.filter(user=company.member, left_at=None).exists() == active
    return active


def ended(answer: Answer) -> bool:
    """Whether a refusal says that access ended."""
    return bool(answer.body["detail"].startswith(SENTENCE))


def patch_op(*operations: Any) -> Json:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def put_body(company: Company, **more: Any) -> Json:
    return {"schemas": [USER], "userName": company.member.user_name, "active": False, **more}


def send_raw(okta: Provider, method: str, path: str, body: bytes, **more: str) -> Answer:
    """A body as it stands, and headers beside the provider's own."""
    kind = more.pop("content_type", okta.content_type)
    headers = {**okta.headers, **{name.replace("_", "-"): value for name, value in more.items()}}
    response = okta.client.generic(method, f"/scim/v2{path}", body, content_type=kind, headers=headers)
    return Answer(response.status_code, dict(response.headers), json.loads(response.content))
