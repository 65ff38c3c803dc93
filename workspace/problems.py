"""The body of an error of the API (RFC 9457), apart from REST framework for those who answer before it."""

from http import HTTPStatus
from typing import Any, Final

PROBLEM: Final = "application/problem+json"


def body(status: int, detail: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code,
        **more,
    }  # fmt: skip
