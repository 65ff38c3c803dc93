"""Django's registration of the SCIM door."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    name = "scim"
    verbose_name = "SCIM"

    def ready(self) -> None:
        """What this floor has done about once a minute."""
        from scim import expiry, switch_off  # noqa: F401  # registers its errands
