"""The story itself: Okta brings people, they are given access, one leaves, and the password they knew dies."""

import json
import re
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import httpx

from cerby.engines import Addresses
from demo import auditor
from demo.cast import Member, Owner
from demo.doors import CacheDoor, DatabaseDoor, DatabaseSession, Door, eventually
from demo.facts import Facts
from demo.narrator import Narrator
from demo.okta import Group, OktaTenant, Person, Style
from demo.targets import CACHE_USER

DATABASE: Final = "Reporting database"
CACHE: Final = "Cache"
ROTATION_SECONDS: Final = 300.0


@dataclass
class Scene:
    """Everything on stage. `known` are the passwords the leaver was shown, by account."""

    tell: Narrator
    okta: OktaTenant
    owner: Owner
    facts: Facts
    database: DatabaseDoor
    doors: dict[str, Door]
    stage: ExitStack
    mark: str = field(default_factory=lambda: secrets.token_hex(3))
    known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ana, self.ben, self.cleo = (
            Person(f"{name.lower()}.{self.mark}@acme.example", name, f"Story-{self.mark}")
            for name in ("Ana", "Ben", "Cleo")
        )
        self.crew = Group(f"Story {self.mark}", [self.ana, self.ben])

    def member(self, person: Person) -> Member:
        return self.stage.enter_context(Member(self.facts, person.email))


def play(tell: Narrator, facts: Facts, addresses: Addresses, style: Style) -> None:
    """All steps with one kind of Okta app. Raises BrokenPromise, OktaError or Unexpected."""
    with ExitStack() as stage:
        okta = stage.enter_context(OktaTenant(facts.scim_base_url, facts.scim_token, style=style))
        owner = stage.enter_context(Owner(facts))
        database, cache = DatabaseDoor(addresses, "reporting"), CacheDoor(addresses, CACHE_USER)
        scene = Scene(tell, okta, owner, facts, database, {DATABASE: database, CACHE: cache}, stage)
        _connect(scene)
        _assign(scene)
        _push(scene)
        _change_profiles(scene)
        leaver, colleague = _give_access(scene)
        session = _use_passwords(scene, leaver, colleague)
        _preview(scene)
        left_at = _deactivate(scene, leaver)
        _watch_passwords_die(scene, left_at, colleague, session)
        _certify(scene)
        _reactivate(scene, leaver)
        _link_team(scene)
        _deliver_twice(scene)


def _connect(scene: Scene) -> None:
    scene.tell.step("Okta tests the connection")
    scene.okta.connection_test()
    scene.tell.proved("users and groups can be listed with the token", holds=True)


def _assign(scene: Scene) -> None:
    tell, okta, ana = scene.tell, scene.okta, scene.ana
    tell.step("Okta assigns three people; Cerby knows one of them already")
    scene.owner.add_person(ana.user_name.upper(), "Ana", "Local")
    before = next(user for user in okta.import_users() if user["userName"] == ana.user_name.upper())
    tell.proved(f"{ana.user_name} is matched, whatever the letter case", not okta.assign(ana))
    tell.proved("and keeps her id", ana.scim_id == before["id"])
    for person in (scene.ben, scene.cleo):
        tell.proved(f"{person.user_name} is created", okta.assign(person))
    shown = scene.owner.person(scene.ben.scim_id)
    tell.proved("the admin shows Ben as managed by Okta", "Okta (SCIM)" in shown.text)


def _push(scene: Scene) -> None:
    tell, crew = scene.tell, scene.crew
    tell.step("Okta pushes a group with two of them")
    tell.proved(f"the team “{crew.name}” is created", scene.okta.push_group(crew))
    shown = scene.owner.team(crew.scim_id)
    both = all(person.user_name in shown.text for person in crew.members)
    tell.proved("its members are Ana and Ben", both and scene.cleo.user_name not in shown.text)


def _change_profiles(scene: Scene) -> None:
    tell, okta, ben = scene.tell, scene.okta, scene.ben
    tell.step("Okta renames a person")
    okta.update_profile(ben, given_name="Benedict")
    shown = okta.read(ben)
    tell.proved("the new name stands in Cerby", shown["name"]["givenName"] == "Benedict")
    tell.proved("and in the admin", "Benedict" in scene.owner.person(ben.scim_id).text)
    tell.step("Okta changes an e-mail address")
    okta.change_email(ben, f"benedict.{scene.mark}@acme.example")
    shown = okta.read(ben)
    tell.proved("the new address stands in Cerby", shown["emails"][0]["value"] == ben.email)
    tell.proved("under the same id", shown["id"] == ben.scim_id)


