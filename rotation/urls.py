"""Addresses of this floor: tasks of people, and the public keys by which anybody can check a certificate."""

from django.urls import path

from rotation import views

app_name = "rotation"
urlpatterns = [
    path("certificates/keys/<str:kid>", views.certificate_key, name="certificate-key"),
    path("tasks/", views.tasks, name="tasks"),
    path("tasks/<uuid:job_id>/", views.task, name="task"),
    path("tasks/<uuid:job_id>/suggest/", views.suggest, name="suggest"),
]
