"""Whether the demo answers: the web server, the SCIM base, and the worker.

The token is left alone: the checklist of Connect Okta would take its use for Okta's.
"""

import threading
import time
from typing import Final

import httpx
from kombu.exceptions import KombuError

from cerby.celery import app
from demo.facts import Facts

START_SECONDS: Final = 300.0
POLL_SECONDS: Final = 0.2
CALL_SECONDS: Final = 30.0


class NotReady(Exception):
    """Not everything answers yet; the text says what does not."""


def wait(facts: Facts, stop: threading.Event) -> None:
    """Return when everything answers or `stop` is set. Raises NotReady after five minutes."""
    deadline = time.monotonic() + START_SECONDS
    while not stop.wait(POLL_SECONDS):
        try:
            check(facts)
        except NotReady:
            if time.monotonic() > deadline:
                raise
        else:
            return


def check(facts: Facts) -> None:
    """Raises NotReady."""
    _web_answers(f"{facts.base_url}/health/ready")
    _web_answers(f"{facts.scim_base_url}Users?startIndex=1&count=2", expected=httpx.codes.UNAUTHORIZED)
    _worker_answers()


def _web_answers(url: str, *, expected: int = httpx.codes.OK) -> None:
    try:
        response = httpx.get(url, timeout=CALL_SECONDS)
    except httpx.TransportError as error:
        raise NotReady(f"{url} cannot be reached") from error
    if response.status_code != expected:
        raise NotReady(f"{url} answers {response.status_code}")


def _worker_answers() -> None:
    try:
        answers = app.control.ping(timeout=1.0, limit=1)
    except (KombuError, OSError) as error:
        raise NotReady("the broker cannot be reached") from error
    if not answers:
        raise NotReady("the worker does not answer")
