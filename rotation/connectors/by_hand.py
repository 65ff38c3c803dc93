"""Logins that only a person can change: the engine asks the account's owner, and takes their word."""

from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from workspace.crypto import Secret


class ByHandSettings(TargetSettings):
    """There is nothing to connect to."""


class ByHand(Connector):
    """A login that nobody but people can reach."""

    key = "by_hand"
    label = "By hand"
    capabilities = Capabilities()
    Settings = ByHandSettings

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """Raises TargetError HUMAN."""
        raise TargetError(FailureKind.HUMAN, "This login is changed by hand. Change it and enter the new password.")

    def verify(self, password: Secret) -> bool:
        """Raises TargetError HUMAN."""
        raise TargetError(FailureKind.HUMAN, "This login cannot be tried from here. Try it by hand.")

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """Whoever changes the password sees to them as well."""
        return Closed()
