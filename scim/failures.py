"""A request that failed on our side: what is answered, and what may stand in the log.

The log says what kind of error it was and where, never what the database or a library said about it: such a text quotes
the row or the value that it stumbled on ("Key (email)=(ada@acme.example) already exists").
"""

import logging
import traceback
from collections.abc import Iterator
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from scim import events
from scim.errors import ScimError
from scim.http import answer_error
from workspace import request_ids

logger = logging.getLogger(__name__)

FAILED: Final = "Cerby failed on this request; its log says why. Try again: a repeated request does no harm."
AWAY: Final = "Cerby's database does not answer at the moment. Try again: a repeated request does no harm."
RETRY_SECONDS: Final = 30


def answered(request: HttpRequest, error: Exception) -> HttpResponse:
    """Log the error and note it in the provisioning log; a SCIM 500, or 503 while the database is away."""
    away = isinstance(error, OperationalError | InterfaceError)
    logger.error("SCIM request %s failed\n%s", request_ids.current(), told(error))
    refusal = ScimError(AWAY if away else FAILED, status=503 if away else 500)
    _note(request, refusal)
    response = answer_error(refusal)
    if away:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def told(error: BaseException) -> str:
    """The kinds of an error and of what led to it, the first last, each with the lines it came through."""
    return "\n".join(line for each in _chain(error) for line in (_kind(each), *_lines(each)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    known: BaseException | None = error
    while known is not None and id(known) not in seen:
        seen.add(id(known))
        yield known
        known = known.__cause__ or known.__context__


def _kind(error: BaseException) -> str:
    """The class; of a database's error also its SQLSTATE and the constraint, which are names of ours."""
    diagnosis: Any = getattr(error, "diag", None)
    facts = [getattr(error, "sqlstate", None), getattr(diagnosis, "constraint_name", None)]
    return " ".join([f"{type(error).__module__}.{type(error).__qualname__}", *(fact for fact in facts if fact)])


def _lines(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__, limit=-20)
    return [f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}' for frame in frames]


def _note(request: HttpRequest, refusal: ScimError) -> None:
    """Where the database answers again, the workspace's log tells of it too."""
    try:
        if hasattr(request, "scim_token"):
            events.record_refusal(request, refusal)
    except DatabaseError as error:
        logger.warning("The provisioning log does not say so: %s", type(error).__name__)