def _give_access(scene: Scene) -> tuple[Member, Member]:
    """Ana, who will leave, and Ben, who stays."""
    tell = scene.tell
    tell.step("The Owner gives the team two privileged accounts, and invites its members")
    for account in (DATABASE, CACHE):
        scene.owner.grant(account, scene.crew.scim_id)
    shown = scene.owner.person(scene.ana.scim_id)
    tell.proved("Ana reaches both through the team", DATABASE in shown.text and CACHE in shown.text)
    members = scene.member(scene.ana), scene.member(scene.ben)
    for person, member in zip((scene.ana, scene.ben), members, strict=True):
        member.accept(scene.owner.invite(person.scim_id))
        tell.proved(f"{person.given_name} chooses a password and signs in", member.sign_in())
        tell.proved(f"{person.given_name} issues an API key, and it works", member.issue_key() and member.accounts())
    return members


def _use_passwords(scene: Scene, leaver: Member, colleague: Member) -> DatabaseSession:
    tell = scene.tell
    tell.step("Ana looks at the shared passwords and uses them on the servers")
    for account, door in scene.doors.items():
        scene.known[account] = password = leaver.reveal(account)
        tell.proved(f"the password of “{account}” from the API opens {door.name}", door.opens(password))
    shown = leaver.reveal_in_browser(DATABASE)
    tell.proved("the web app shows her the same", scene.known[DATABASE] in shown.html)
    tell.proved("Ben sees the same", colleague.reveal(DATABASE) == scene.known[DATABASE])
    for door in scene.doors.values():
        tell.proved(f"{door.name} refuses a wrong one", not door.opens(secrets.token_urlsafe(12)))
    tell.note("Ana stays connected to the database")
    return scene.database.enter(scene.known[DATABASE])


def _preview(scene: Scene) -> None:
    tell, ana = scene.tell, scene.ana
    tell.step("The Owner looks at what would happen if Ana left")
    shown = scene.owner.preview(ana.scim_id)
    tell.proved("both accounts that she could have known are named", all(name in shown.text for name in scene.doors))
    tell.proved("and nothing has happened yet", scene.owner.is_listed(ana.user_name, "active"))


def _deactivate(scene: Scene, leaver: Member) -> float:
    """Returns when the deactivation was sent, as time.monotonic() says it."""
    tell, ana = scene.tell, scene.ana
    tell.step("Okta deactivates Ana")
    left_at = time.monotonic()
    scene.okta.deactivate(ana)
    tell.proved(f"answered after {time.monotonic() - left_at:.2f} s", holds=True)
    tell.proved("her open session is refused", not leaver.is_signed_in())
    tell.proved("her API key is refused", leaver.call("GET", "accounts").status_code == 401)
    tell.proved("she cannot sign in again", not leaver.sign_in())
    disabled = scene.owner.is_listed(ana.user_name, "disabled") and not scene.owner.is_listed(ana.user_name, "active")
    tell.proved("the admin lists her as disabled", disabled)
    shown = scene.owner.person(ana.scim_id)
    tell.proved("with no account within reach", "No account is within this person's reach." in shown.text)
    team = scene.owner.team(scene.crew.scim_id)
    tell.proved("and no longer in the team", ana.user_name.lower() not in team.text.lower())
    tell.proved("Okta still finds her, inactive", scene.okta.read(ana)["active"] is False)
    return left_at


def _watch_passwords_die(scene: Scene, left_at: float, colleague: Member, session: DatabaseSession) -> None:
    tell = scene.tell
    tell.step("Cerby changes what she could have known")
    died = _watch(scene)
    for account, door in scene.doors.items():
        seconds = f", {died[account] - left_at:.2f} s after the deactivation" if account in died else ""
        tell.proved(f"{door.name} rejects the old password{seconds}", account in died)
    for account, door in scene.doors.items():
        old = scene.known[account]
        new = eventually(partial(_changed, colleague, account, old), seconds=ROTATION_SECONDS)
        tell.proved(f"Ben is shown a new one for “{account}”", new)
        tell.proved(f"{door.name} accepts it", door.opens(colleague.reveal(account)))
    cut = eventually(lambda: not session.is_alive(), seconds=ROTATION_SECONDS)
    tell.proved("Ana's open connection to the database is cut", cut)
    proved = eventually(
        lambda: scene.owner.offboardings(scene.ana.user_name, "proved") == 1, seconds=ROTATION_SECONDS
    )
    tell.proved("the admin shows her offboarding as proved", proved)


