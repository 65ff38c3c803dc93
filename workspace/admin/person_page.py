"""What a person's page says: who they are, what they may use and through whom, and what they saw."""

from typing import Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from workspace import clients, second_factor, sessions
from workspace.admin.parts import NOTHING, Fact, Section, actor_of, badge, button, link, when
from workspace.models import Account, Reveal, Role, Session, Team, TeamMembership, User
from workspace.vault import ledger

LATEST: Final = 20


def state_badge(user: User) -> SafeString:
    """`user.invited` and `user.let_in` are annotated by the page's queryset."""
    if user.purged_at is not None:
        return badge("Data deleted")
    if not user.is_active:
        return badge("Disabled", "danger")
    if not getattr(user, "let_in", True):
        return badge("Expired", "danger")
    if user.last_login is None and getattr(user, "invited", False):
        return badge("Invited", "warning")
    return badge("Active", "success")


def name_badge(user: User) -> SafeString | str:
    """For a person whom the identity provider calls by another name than their e-mail address."""
    return badge("userName ≠ e-mail", "warning") if user.is_named_apart else ""


def origin_badges(user: User) -> list[SafeString]:
    """Who owns the profile, where that is not this workspace, and what an Owner should know of it."""
    if user.provisioned_at is None:
        return []
    badges = [badge("Okta, adopted" if user.adopted_at else "Okta", "info")]
    return [*badges, badge("userName ≠ e-mail", "warning")] if user.is_named_apart else badges


def facts(user: User) -> list[Fact]:
    known = [
        Fact("userName", user.user_name),
        Fact("E-mail", user.email or NOTHING),
        Fact("Given name", user.given_name or NOTHING),
        Fact("Family name", user.family_name or NOTHING),
        Fact("Profile managed by", "Okta (SCIM)" if user.provisioned_at else "This workspace"),
        Fact("Second factor", "set up" if second_factor.is_enrolled(user) else "none"),
        Fact("Last sign-in", when(user.last_login) if user.last_login else "never"),
        Fact("Here since", when(user.created_at)),
    ]
    if user.adopted_at is not None:
        known.append(Fact("Adopted by Okta", format_html("{}; was here before", when(user.adopted_at))))
    if user.external_id:
        known.insert(5, Fact("externalId", user.external_id))
    if user.deactivated_at is not None:
        disabled = format_html("{} by {}", when(user.deactivated_at), actor_of(user, "deactivated_by"))
        known.append(Fact("Disabled", disabled))
    return known


def notice(user: User) -> str:
    if user.purged_at is not None:
        return "This person's data was deleted for good. The row remains as a pseudonym, so that history adds up."
    if user.is_named_apart:
        return (
            "Okta calls this person by another userName than their e-mail address. Signing in works with both, but"
            " choose Email as the application username format in Okta, so that everybody has one name everywhere."
        )
    if user.provisioned_at and user.is_active:
        return "Okta manages this profile. Names and addresses are changed there and arrive by SCIM."
    return ""


def accounts_of(user: User) -> Section:
    reached = ledger.holdings_of(user).reaching().select_related("account", "team")
    return Section(
        "Accounts they can use",
        ("Account", "Through", "As", "Since", "Until"),
        [
            [
                account_link(held.account), _through(held.team), held.get_role_display(), when(held.since),
                when(held.expires_at),
            ]
            for held in reached.order_by("account__name", "since")
        ],
        "No account is within this person's reach.",
    )  # fmt: skip


def reveals_of(user: User) -> Section:
    reveals = Reveal.objects.filter(user=user).select_related("account", "version").order_by("-at")[:LATEST]
    return Section(
        "Passwords they looked at",
        ("Account", "Password version", "When"),
        [[link(reveal.account), f"version {reveal.version.number}", when(reveal.at)] for reveal in reveals],
        "This person has not revealed any password.",
    )


def sessions_of(user: User) -> Section:
    """Where the person is signed in; ending one is an act."""
    end = f"{reverse('admin:workspace_user_end_sessions', args=[user.pk])}?session="
    return Section(
        "Devices and sessions",
        ("Device", "Address", "Signed in", "Last seen", ""),
        [
            [
                clients.device_of(each.user_agent), each.address or NOTHING, when(each.began_at), when(each.seen_at),
                button(end + each.digest, "End"),
            ]
            for each in sessions.open_of(user)
        ],
        "This person is signed in nowhere.",
    )  # fmt: skip


def session_text(session: Session) -> str:
    """A session in one line of a select box."""
    began = f"{session.began_at:%Y-%m-%d %H:%M} UTC" if session.began_at else "an unknown time"
    return f"{clients.device_of(session.user_agent)}, {session.address or 'unknown address'}, signed in {began}"


def teams_of(user: User) -> Section:
    memberships = TeamMembership.objects.filter(user=user).select_related("team").order_by("-joined_at")[:LATEST]
    return Section(
        "Teams",
        ("Team", "Managed by", "Joined", "Left"),
        [[link(row.team), provider_badge(row.team), when(row.joined_at), when(row.left_at)] for row in memberships],
        "This person was in no team yet.",
    )


def last_owner_warning(user: User) -> str:
    """A sentence when nobody else could open this console; empty otherwise."""
    if user.role != Role.OWNER or not user.is_active:
        return ""
    others = User.objects.active().filter(workspace=user.workspace, role=Role.OWNER).exclude(pk=user.pk)
    if others.exists():
        return ""
    return f"{user} is the last Owner. Without one, nobody in the workspace can open this console."


def provider_badge(of: User | Team) -> SafeString | str:
    if of.provisioned_at is None:
        return "Here"
    adopted = isinstance(of, User) and of.adopted_at is not None
    return badge("Okta, adopted" if adopted else "Okta", "info")


def account_link(account: Account) -> SafeString:
    privileged = badge("Privileged", "warning") if account.is_privileged else ""
    return format_html("{} {}", link(account), privileged)


def _through(team: Team | None) -> SafeString | str:
    return format_html("team {}", link(team)) if team else "directly"
