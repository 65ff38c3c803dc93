"""What the pictures show: Acme's first two weeks with Okta, up to the day on which somebody leaves."""

import secrets
from contextlib import ExitStack
from typing import Final

import psycopg

from cerby.engines import Addresses
from demo.acme import PEOPLE, SLUG
from demo.cast import Member, Owner
from demo.facts import Facts
from demo.okta import Group, OktaTenant, Person, Style
from demo.scim_client import OktaError

NEW: Final = (("ines", "Inês", "Castro"), ("omar", "Omar", "Haddad"), ("sofia", "Sofia", "Rossi"))
DATABASE: Final = "Reporting database"
# What happened within minutes is told as of the two weeks before, so that a chart has more than one day to show.
_SPREAD: Final = """
UPDATE scim_provisioningevent SET at = at - make_interval(days => (('x' || substr(md5(id::text), 1, 4))::bit(16)::int
       * ('x' || substr(md5(id::text), 5, 4))::bit(16)::int::bigint / 330382100)::int)
"""


def play(facts: Facts, addresses: Addresses) -> str:
    """Returns the id of the person who leaves last. Raises OktaError or Unexpected."""
    with ExitStack() as stage:
        okta = stage.enter_context(OktaTenant(facts.scim_base_url, facts.scim_token, style=Style.CATALOGUE))
        owner = stage.enter_context(Owner(facts))
        known, new = _assigned(okta)
        _pushed(okta, known, new)
        member = stage.enter_context(Member(facts, known["tom"].email))
        member.accept(owner.invite(known["tom"].scim_id))
        member.sign_in()
        member.issue_key()
        member.reveal_in_browser(DATABASE)
        with psycopg.connect(addresses.database_url) as server:
            server.execute(_SPREAD)
        okta.deactivate(new[-1])
        okta.deactivate(known["tom"])
        return known["tom"].scim_id


def _assigned(okta: OktaTenant) -> tuple[dict[str, Person], list[Person]]:
    """Those who were here already, by their key, and those who are new."""
    okta.connection_test()
    known = {key: Person(f"{key}@{SLUG}.example", *names) for key, names in PEOPLE.items()}
    new = [Person(f"{key}@{SLUG}.example", given, family) for key, given, family in NEW]
    for person in (*known.values(), *new):
        okta.assign(person)
    return known, new


def _pushed(okta: OktaTenant, known: dict[str, Person], new: list[Person]) -> None:
    """Groups with members who come and go, changed names, and a refusal now and then."""
    groups = [Group("Engineering", list(new)), Group("Field marketing", [known["mei"], known["luis"]])]
    for group in groups:
        okta.push_group(group)
    for person in known.values():
        okta.change_members(groups[0], add=[person])
        okta.change_members(groups[0], remove=[person])
        okta.update_profile(person, given_name=person.given_name)
    for _ in range(3):
        stranger = Person(f"{secrets.token_hex(3)}@{SLUG}.example", "Not", "Assigned", scim_id=groups[0].scim_id)
        try:
            okta.push_group(Group("Contractors", [stranger]))
        except OktaError:
            continue  # what Okta's administrator would see, and an Owner finds in the log
