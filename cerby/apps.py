"""Django's registration of the frame."""

from django.apps import AppConfig


class CerbyConfig(AppConfig):
    name = "cerby"

    def ready(self) -> None:
        """Tasks are sent by name through Celery's current application; make it ours in every process."""
        from cerby import celery, checks  # noqa: F401  # registers its checks

        celery.app.set_default()
