"""The JSON API under /api/v1/: a person's own accounts and keys, for scripts and other programs.

Authentication is by API key (`workspace.bearer`) or by a browser session with its CSRF token.
Errors are problem details (RFC 9457) with our `code`. A password leaves only as the answer to a reveal.
"""

import logging
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework import exceptions, serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from workspace import access, keys, problems, reauthentication
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.doubts import doubt_about, with_doubts
from workspace.errors import CerbyError, Conflict, Invalid, NotFound, Refused
from workspace.models import Account, ApiKey, User

logger = logging.getLogger(__name__)

STATUS: Final = {NotFound: 404, Invalid: 400, Conflict: 409, Refused: 403}


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: our errors and its own as problem details; None (a 500) for anything else."""
    if isinstance(error, CerbyError):
        status = STATUS.get(type(error), 500)
        if status == 500:
            logger.error("%s: %s", context["request"].path, error.detail)
        named = {"field": error.field} if isinstance(error, Invalid) and error.field else {}
        return _problem(status, error.detail, error.code, **named)
    response = exception_handler(error, context)
    if response is None:
        return None
    data = response.data
    if isinstance(error, exceptions.ValidationError):
        fields = data if isinstance(data, dict) else {"": data}
        return _problem(400, "Some of what was sent cannot be accepted.", "invalid", errors=fields)
    answer = _problem(response.status_code, str(data["detail"]), str(data["detail"].code))
    for name in {"WWW-Authenticate", "Retry-After", "Allow"} & response.headers.keys():
        answer[name] = response[name]
    return answer


def _problem(status: int, detail: str, code: str, **more: Any) -> Response:
    return Response(problems.body(status, detail, code, **more), status=status, content_type=problems.PROBLEM)


class PrivateView(APIView):
    """Answers belong to one person: no cache keeps them (RFC 9111 section 5.2.2.5)."""

    @property
    def person(self) -> User:
        user = self.request.user
        if not isinstance(user, User):
            raise exceptions.NotAuthenticated
        return user

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response


class Pages(PageNumberPagination):
    """`?page=` from 1, `?page_size=` up to 200: {"count", "next", "previous", "results"}."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class AccountSerializer(serializers.ModelSerializer[Account]):
    """`password_set_at` is null while no password is stored. The password itself is never part of it."""

    password_set_at = serializers.DateTimeField(read_only=True)

    class Meta:
        model = Account
        fields = ("id", "name", "username", "is_privileged", "password_set_at")


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ("id", "label", "created_at", "last_used_at")
        read_only_fields = ("created_at", "last_used_at")


class Me(PrivateView):
    """GET: who the caller is."""

    def get(self, request: Request) -> Response:
        person = self.person
        workspace = person.workspace
        return Response(
            {
                "id": str(person.id),
                "user_name": person.user_name,
                "email": person.email,
                "name": person.get_full_name(),
                "role": person.role,
                "workspace": {"slug": workspace.slug, "name": workspace.name} if workspace else None,
            }
        )


class Accounts(PrivateView, ListAPIView[Account]):
    """GET: the accounts the caller may use, by name; `?search=` narrows to name or username."""

    serializer_class = AccountSerializer
    pagination_class = Pages

    def get_queryset(self) -> QuerySet[Account]:
        return access.listed_accounts(self.person, self.request.query_params.get("search", ""))


class AccountDetail(PrivateView, RetrieveAPIView[Account]):
    """GET: one account the caller may use."""

    serializer_class = AccountSerializer

    def get_object(self) -> Account:
        return _account(self.person, self.kwargs["account_id"])


class Reveal(PrivateView):
    """POST: the account's username and current password. Recorded. While that may not be the one in force, `doubt` says
    `since` when, and in a sentence why."""

    def post(self, request: Request, account_id: UUID) -> Response:
        account = _account(self.person, account_id)
        secret = access.reveal(account, self.person, actor=Actor.person(self.person))
        shown: dict[str, Any] = {"username": account.username, "password": secret.reveal()}
        if (doubt := doubt_about(account)) is not None:
            shown["doubt"] = {"since": doubt.since, "text": doubt.text}
        return Response(shown)


class Keys(PrivateView, ListAPIView[ApiKey]):
    """GET: the caller's keys that have not ended. POST {"label", "proof"}: a new one; `key` is shown this once.

    `proof` is the password or a code of the second factor, and needed unless one was given within five minutes. A key
    issues no other: one that leaked would outlive its revocation.
    """

    serializer_class = KeySerializer
    pagination_class = Pages

    def get_queryset(self) -> QuerySet[ApiKey]:
        return keys.live(self.person)

    def post(self, request: Request) -> Response:
        wanted = KeySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        if not isinstance(request.successful_authenticator, SessionAuthentication):
            raise Refused("A key cannot issue another one. Issue it in the web app, or with a session.")
        _require_proof(request._request, request.data)
        key, text = keys.issue(self.person, wanted.validated_data["label"], actor=Actor.person(self.person))
        return Response({**KeySerializer(key).data, "key": text.reveal()}, status=201)


class KeyDetail(PrivateView):
    """DELETE: revoke one of the caller's keys; twice is once."""

    def delete(self, request: Request, key_id: UUID) -> Response:
        keys.revoke(keys.find(self.person, key_id), actor=Actor.person(self.person))
        return Response(status=204)


def _require_proof(request: HttpRequest, sent: Any) -> None:
    """Raises Refused unless the person has proved themselves lately, or does so now."""
    if reauthentication.is_fresh(request):
        return
    proof = sent.get("proof")
    if not isinstance(proof, str) or not proof:
        raise Refused("Send your password, or a code of your second factor, as “proof”.")
    reauthentication.confirm(request, Secret(proof))


def _account(person: User, account_id: UUID) -> Account:
    account: Account | None = with_doubts(access.listed_accounts(person)).filter(pk=account_id).first()
    if account is None:
        raise NotFound("You have no access to such an account.")
    return account
