"""The floor: Django without any middleware, and per request only the statements that nobody can do without.

The look-up of the token, then the one indexed read or the one durable write, then the answer as JSON. No tenant, no
audit trail, no offboarding, no SCIM beyond the shape of the answer. What is slower than this is what we can remove.
"""

import hashlib
import json
import os
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from uuid_utils.compat import uuid7

TABLES: Final = """
    CREATE TABLE token (lookup text PRIMARY KEY, digest bytea NOT NULL, workspace uuid NOT NULL);
    CREATE TABLE person (
        id uuid PRIMARY KEY, workspace uuid NOT NULL, user_name text NOT NULL, given_name text NOT NULL,
        family_name text NOT NULL, display_name text NOT NULL, external_id text NOT NULL, attributes jsonb NOT NULL,
        active boolean NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
    );
    CREATE UNIQUE INDEX ON person (workspace, lower(user_name));
    CREATE TABLE member (team uuid, person uuid, PRIMARY KEY (team, person));
"""
TOKEN: Final = "floor-token"  # noqa: S105  # of a server that lives for a measurement, on loopback
_COLUMNS: Final = (
    "id, user_name, given_name, family_name, display_name, external_id, attributes, active, created_at, updated_at"
)
_FIND: Final = f"SELECT {_COLUMNS} FROM person WHERE workspace = %s AND lower(user_name) = lower(%s)"  # noqa: S608
_READ: Final = f"SELECT {_COLUMNS} FROM person WHERE workspace = %s AND id = %s"  # noqa: S608
_CREATE: Final = f"""INSERT INTO person ({_COLUMNS}, workspace)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now(), now(), %s) RETURNING {_COLUMNS}"""  # noqa: S608
_REPLACE: Final = f"""UPDATE person SET user_name = %s, given_name = %s, family_name = %s, display_name = %s,
    external_id = %s, attributes = %s, active = %s, updated_at = now()
    WHERE workspace = %s AND id = %s RETURNING {_COLUMNS}"""  # noqa: S608
_SWITCH: Final = f"""UPDATE person SET active = %s, updated_at = now()
    WHERE workspace = %s AND id = %s RETURNING {_COLUMNS}"""  # noqa: S608
_TEAM: Final = """SELECT '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"' || %s || '","members":['
    || string_agg('{"value":"' || m.person || '","display":' || to_json(p.user_name) || ',"type":"User","$ref":"'
    || 'http://127.0.0.1:8000/scim/v2/Users/' || m.person || '"}', ',' ORDER BY m.person)
    || ']}' FROM member m JOIN person p ON p.id = m.person WHERE m.team = %s"""
_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def people(request: HttpRequest) -> HttpResponse:
    """Match by userName, or create."""
    workspace = _workspace(request)
    if request.method == "POST":
        said = json.loads(request.body)
        values = [uuid7(), *_values(said), workspace]
        return _answer(_document(_rows(_CREATE, values)[0]), 201)
    user_name = request.GET["filter"].split('"')[1]
    found = [_document(row) for row in _rows(_FIND, [workspace, user_name])]
    counters = {"totalResults": len(found), "startIndex": 1, "itemsPerPage": len(found)}
    return _answer({"schemas": [_LIST], **counters, "Resources": found})


def person(request: HttpRequest, identifier: UUID) -> HttpResponse:
    """Read, replace, switch on or off."""
    workspace = _workspace(request)
    if request.method == "GET":
        rows = _rows(_READ, [workspace, identifier])
    elif request.method == "PUT":
        rows = _rows(_REPLACE, [*_values(json.loads(request.body)), workspace, identifier])
    else:
        active = json.loads(request.body)["Operations"][0]["value"]["active"]
        rows = _rows(_SWITCH, [active, workspace, identifier])
    return _answer(_document(rows[0]))


def team(request: HttpRequest, identifier: UUID) -> HttpResponse:
    """A whole team with its members, as JSON that the database built."""
    _workspace(request)
    return _reply(_rows(_TEAM, [str(identifier), identifier])[0][0].encode(), 200)


def _workspace(request: HttpRequest) -> UUID:
    token = request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    digest, workspace = _rows("SELECT digest, workspace FROM token WHERE lookup = %s", [token[:5]])[0]
    if bytes(digest) != hashlib.sha256(token.encode()).digest():
        raise PermissionError
    found: UUID = workspace
    return found


def _rows(statement: str, params: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows: list[Any] = cursor.fetchall()
        return rows


def _values(said: dict[str, Any]) -> list[Any]:
    attributes = {"emails": said["emails"], "locale": said.get("locale")}
    name = said["name"]
    return [
        said["userName"], name["givenName"], name["familyName"], said["displayName"], said["externalId"],
        json.dumps(attributes), said["active"],
    ]  # fmt: skip


def _document(row: Any) -> dict[str, Any]:
    identifier, user_name, given, family, display, external, attributes, active, created, updated = row
    return {
        "schemas": [_USER],
        "id": str(identifier),
        "externalId": external,
        "userName": user_name,
        "name": {"givenName": given, "familyName": family, "formatted": f"{given} {family}"},
        "displayName": display,
        "active": active,
        **json.loads(attributes),
        "meta": {
            "resourceType": "User",
            "created": created.isoformat(),
            "lastModified": updated.isoformat(),
            "location": f"http://127.0.0.1:8000/scim/v2/Users/{identifier}",
        },
    }


def _answer(document: dict[str, Any], status: int = 200) -> HttpResponse:
    return _reply(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), status)


def _reply(body: bytes, status: int) -> HttpResponse:
    headers = {"Content-Length": str(len(body))}
    return HttpResponse(body, status=status, content_type="application/scim+json", headers=headers)


urlpatterns = [
    path("scim/v2/Users", people),
    path("scim/v2/Users/<uuid:identifier>", person),
    path("scim/v2/Groups/<uuid:identifier>", team),
]


def _configured() -> Callable[..., Any]:
    url = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(
        SECRET_KEY="signs nothing",  # noqa: S106
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path.lstrip("/"),
                "USER": unquote(url.username or ""),
                "PASSWORD": unquote(url.password or ""),
                "HOST": url.hostname,
                "PORT": url.port,
                "CONN_MAX_AGE": 600,
            }
        },
    )
    return get_wsgi_application()


application: Callable[..., Any] | None = _configured() if "DATABASE_URL" in os.environ else None
