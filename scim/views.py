"""django-scim2's views, with our scoping, paging, projection, bodies and errors in every method."""

import logging
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View
from django_scim import views as stock
from django_scim.exceptions import SCIMException
from django_scim.settings import scim_settings

from scim import attributes, schemas
from scim.adapters import GroupAdapter, UserAdapter, operations_of
from scim.errors import ScimError
from scim.http import answer, answer_error, read_object, translated
from scim.paging import Page
from scim.projection import Projection
from workspace import people, teams
from workspace.errors import CerbyError

logger = logging.getLogger(__name__)

# A PATCH of a larger team is answered with 204: nobody reads 100,000 members back for one change.
MEMBERS_ANSWERED: Final = 1000


@method_decorator(csrf_exempt, name="dispatch")  # tokens only, no cookie is looked at
class Door(stock.SCIMView):  # type: ignore[misc]  # django-scim2 is untyped
    """Every request: token, method, and an answer in SCIM whatever happens."""

    @method_decorator(scim_settings.AUTH_CHECK_MIDDLEWARE)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return View.dispatch(self, request, *args, **kwargs)
        except (CerbyError, SCIMException) as error:
            return answer_error(translated(error))
        except Exception:
            logger.exception("A SCIM request failed")  # the traceback holds no body and no header
            return answer_error(ScimError("Cerby failed on this request. Its log says why; try again.", status=500))

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = ", ".join(self._allowed_methods())
        response = answer_error(ScimError(f"{request.method} is not served here. Allowed: {allowed}.", status=405))
        response["Allow"] = allowed
        return response


class Unknown(Door):
    """Everything under /scim/v2/ that is not served."""

    http_method_names = View.http_method_names

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        status = 501 if kwargs.get("known") else 404
        raise ScimError(
            "This SCIM endpoint is not served."
            " Served: /Users, /Groups, /ServiceProviderConfig, /ResourceTypes, /Schemas.",
            status=status,
        )

    get = post = put = patch = delete = head = _answer


class Resources(Door):
    """What Users and Groups have in common; the two below say which adapter and which rows."""

    http_method_names: Final = ["get", "post", "put", "patch", "delete"]
    rows: Callable[..., QuerySet[Any]]
    find: Callable[..., Any]

    def get(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
        projection = Projection.asked(request.GET.dict())
        if uuid is not None:
            return answer(self._adapter(uuid).to_dict(projection))
        page = Page.asked(request.GET.dict())
        total, rows = page.of(type(self).rows(request.workspace, request.GET.get("filter")))  # type: ignore[attr-defined]
        return answer(
            {
                "schemas": [schemas.LIST_URN],
                "totalResults": total,
                "startIndex": page.start,
                "itemsPerPage": len(rows),
                "Resources": self.scim_adapter.many(rows, projection),
            }
        )

    def post(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
        if uuid is not None:
            return self.http_method_not_allowed(request)
        adapter = self.scim_adapter(self.model_cls(), request=request)
        adapter.from_dict(read_object(request))
        adapter.save()
        return answer(adapter.to_dict(Projection.asked(request.GET.dict())), status=201)

    def put(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
        adapter = self._adapter(uuid)
        adapter.from_dict(read_object(request))
        adapter.save()
        return self._changed(adapter)

    def patch(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
        adapter = self._adapter(uuid)
        adapter.handle_operations(operations_of(read_object(request)))
        return self._changed(adapter)

    def delete(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
        self._adapter(uuid).delete()
        return HttpResponse(status=204)

    def _adapter(self, uuid: str | None) -> Any:
        """The resource of that id in the token's workspace. Anything else is a 404, a malformed id too."""
        if uuid is None:
            raise ScimError(f"{self.request.method} needs the id of a resource in its address.", status=405)
        try:
            identifier = UUID(uuid)
        except ValueError:
            raise ScimError("No resource in this workspace has that id.", status=404) from None
        found = type(self).find(self.request.workspace, identifier)
        return self.scim_adapter(found, request=self.request)

    def _changed(self, adapter: Any) -> HttpResponse:
        return answer(adapter.to_dict(Projection.asked(self.request.GET.dict())))


class UsersView(Resources, stock.UsersView):  # type: ignore[misc]  # django-scim2 is untyped
    """/Users"""

    rows = staticmethod(attributes.users)
    find = staticmethod(people.find_listed)
    scim_adapter: type[UserAdapter]


class GroupsView(Resources, stock.GroupsView):  # type: ignore[misc]  # django-scim2 is untyped
    """/Groups"""

    rows = staticmethod(attributes.groups)
    find = staticmethod(teams.find)
    scim_adapter: type[GroupAdapter]

    def _changed(self, adapter: GroupAdapter) -> HttpResponse:
        projection = Projection.asked(self.request.GET.dict())
        if not projection and adapter.member_count() > MEMBERS_ANSWERED:
            return HttpResponse(status=204)
        return answer(adapter.to_dict(projection))


class ServiceProviderConfigView(Door, stock.ServiceProviderConfigView):  # type: ignore[misc]
    """/ServiceProviderConfig"""


class DiscoveryView(Door):
    """Lists that are the same for everybody, with the counters the RFC asks for."""

    http_method_names: Final = ["get"]

    def get(self, request: HttpRequest, uuid: str | None = None) -> HttpResponse:
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
        return list(self.type_dict_by_type_id(request).values())


class SchemasView(DiscoveryView, stock.SchemasView):  # type: ignore[misc]
    """/Schemas"""

    def resources(self, request: HttpRequest) -> list[dict[str, Any]]:
        return schemas.all_schemas()
