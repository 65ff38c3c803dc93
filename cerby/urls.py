"""Where every address of the product begins."""

from django.contrib import admin
from django.urls import include, path

handler500 = "cerby.server_errors.failed"
urlpatterns = [
    path("admin/", admin.site.urls),
    path("scim/v2/", include("scim.urls")),
    path("", include("rotation.urls")),
    path("", include("workspace.urls")),
]
