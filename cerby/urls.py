"""Where every address of the product begins."""

from django.contrib import admin
from django.urls import include, path

from cerby import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("scim/v2/", include("scim.urls")),
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("", include("workspace.urls")),
]
