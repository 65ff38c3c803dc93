"""django-scim2's views, with our scoping, paging, projection, versions, bodies and errors in every method."""

from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.generic import View
from django_scim import views as stock
from django_scim.exceptions import SCIMException
from django_scim.settings import scim_settings

from scim import bulk, etags, events, failures, governance, limits, messages, schemas, search, tokens, writes
from scim.adapters import GroupAdapter
from scim.errors import ScimError
from scim.http import answer, answer_error, read_object, translated
from scim.kinds import GROUPS, KINDS, USERS, Adapter, Kind
from scim.paging import Query
from scim.projection import Projection
from workspace.errors import CerbyError

# A PATCH of a larger team is answered with 204: nobody reads 100,000 members back for one change.
MEMBERS_ANSWERED: Final = 1000
# What Okta asks at each save of the app's settings, and Entra at "Test connection" with a filter instead.
SERVED: Final = (
    "Served: /Users, /Groups, /Roles, /Entitlements, /Bulk, /.search, /ServiceProviderConfig, /ResourceTypes, /Schemas."
)
CONNECTION_TESTS: Final = ({"startIndex": "1", "count": "2"},)


# Made once: django-scim2 would make a decorator, and with it a new one of these, for each request.
_GATE: Final = scim_settings.AUTH_CHECK_MIDDLEWARE()


class Door(stock.SCIMView):  # type: ignore[misc]  # django-scim2 is untyped
    """Every request: token, limit, method, and an answer in SCIM whatever happens."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return self._answered(request, *args, **kwargs)
        except Exception as error:
            return failures.answered(request, error)

    dispatch.csrf_exempt = True  # type: ignore[attr-defined]  # tokens only, no cookie is looked at

    def _answered(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            unknown: HttpResponse | None = _GATE.process_request(request)
            if unknown is not None:
                return unknown
            limits.count(request.scim_token.pk)  # type: ignore[attr-defined]  # set by scim.auth
            return View.dispatch(self, request, *args, **kwargs)
        except (CerbyError, SCIMException) as error:
            return self._refused(request, translated(error))
        except RequestDataTooBig:
            limit = f"The body is larger than the {settings.SCIM_PAYLOAD_BYTES} bytes that are read here."
            return self._refused(request, ScimError(limit, status=413, scim_type="tooMany"))

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = ", ".join(self._allowed_methods())
        error = ScimError(f"{request.method} is not served here. Allowed: {allowed}.", status=405)
        response = self._refused(request, error)
        response["Allow"] = allowed
        return response

    def _refused(self, request: HttpRequest, error: ScimError) -> HttpResponse:
        events.record_refusal(request, error)
        response = answer_error(error)
        if isinstance(error, limits.TooManyRequests):
            response["Retry-After"] = str(error.retry_after)
        return response


class Unknown(Door):
    """Everything under /scim/v2/ that is not served, and /Me, which a provider's token has no use for."""

    http_method_names = View.http_method_names

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if kwargs.get("me"):
            raise ScimError(f"/Me is not served: a token stands for a provider, not for a person. {SERVED}", status=501)
        raise ScimError(f"There is no such SCIM endpoint. {SERVED}", status=404)

    get = post = put = patch = delete = head = options = trace = _answer


