"""Addresses of this floor: the API's offboarding preview, tasks of people, and the public keys by which anybody can
check a certificate."""

from django.urls import path

from rotation import api, views

app_name = "rotation"
urlpatterns = [
    path(
        "api/v1/people/<uuid:user_id>/offboarding-preview", api.OffboardingPreview.as_view(), name="offboarding-preview"
    ),
    path("certificates/keys/<str:kid>", views.certificate_key, name="certificate-key"),
    path("tasks/", views.tasks, name="tasks"),
    path("tasks/<uuid:job_id>/", views.task, name="task"),
    path("tasks/<uuid:job_id>/suggest/", views.suggest, name="suggest"),
]
