"""Addresses of this floor: the public keys by which anybody can check a certificate."""

from django.urls import path

from rotation import views

app_name = "rotation"
urlpatterns = [path("certificates/keys/<str:kid>", views.certificate_key, name="certificate-key")]
