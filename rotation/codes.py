"""A connector's way to the one-time codes of its account (`workspace.authenticators`)."""

from rotation.connectors.base import FailureKind, TargetError
from workspace import authenticators
from workspace.authenticators import NoCodeYet
from workspace.crypto import Secret
from workspace.errors import NotFound
from workspace.models import Account


class CodesOf:
    """See `rotation.connectors.base.Codes`."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def are_known(self) -> bool:
        return authenticators.find(self._account) is not None

    def next(self, *, within: float) -> Secret:
        try:
            return authenticators.next_code(self._account, within=within)
        except NoCodeYet as error:
            raise TargetError(FailureKind.LOCKED, error.detail, retry_after=error.seconds) from None
        except NotFound as error:
            raise TargetError(FailureKind.HUMAN, error.detail) from None
