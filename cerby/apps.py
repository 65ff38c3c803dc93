"""Django's registration of the frame, and of the admin site it puts in front."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class CerbyConfig(AppConfig):
    name = "cerby"


class AdminConfig(DjangoAdminConfig):
    """The default admin site is ours, so that every `admin.register` of the product lands on it."""

    default_site = "workspace.console.Console"
