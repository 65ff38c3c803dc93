"""Puts our admin site in the place of Django's default one."""

from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """The default admin site is ours, so that every `admin.register` of the product lands on it."""

    default = False
    default_site = "workspace.console.Console"
