"""A miniature Okta tenant: people, groups and their assignments, and the requests Okta's SCIM client makes of them.

Both Oktas are here. A *custom* app (App Integration Wizard) writes with PUT of whole resources; a *catalogue* app
(Okta Integration Network) switches people on and off, and changes groups, with PATCH. Neither falls back to the
other's verb.
"""

import secrets
import string
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import quote

from demo.scim_client import ScimClient

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PAGE: Final = 100
BATCH: Final = 256
"""Member changes in one PATCH; 256 was seen, up to 1,000 is documented."""

Json = dict[str, Any]


class Style(StrEnum):
    """How the app was made in Okta, which decides the verbs it uses."""

    CUSTOM = "custom"
    CATALOGUE = "catalogue"


@dataclass(eq=False)
class Person:
    """An Okta user as the app sees them. `scim_id` is the id our server gave, once the two are linked."""

    user_name: str
    given_name: str
    family_name: str
    email: str = ""
    active: bool = True
    okta_id: str = field(default_factory=lambda: f"00u{_letters(17)}")
    scim_id: str = ""

    def __post_init__(self) -> None:
        self.email = self.email or self.user_name

    @property
    def display_name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    def profile(self) -> Json:
        """The attributes Okta maps, as they stand in a create and over our own in an update."""
        return {
            "userName": self.user_name,
            "name": {"givenName": self.given_name, "familyName": self.family_name},
            "emails": [{"primary": True, "value": self.email, "type": "work"}],
            "displayName": self.display_name,
            "locale": "en-US",
            "externalId": self.okta_id,
            "active": self.active,
        }


@dataclass(eq=False)
class Group:
    """An Okta group. `pushed` are the SCIM ids that the last push left in our group."""

    name: str
    members: list[Person] = field(default_factory=list)
    okta_id: str = field(default_factory=lambda: f"00g{_letters(17)}")
    scim_id: str = ""
    pushed: list[str] = field(default_factory=list)

    def pushable(self) -> list[Person]:
        """Only members who are assigned to the app are pushed, and only while they are active."""
        return [person for person in self.members if person.scim_id and person.active]


