"""HTTP as Okta's SCIM client speaks it: its headers, its patience, its way with 429, its words for a failure."""

import time
from collections.abc import Callable
from typing import Any, Final

import httpx

CONTENT_TYPE: Final = "application/scim+json; charset=utf-8"
SOCKET_SECONDS: Final = 60.0
ATTEMPTS: Final = 10
UNTOLD_SECONDS: Final = 300.0
"""How long Okta waits after a 429 whose Retry-After is no whole number of seconds."""

Json = dict[str, Any]


class OktaError(Exception):
    """A task that failed, in the words Okta's administrator reads. `status` is None when nothing answered."""

    def __init__(self, phase: str, reason: str, detail: str, *, status: int | None = None) -> None:
        super().__init__(f"{phase}: {reason}. Errors reported by remote server: {detail}")
        self.phase = phase
        self.reason = reason
        self.detail = detail
        self.status = status


class ScimClient:
    """Requests relative to a SCIM base URL; `phase` names the task for the error text. Safe among threads."""

    def __init__(self, base_url: str, authorization: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=base_url.rstrip("/") + "/",
            timeout=SOCKET_SECONDS,
            limits=httpx.Limits(max_connections=None),
            headers={
                "Authorization": authorization,
                "Accept": "application/scim+json",
                "Accept-Encoding": "gzip,deflate",
                "User-Agent": "Okta SCIM Client 1.0.0",
            },
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, *, phase: str) -> Json:
        return self._request("GET", path, None, phase)

    def post(self, path: str, body: Json, *, phase: str) -> Json:
        return self._request("POST", path, body, phase)

    def put(self, path: str, body: Json, *, phase: str) -> Json:
        return self._request("PUT", path, body, phase)

    def patch(self, path: str, body: Json, *, phase: str) -> Json:
        return self._request("PATCH", path, body, phase)

    def delete(self, path: str, *, phase: str) -> Json:
        return self._request("DELETE", path, None, phase)

    def _request(self, method: str, path: str, body: Json | None, phase: str) -> Json:
        """The answer's JSON; empty for 204. Raises OktaError."""
        response = self._patiently(method, path, body, phase)
        if response.status_code == httpx.codes.NO_CONTENT:
            return {}
        document = _document(response, phase)
        if not response.is_success:
            detail = str(document.get("detail", "no detail was given"))
            raise OktaError(phase, response.reason_phrase, detail, status=response.status_code)
        return document

    def _patiently(self, method: str, path: str, body: Json | None, phase: str) -> httpx.Response:
        """429 is waited out, ten attempts in all; nothing else is tried again."""
        for _ in range(ATTEMPTS - 1):
            response = self._send(method, path, body, phase)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return response
            self._sleep(_seconds(response.headers.get("Retry-After", "")))
        return self._send(method, path, body, phase)

    def _send(self, method: str, path: str, body: Json | None, phase: str) -> httpx.Response:
        headers = {"Content-Type": CONTENT_TYPE} if body is not None else None
        try:
            return self._http.request(method, path, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise OktaError(phase, "Read timed out", f"no answer within {SOCKET_SECONDS:.0f} s") from error
        except httpx.TransportError as error:
            raise OktaError(phase, "Connection failed", str(error)) from error


def _document(response: httpx.Response, phase: str) -> Json:
    """The body as an object. An empty body or a page of HTML hides the cause, in Okta as here."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        reason = response.reason_phrase
        raise OktaError(phase, reason, "the answer could not be parsed", status=response.status_code)
    return document


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() else UNTOLD_SECONDS
