"""Two customers for every test: acme, whose credentials are used, and rival, who must never notice."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from django.contrib.auth.hashers import make_password
from django.test import Client

from scim import tokens
from workspace import access, accounts, keys, people, teams, tenancy
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.models import Account, Grant, Role, Team, User, Workspace
from workspace.people import Profile

TESTS: Final = Actor.system("tests")
PASSWORD: Final = "correct horse battery staple 9"


@cache
def password_hash() -> str:
    """Of PASSWORD; hashed once, because hashing is slow on purpose."""
    return make_password(PASSWORD)


@dataclass
class Company:
    """A workspace with an Owner, a member in a team, and a privileged account the team may use."""

    workspace: Workspace
    owner: User
    member: User
    team: Team
    account: Account
    account_password: Secret
    grant: Grant
    scim_token: str
    api_key: str

    def browser(self, user: User | None = None) -> Client:
        """A browser in which the Owner (or `user`) is signed in."""
        client = Client()
        client.force_login(user or self.owner)
        return client

    def okta(self) -> Client:
        """An HTTP client with this workspace's SCIM token."""
        return Client(
            headers={"authorization": f"Bearer {self.scim_token}", "accept": "application/scim+json"}
        )

    def person(self, name: str, *, role: str = Role.MEMBER) -> User:
        """Another active person, `name`@company with PASSWORD."""
        address = f"{name}@{self.workspace.slug}.example"
        profile = Profile(address, email=address, given_name=name.title(), family_name="Person")
        user = people.provision(self.workspace, profile, actor=TESTS, role=role)
        user.password = password_hash()
        user.save(update_fields=["password"])
        return user


def company(slug: str) -> Company:
    """A new customer called `slug`."""
    workspace = tenancy.create(slug.title(), slug, actor=TESTS)
    new = Company.__new__(Company)
    new.workspace = workspace
    owner, member = new.person("owner", role=Role.OWNER), new.person("member")
    team = teams.create(workspace, "Operations", actor=TESTS)
    teams.add_members(team, [member.id], actor=TESTS)
    password = Secret(f"first-password-of-{slug}")
    account = accounts.create(
        workspace, "Router", actor=TESTS, password=password, username="root", is_privileged=True
    )
    return Company(
        workspace=workspace, owner=owner, member=member, team=team, account=account, account_password=password,
        grant=access.grant(account, team, actor=TESTS),
        scim_token=tokens.issue(workspace, "Okta", actor=TESTS)[1].reveal(),
        api_key=keys.issue(member, "laptop", actor=TESTS)[1].reveal(),
    )  # fmt: skip
