"""Django's registration of the rotation floor."""

from django.apps import AppConfig


class RotationConfig(AppConfig):
    name = "rotation"
    verbose_name = "Rotation"

    def ready(self) -> None:
        """What this floor knows about passwords that are shown."""
        from rotation import doubts  # noqa: F401  # registers its reasons