class OktaTenant:
    """One app of one Okta organisation, provisioning to `base_url` (which ends in /scim/v2/).

    `updates_by_patch` is what a catalogue app may ask for: profile updates as PATCH instead of PUT. `bare_token`
    sends the token without "Bearer", as catalogue apps with "Header" authentication do. Every method raises
    OktaError with the text that Okta's administrator would read.
    """

    def __init__(
        self, base_url: str, token: str, *, style: str = Style.CUSTOM, updates_by_patch: bool = False,
        bare_token: bool = False, batch: int = BATCH, sleep: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        self.style = Style(style)
        self.updates_by_patch = updates_by_patch
        self.batch = batch
        authorization = token if bare_token else f"Bearer {token}"
        self.client = ScimClient(base_url, authorization, **({"sleep": sleep} if sleep else {}))

    def close(self) -> None:
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The app itself

    def connection_test(self, *, group_import: bool = True) -> None:
        """What Okta asks at every save of the provisioning settings."""
        phase = "Error authenticating"
        self.client.get("Users?startIndex=1&count=2", phase=phase)
        if group_import:
            self.client.get(f"Groups?startIndex=1&count={PAGE}", phase=phase)

    def import_users(self) -> list[Json]:
        """Every user of ours, page by page, as "Import Now" does."""
        return list(self._pages("Users", "Error while importing users"))

    def import_groups(self) -> list[Json]:
        return list(self._pages("Groups", "Error while importing groups"))

    # People

    def assign(self, person: Person) -> bool:
        """Give a person the app: link whom our server knows by userName, create whom it does not.

        Returns whether the person was created.
        """
        person.active = True
        found = self._match(person)
        if found is None:
            person.scim_id = self._create(person)["id"]
            return True
        person.scim_id = found["id"]
        self._write(person, f"Error while linking user {person.user_name}")
        return False

    def update_profile(self, person: Person, *, given_name: str = "", family_name: str = "") -> None:
        person.given_name = given_name or person.given_name
        person.family_name = family_name or person.family_name
        self._write_profile(person, f"Error while updating profile of user {person.user_name}")

    def change_email(self, person: Person, email: str) -> None:
        person.email = email
        self._write_profile(person, f"Error while updating profile of user {person.user_name}")

    def change_user_name(self, person: Person, user_name: str, *, recreate: bool = False) -> None:
        """In place; or, as is also seen, by deactivating and creating anew with the old externalId."""
        phase = f"Error while updating profile of user {person.user_name}"
        if recreate:
            self.deactivate(person)
        person.user_name = user_name
        if recreate:
            person.active = True
            person.scim_id = self._create(person)["id"]
        else:
            self._write_profile(person, phase)

    def suspend(self, person: Person) -> None:
        """Suspending a user in Okta sends nothing to the app."""

    def deactivate(self, person: Person) -> None:
        """Unassign the app, or deactivate the user in Okta: the requests are the same. Okta never deletes."""
        person.active = False
        self._switch(person, f"Error while deactivating user {person.user_name}")

    def reactivate(self, person: Person) -> None:
        """Assign again: match, then switch on. Creates anew if our server no longer finds the person."""
        self.assign(person)

    def read(self, person: Person) -> Json:
        """The person as our server shows them."""
        return self.client.get(f"Users/{person.scim_id}", phase=f"Error while reading user {person.user_name}")

    # Groups

    def push_group(self, group: Group) -> bool:
        """Push a group by name with its members. Returns whether our server created it (else it was linked)."""
        phase = f"Error while creating user group {group.name}"
        found = self._find_group(group.name, phase)
        if found is None:
            self._create_group(group, phase)
        else:
            group.scim_id, group.pushed = found["id"], [member["value"] for member in found.get("members", [])]
        self.push_now(group)
        return found is None

    def rename_group(self, group: Group, name: str) -> None:
        group.name = name
        phase = f"Error while updating user group {name}"
        if self.style is Style.CUSTOM:
            self._put_group(group, phase)
        else:
            self._patch_group(group, [_renaming(group)], phase)

    def change_members(self, group: Group, *, add: Collection[Person] = (), remove: Collection[Person] = ()) -> None:
        """Change the group in Okta, whose push then sends what differs."""
        group.members = [person for person in group.members if person not in remove]
        group.members += [person for person in add if person not in group.members]
        phase = f"Error while updating user group {group.name}"
        if self.style is Style.CUSTOM:
            self._put_group(group, phase)
        else:
            self._patch_changes(group, phase)

    def push_now(self, group: Group) -> None:
        """Set our group's members to exactly those of Okta's group."""
        phase = f"Error while pushing user group {group.name}"
        if self.style is Style.CUSTOM:
            self._put_group(group, phase)
        else:
            value = _members(group.pushable())
            self._patch_group(group, [{"op": "replace", "path": "members", "value": value}], phase)
            group.pushed = [member["value"] for member in value]

    def link_group(self, group: Group, name: str = "", *, rename: bool = False) -> None:
        """Tie Okta's group to one of ours called `name`. Its members stay as they are until "Push now"."""
        phase = f"Error while linking user group {group.name}"
        found = self._find_group(name or group.name, phase)
        if found is None:
            raise LookupError(f"There is no group {name or group.name} to link.")
        group.scim_id, group.pushed = found["id"], [member["value"] for member in found.get("members", [])]
        if rename:
            self.rename_group(group, group.name)

    def unlink_group(self, group: Group, *, delete: bool = False) -> None:
        """Stop pushing; with `delete` the group is deleted in the app as well."""
        if delete:
            self.client.delete(f"Groups/{group.scim_id}", phase=f"Error while deleting user group {group.name}")
        group.scim_id, group.pushed = "", []

    # What the requests are made of

    def _match(self, person: Person) -> Json | None:
        phase = f"Error while matching user {person.user_name}"
        return self._first(f'userName eq "{_escaped(person.user_name)}"', "Users", phase)

    def _find_group(self, name: str, phase: str) -> Json | None:
        return self._first(f'displayName eq "{_escaped(name)}"', "Groups", phase)

    def _first(self, condition: str, kind: str, phase: str) -> Json | None:
        query = f"{kind}?filter={quote(condition)}&startIndex=1&count={PAGE}"
        found = self.client.get(query, phase=phase)
        return found["Resources"][0] if found.get("totalResults") else None

    def _create(self, person: Person) -> Json:
        # Okta sends random filler as the password when password sync is off.
        body = {"schemas": [USER], **person.profile(), "groups": [], "password": _letters(16)}
        return self.client.post("Users", body, phase=f"Error while creating user {person.user_name}")

    def _write(self, person: Person, phase: str) -> None:
        """Bring profile and state of a matched person to Okta's."""
        active = self._write_profile(person, phase).get("active")
        if active is not person.active:
            self._switch(person, f"Error while reactivating user {person.user_name}")

    def _write_profile(self, person: Person, phase: str) -> Json:
        """GET, then PUT of what we answered with Okta's changes merged in; our id, meta and groups come back.

        Returns the person as they were before, or after where the one request carries the state as well.
        """
        ours = self.client.get(f"Users/{person.scim_id}", phase=phase)
        if self.style is Style.CUSTOM:
            return self._put_user(person, {**ours, **person.profile()}, phase)
        profile = {**person.profile(), "active": ours.get("active")}
        if self.updates_by_patch:
            del profile["active"]
            operations = [{"op": "replace", "value": profile}]
            self.client.patch(f"Users/{person.scim_id}", _patch(operations), phase=phase)
        else:
            self._put_user(person, {**ours, **profile}, phase)
        return ours

    def _switch(self, person: Person, phase: str) -> None:
        """Active or not, as `person` says: PUT of the whole user or PATCH without a path."""
        if self.style is Style.CUSTOM:
            ours = self.client.get(f"Users/{person.scim_id}", phase=phase)
            self._put_user(person, {**ours, "active": person.active}, phase)
        else:
            body = _patch([{"op": "replace", "value": {"active": person.active}}])
            self.client.patch(f"Users/{person.scim_id}", body, phase=phase)

    def _put_user(self, person: Person, body: Json, phase: str) -> Json:
        return self.client.put(f"Users/{person.scim_id}", body, phase=phase)

    def _create_group(self, group: Group, phase: str) -> None:
        body: Json = {"schemas": [GROUP], "displayName": group.name}
        if self.style is Style.CATALOGUE:
            body["members"] = []
        group.scim_id = self.client.post("Groups", body, phase=phase)["id"]
        group.pushed = []

    def _put_group(self, group: Group, phase: str) -> None:
        ours = self.client.get(f"Groups/{group.scim_id}", phase=phase)
        members = _members(group.pushable())
        body = {**ours, "displayName": group.name, "members": members}
        self.client.put(f"Groups/{group.scim_id}", body, phase=phase)
        group.pushed = [member["value"] for member in members]

    def _patch_changes(self, group: Group, phase: str) -> None:
        """Removals one by one, additions as a list, mixed, with the name beside them, in batches."""
        wanted = {person.scim_id: person for person in group.pushable()}
        leaving = [scim_id for scim_id in group.pushed if scim_id not in wanted]
        present = set(group.pushed)
        joining = [person for scim_id, person in wanted.items() if scim_id not in present]
        changes: list[str | Person] = [*leaving, *joining]
        for start in range(0, len(changes), self.batch):
            operations = _operations(changes[start : start + self.batch])
            self._patch_group(group, [_renaming(group), *operations], phase)
        group.pushed = list(wanted)

    def _patch_group(self, group: Group, operations: list[Json], phase: str) -> None:
        self.client.patch(f"Groups/{group.scim_id}", _patch(operations), phase=phase)

    def _pages(self, kind: str, phase: str) -> Iterator[Json]:
        start, total = 1, 1
        while start <= total:
            page = self.client.get(f"{kind}?startIndex={start}&count={PAGE}", phase=phase)
            yield from page["Resources"]
            start, total = start + PAGE, page["totalResults"]


def _patch(operations: list[Json]) -> Json:
    return {"schemas": [PATCH], "Operations": operations}


def _renaming(group: Group) -> Json:
    return {"op": "replace", "value": {"id": group.scim_id, "displayName": group.name}}


def _operations(changes: Iterable[str | Person]) -> list[Json]:
    """SCIM ids leave, people join."""
    changes = list(changes)
    leaving = [item for item in changes if isinstance(item, str)]
    joining = [item for item in changes if isinstance(item, Person)]
    operations: list[Json] = [{"op": "remove", "path": f'members[value eq "{item}"]'} for item in leaving]
    if joining:
        operations.append({"op": "add", "path": "members", "value": _members(joining)})
    return operations


def _members(people: Iterable[Person]) -> list[Json]:
    return [{"value": person.scim_id, "display": person.user_name} for person in people]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))
