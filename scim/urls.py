"""Everything under /scim/v2/. The namespace must be `scim`: django-scim2 reverses its names."""

from django.urls import re_path

from scim import views

app_name = "scim"

_LISTED = "Users|Groups|Roles|Entitlements"
urlpatterns = [
    re_path(r"^$", views.RootView.as_view(), name="root"),
    re_path(r"^\.search/?$", views.SearchView.as_view(), name="search"),
    re_path(rf"^(?P<endpoint>{_LISTED})/\.search/?$", views.SearchView.as_view(), name="resource-search"),
    re_path(r"^Bulk/?$", views.BulkView.as_view(), name="bulk"),
    re_path(r"^Me(?:/.*)?$", views.Unknown.as_view(), {"me": True}, name="me"),
    re_path(r"^Users(?:/(?P<uuid>[^/]+))?/?$", views.UsersView.as_view(), name="users"),
    re_path(r"^Groups(?:/(?P<uuid>[^/]+))?/?$", views.GroupsView.as_view(), name="groups"),
    re_path(r"^(?P<endpoint>Roles|Entitlements)(?:/(?P<uuid>[^/]+))?/?$", views.GovernanceView.as_view(), name="roles"),
    re_path(r"^ServiceProviderConfig/?$", views.ServiceProviderConfigView.as_view(), name="service-provider-config"),
    re_path(r"^ResourceTypes(?:/(?P<uuid>[^/]+))?/?$", views.ResourceTypesView.as_view(), name="resource-types"),
    re_path(r"^Schemas(?:/(?P<uuid>[^/]+))?/?$", views.SchemasView.as_view(), name="schemas"),
    re_path(r"^.*$", views.Unknown.as_view()),
]
