"""Everything under /scim/v2/. The namespace must be `scim`: django-scim2 reverses its names."""

from typing import Final

from django.urls import re_path

from scim import views

app_name = "scim"


def _any_case(*names: str) -> str:
    """Some clients write /users. Letter by letter, because Django reverses such a pattern to its first spelling."""
    return "|".join("".join(f"[{letter}{letter.swapcase()}]" for letter in name) for name in names)


_ID: Final = "(?:/(?P<uuid>[^/]+))?"
_USERS, _GROUPS = _any_case("Users"), _any_case("Groups")
_GOVERNED: Final = _any_case("Roles", "Entitlements")
_CONFIG, _TYPES = _any_case("ServiceProviderConfig"), _any_case("ResourceTypes")
_SEARCHED: Final = f"(?P<endpoint>{_USERS}|{_GROUPS}|{_GOVERNED})"

urlpatterns = [
    re_path(r"^$", views.RootView.as_view(), name="root"),
    re_path(r"^\.search/?$", views.SearchView.as_view(), name="search"),
    re_path(rf"^{_SEARCHED}/\.search/?$", views.SearchView.as_view(), name="resource-search"),
    re_path(rf"^{_any_case('Bulk')}/?$", views.BulkView.as_view(), name="bulk"),
    re_path(rf"^{_any_case('Me')}(?:/.*)?$", views.Unknown.as_view(), {"me": True}, name="me"),
    re_path(rf"^{_USERS}{_ID}/?$", views.UsersView.as_view(), name="users"),
    re_path(rf"^{_GROUPS}{_ID}/?$", views.GroupsView.as_view(), name="groups"),
    re_path(rf"^(?P<endpoint>{_GOVERNED}){_ID}/?$", views.GovernanceView.as_view(), name="roles"),
    re_path(rf"^{_CONFIG}/?$", views.ServiceProviderConfigView.as_view(), name="service-provider-config"),
    re_path(rf"^{_TYPES}{_ID}/?$", views.ResourceTypesView.as_view(), name="resource-types"),
    re_path(rf"^{_any_case('Schemas')}{_ID}/?$", views.SchemasView.as_view(), name="schemas"),
    re_path(r"^", views.Unknown.as_view()),  # with line breaks too
]
