"""Who gets in when the identity provider is down: an Owner of the workspace's own, with a password and a second factor.

Such a person must not be managed by the provider. Access that it ends, ends at once, the break-glass Owner's, too; one
whom it does not know cannot be locked out by it. There should be one whose password and recovery codes lie in a safe.
"""

from django.db.models import Exists, OuterRef

from workspace.models import Role, TotpDevice, User, Workspace


def owners(workspace: Workspace) -> list[User]:
    """The workspace's own Owners who can sign in by themselves."""
    confirmed = TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
    found = User.objects.for_workspace(workspace).active().filter(
        Exists(confirmed), role=Role.OWNER, provisioned_at=None
    )
    return [user for user in found.order_by("user_name") if user.has_usable_password()]


def warning(workspace: Workspace) -> str:
    """What to do when there is none; empty when there is."""
    if owners(workspace):
        return ""
    return (
        "Nobody could open this console while Okta is down. Add a person here whom Okta does not manage, make them an"
        " Owner, and set up their second factor; keep the password and the recovery codes in a safe."
    )