class Resources(Door):
    """What Users and Groups have in common; the two below say which."""

    kind: Kind

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """A list can be read and added to, a resource read, changed and deleted; the rest is a 405 that says so."""
        super().setup(request, *args, **kwargs)
        here = ["post"] if kwargs.get("uuid") is None else ["put", "patch", "delete"]
        self.http_method_names = ["get", "head", *here]

    def get(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
        projection = Projection.asked(request.GET.dict())
        if uuid is None:
            if request.GET.dict() in CONNECTION_TESTS:
                tokens.note_test(request.scim_token)  # type: ignore[attr-defined]  # set by scim.auth
            return answer(search.listing(request, self.kind, Query.asked(request.GET.dict()), projection))
        adapter = self.kind.existing(request, uuid)
        unchanged = request.META.get("HTTP_IF_NONE_MATCH", "")
        if unchanged and etags.matches(adapter.version, unchanged):
            return _bare(304, adapter.version)
        return _resource(adapter, projection)

    def post(self, request: HttpRequest, **_: None) -> HttpResponse:
        projection = Projection.asked(request.GET.dict())
        return _resource(writes.create(self.kind, request, read_object(request)), projection, status=201)

    def put(self, request: HttpRequest, uuid: str) -> HttpResponse:
        message, condition = messages.read(request, projected=True), request.META.get("HTTP_IF_MATCH", "")
        return self._changed(request, writes.replace(self.kind, request, uuid, message, if_match=condition))

    def patch(self, request: HttpRequest, uuid: str) -> HttpResponse:
        message, condition = messages.read(request, projected=True), request.META.get("HTTP_IF_MATCH", "")
        return self._changed(request, writes.modify(self.kind, request, uuid, message, if_match=condition))

    def delete(self, request: HttpRequest, uuid: str) -> HttpResponse:
        writes.remove(self.kind, request, uuid, if_match=request.META.get("HTTP_IF_MATCH", ""))
        return _bare(204)

    def _changed(self, request: HttpRequest, adapter: Adapter) -> HttpResponse:
        projection = Projection.asked(request.GET.dict())
        large = isinstance(adapter, GroupAdapter) and adapter.has_more_members_than(MEMBERS_ANSWERED)
        if large and not projection:
            return _bare(204, adapter.version)
        return _resource(adapter, projection)


class UsersView(Resources, stock.UsersView):  # type: ignore[misc]  # django-scim2 is untyped
    """/Users"""

    kind = USERS


class GroupsView(Resources, stock.GroupsView):  # type: ignore[misc]  # django-scim2 is untyped
    """/Groups"""

    kind = GROUPS


class SearchView(Door, stock.SearchView):  # type: ignore[misc]  # django-scim2 is untyped
    """POST /.search, and the same below each resource type (RFC 7644 section 3.4.3)."""

    http_method_names: Final = ["post"]

    def post(self, request: HttpRequest, endpoint: str = "") -> HttpResponse:
        asked = read_object(request)
        messages.require_schema(asked, schemas.SEARCH_URN, "search")
        query, projection = Query.asked(asked), Projection.asked(asked)
        if endpoint.lower() in governance.ENDPOINTS:
            return answer(search.governed(request, endpoint, query, projection))
        if endpoint:
            return answer(search.listing(request, KINDS[endpoint.lower()], query, projection))
        return answer(search.everywhere(request, query, projection))


class RootView(Door):
    """A query of the server root is one over everything (RFC 7644 section 3.4.2.1)."""

    http_method_names: Final = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.dict()
        if not asked:
            raise ScimError(f"This is the SCIM base URL. {SERVED}", status=404)
        return answer(search.everywhere(request, Query.asked(asked), Projection.asked(asked)))


class BulkView(Door):
    """POST /Bulk (RFC 7644 section 3.7)."""

    http_method_names: Final = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return answer(bulk.run(request, messages.read(request)))


class ServiceProviderConfigView(Door, stock.ServiceProviderConfigView):  # type: ignore[misc]
    """/ServiceProviderConfig"""

    http_method_names: Final = ["get", "head"]


class DiscoveryView(Door):
    """Lists that are not paged, with the counters the RFC asks for. A filter on them is refused (section 4)."""

    http_method_names: Final = ["get", "head"]

    def get(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
        if "filter" in request.GET:
            raise ScimError("This list cannot be filtered.", status=403)
        resources = {item["id"]: item for item in self.resources(request)}
        if uuid is None:
            items = list(resources.values())
            counters = {"totalResults": len(items), "startIndex": 1, "itemsPerPage": len(items)}
            return answer({"schemas": [schemas.LIST_URN], **counters, "Resources": items})
        if uuid not in resources:
            raise ScimError(f"Not served here. Known: {', '.join(resources)}.", status=404)
        return answer(resources[uuid])

    def resources(self, request: HttpRequest) -> list[dict[str, Any]]:
        raise NotImplementedError


class ResourceTypesView(DiscoveryView, stock.ResourceTypesView):  # type: ignore[misc]
    """/ResourceTypes"""

    def resources(self, request: HttpRequest) -> list[dict[str, Any]]:
        return schemas.resource_types()


class SchemasView(DiscoveryView, stock.SchemasView):  # type: ignore[misc]
    """/Schemas"""

    def resources(self, request: HttpRequest) -> list[dict[str, Any]]:
        return schemas.all_schemas()


class GovernanceView(Door):
    """/Roles and /Entitlements, for Okta Identity Governance."""

    http_method_names: Final = ["get", "head"]

    def get(self, request: HttpRequest, endpoint: str, uuid: str | None = None) -> HttpResponse:
        asked = request.GET.dict()
        projection = Projection.asked(asked)
        if uuid is None:
            return answer(search.governed(request, endpoint, Query.asked(asked), projection))
        found = governance.one(request.workspace, endpoint, uuid)  # type: ignore[attr-defined]  # set by scim.auth
        return answer(projection.of(found))


def _resource(adapter: Adapter, projection: Projection, *, status: int = 200) -> HttpResponse:
    response = answer(adapter.to_dict(projection), status=status)
    response["ETag"], response["Location"] = adapter.version, adapter.location
    return response


def _bare(status: int, version: str = "") -> HttpResponse:
    """An answer without a body."""
    response = HttpResponse(status=status, headers={"ETag": version} if version else {})
    del response["Content-Type"]
    return response