def _watch(scene: Scene) -> dict[str, float]:
    """When each target was first seen to reject the old password, by account, as time.monotonic() says it."""
    died: dict[str, float] = {}

    def all_dead() -> bool:
        for account, door in scene.doors.items():
            if account not in died and not door.opens(scene.known[account]):
                died[account] = time.monotonic()
        return len(died) == len(scene.doors)

    eventually(all_dead, seconds=ROTATION_SECONDS)
    return died


def _changed(member: Member, account: str, old: str) -> bool:
    return member.reveal(account) != old


def _certify(scene: Scene) -> None:
    tell, ana = scene.tell, scene.ana
    tell.step("The Owner hands her offboarding's certificate to an auditor")
    file = scene.owner.certificate(ana.user_name)
    document = file["certificate"]
    key = httpx.get(file["key"]).raise_for_status().json()
    tell.proved("its signature is good by the workspace's public key alone", auditor.holds(file, key))
    named = {account["name"]: account for account in document["accounts"]}
    tell.proved("it names both accounts", named.keys() == scene.doors.keys())
    for name, account in named.items():
        proof = account["proof"]
        dead = account["outcome"] == "proved_dead" and all(old["rejected_at"] for old in proof["old_versions"])
        tell.proved(f"“{name}”: new accepted, old rejected, {account['exposure']['seconds']:.1f} s of exposure", dead)
    tell.proved("no password is in it", not any(known in json.dumps(file) for known in scene.known.values()))
    document["person"]["userName"] = scene.ben.user_name
    tell.proved("with another name in it, the signature fails", not auditor.holds(file, key))


def _reactivate(scene: Scene, leaver: Member) -> None:
    tell, ana = scene.tell, scene.ana
    tell.step("Okta reactivates Ana")
    before = ana.scim_id
    scene.okta.reactivate(ana)
    tell.proved("she is active again, under the same id", ana.scim_id == before and scene.okta.read(ana)["active"])
    tell.proved("her old session stays dead", not leaver.is_signed_in())
    tell.proved("her old API key stays dead", leaver.call("GET", "accounts").status_code == 401)
    tell.proved("her old password stays dead", not leaver.sign_in())
    leaver.accept(scene.owner.invite(ana.scim_id))
    tell.proved("invited anew, she signs in", leaver.sign_in())
    shown = scene.owner.person(ana.scim_id)
    tell.proved("no access came back", "No account is within this person's reach." in shown.text)


def _link_team(scene: Scene) -> None:
    tell, okta = scene.tell, scene.okta
    tell.step("Okta links a group to a team that exists here")
    name = f"Local {scene.mark}"
    scene.owner.add_team(name)
    group = Group(f"Okta {scene.mark}", [scene.cleo])
    okta.link_group(group, name)
    shown = scene.owner.team(group.scim_id)
    tell.proved("the team keeps its name, and its members until “Push now”", scene.cleo.user_name not in shown.text)
    okta.link_group(group, name, rename=True)
    okta.push_now(group)
    shown = scene.owner.team(group.scim_id)
    tell.proved(
        "after it the team is as Okta's group is", scene.cleo.user_name in shown.text and group.name in shown.text
    )


def _deliver_twice(scene: Scene) -> None:
    tell, okta, owner, ana = scene.tell, scene.okta, scene.owner, scene.ana
    tell.step("Okta deactivates Ana again, and delivers it twice")
    okta.deactivate(ana)
    once, departures, events = okta.read(ana), owner.offboardings(ana.user_name), _deactivations(scene)
    okta.deactivate(ana)
    tell.proved("the second delivery is answered like the first, and nothing of her changed", okta.read(ana) == once)
    tell.proved("she left twice in all, not three times", owner.offboardings(ana.user_name) == departures == 2)
    tell.proved("and her history shows no more than that", _deactivations(scene) == events >= 2)


def _deactivations(scene: Scene) -> int:
    return len(re.findall(r"\ball their access ended\b", scene.owner.person(scene.ana.scim_id).text, re.IGNORECASE))
