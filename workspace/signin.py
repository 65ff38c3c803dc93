"""Signing in with e-mail and password, and a code where a second factor is set up, in a product where an e-mail names
a person only within a workspace."""

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.auth import login
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from workspace import audit, candidates, reauthentication, second_factor, sessions
from workspace.audit import Actor, Verb
from workspace.models import TotpDevice, User

BACKEND: Final = "workspace.signin.WorkspaceBackend"
SIGN_IN: Final = Actor.system("sign-in")
PENDING_SECONDS: Final = 300
VERIFIED: Final = "second_factor_verified"
_PENDING: Final = "sign_in_pending"


class WorkspaceBackend(BaseBackend):
    """Named by `AUTHENTICATION_BACKENDS`.

    Without a workspace the e-mail and password must fit exactly one person; the same pair in two workspaces is
    refused until the person names one. Unknown people cost one password hash and one event as well, so that an
    answer's time tells nothing.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None,
        workspace: str = "", **kwargs: Any,
    ) -> User | None:  # fmt: skip
        if not username or not password:
            return None
        meant = candidates.of(username, workspace)
        fitting = [user for user in meant if user.check_password(password)]
        if not meant:
            make_password(password)
        if not fitting:
            _record_failure(meant)
        return fitting[0] if len(fitting) == 1 else None

    def get_user(self, user_id: UUID) -> User | None:
        """The signed-in person on each request; a disabled one, or a guest past their time, is nobody."""
        people = User.objects.active().select_related("workspace").filter(pk=user_id)
        confirmed = TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        return people.annotate(has_second_factor=Exists(confirmed)).first()


@dataclass(frozen=True)
class Pending:
    """Somebody whose password was right and whose code is not given yet; `next` is a page of ours."""

    user: User
    next: str


def sign_in(request: HttpRequest, user: User, *, by: str = "") -> None:
    """Begin the person's session. `by` is the second factor that was proved, empty without one."""
    login(request, user, backend=BACKEND)
    request.session[VERIFIED] = bool(by)
    sessions.begin(request)
    reauthentication.note(request)
    audit.record(user.workspace, Verb.PERSON_SIGNED_IN, user, actor=Actor.person(user), second_factor=by or "none")


def await_code(request: HttpRequest, user: User, *, next_page: str) -> None:
    """The password was right: keep that for five minutes, in a session that belongs to nobody yet."""
    request.session.flush()
    request.session[_PENDING] = {
        "user": str(user.pk), "at": time.time(), "hash": user.get_session_auth_hash(), "next": next_page,
    }  # fmt: skip


def pending(request: HttpRequest) -> Pending | None:
    """Who is to give a code in this browser; None when nobody is, it took too long, or their password changed."""
    kept = request.session.get(_PENDING)
    if not kept or not 0 <= time.time() - kept["at"] < PENDING_SECONDS:
        return None
    user = WorkspaceBackend().get_user(UUID(kept["user"]))
    if user is None or not constant_time_compare(user.get_session_auth_hash(), kept["hash"]):
        return None
    return Pending(user, kept["next"])


def verify_code(request: HttpRequest, user: User, answer: str) -> str | None:
    """Which second factor the answer is, used up by this; None for a wrong one, which is written down."""
    by = second_factor.verify(user, answer)
    if by is None:
        audit.record(user.workspace, Verb.PERSON_CODE_REFUSED, user, actor=SIGN_IN)
    return by


def is_verified(request: HttpRequest) -> bool:
    """Whether a second factor was proved in this session."""
    return bool(request.session.get(VERIFIED))


def verified(request: HttpRequest, user: User, *, by: str) -> None:
    """A second factor was proved in a session that began without one."""
    request.session.cycle_key()
    request.session[VERIFIED] = True
    reauthentication.note(request)
    audit.record(user.workspace, Verb.PERSON_SIGNED_IN, user, actor=Actor.person(user), second_factor=by)


def _record_failure(meant: list[User]) -> None:
    """An event for each person who was meant; for nobody one without a person, so that both take as long."""
    if not meant:
        audit.record(None, Verb.PERSON_SIGN_IN_FAILED, actor=SIGN_IN)
    for user in meant:
        audit.record(user.workspace, Verb.PERSON_SIGN_IN_FAILED, user, actor=SIGN_IN)
