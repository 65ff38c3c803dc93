"""Addresses of this floor: what the API has for Owners, tasks of people, and the public keys by which anybody can check
a certificate."""

from django.urls import path

from rotation import api, views

app_name = "rotation"
urlpatterns = [
    path(
        "api/v1/people/<uuid:user_id>/offboarding-preview", api.OffboardingPreview.as_view(), name="offboarding-preview"
    ),
    path("api/v1/removals", api.Removals.as_view(), name="removals"),
    path("api/v1/removals/<uuid:removal_id>/answer", api.RemovalAnswer.as_view(), name="removal-answer"),
    path("certificates/keys/<str:kid>", views.certificate_key, name="certificate-key"),
    path("tasks/", views.tasks, name="tasks"),
    path("tasks/<uuid:job_id>/", views.task, name="task"),
    path("tasks/<uuid:job_id>/suggest/", views.suggest, name="suggest"),
]
