"""A token renewed by way of support: an Owner proves who they are and takes it in the admin; support never sees it."""

import hashlib
import re
from datetime import timedelta
from typing import Any, Final

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from scim import claims, tokens
from scim.models import ScimToken, TokenClaim
from tests.authenticator import Authenticator, forget_used
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import support, text_of
from tests.terminal import Answer, run
from tests.workspace.test_admin_acts import page, post
from workspace import deactivation
from workspace.audit import Actor
from workspace.errors import Conflict, Refused
from workspace.models import AuditEvent, User

pytestmark = pytest.mark.django_db

OVERLAP: Final = timedelta(hours=24)


def token_of(company: Company) -> ScimToken:
    return ScimToken.objects.select_related("workspace").get(workspace=company.workspace, label="Okta")


def regenerate(company: Company, *arguments: object) -> Answer:
    return run("regenerate_scim_token", company.workspace.slug, "Okta", "--owner", company.owner.email, *arguments)


def mailed_code() -> str:
    found = re.search(r"\b(\d{4}) (\d{4})\b", str(mail.outbox[-1].body))
    assert found is not None
    return found[1] + found[2]


def prepared(company: Company) -> TokenClaim:
    claims.ask(token_of(company), company.owner, actor=TESTS)
    return claims.prove(token_of(company), company.owner, mailed_code(), actor=TESTS, overlap=OVERLAP)


def test_the_owner_tells_the_mailed_code_and_takes_the_token(acme: Company, rival: Company) -> None:
    asked = regenerate(acme, "--reason", "ticket 4711")
    assert (asked.code, asked.data["done"]) == (0, "code mailed")
    assert mail.outbox[-1].to == [acme.owner.email]
    code = mailed_code()
    assert code not in asked.out + asked.said
    done = regenerate(acme, "--code", f"{code[:4]} {code[4:]}", "--overlap-hours", "5")
    assert done.data["done"] == "claim prepared"
    assert done.data["claim_at"] in str(mail.outbox[-1].body)
    assert ScimToken.objects.filter(workspace=acme.workspace).count() == 1  # none exists that support could see

    token = token_of(acme)
    browser, path = acme.browser(), page(token, "claim")
    assert done.data["claim_at"].endswith(path)
    assert claims_shown(browser, token)
    answer = browser.post(path, {"proof": PASSWORD})
    new = tokens.authenticate(answer.context["secret"], address=None)
    assert (new.workspace, new.label, new.scope) == (acme.workspace, token.label, token.scope)
    assert "no-store" in answer["Cache-Control"]
    token.refresh_from_db()
    assert timedelta(hours=4) < token.expires_at - timezone.now() <= timedelta(hours=5)
    assert tokens.authenticate(acme.scim_token, address=None) == token
    assert not claims_shown(browser, token)
    assert "No new token waits" in post(browser, path, proof=PASSWORD)
    verbs = AuditEvent.objects.filter(workspace=acme.workspace, subject_id=token.pk).order_by("pk")
    assert [event.verb for event in verbs][-3:] == [
        "scim_token.code_mailed", "scim_token.claim_prepared", "scim_token.replaced",
    ]  # fmt: skip
    assert "ticket 4711" in verbs.get(verb="scim_token.code_mailed").actor_label
    assert verbs.get(verb="scim_token.replaced").actor_id == acme.owner.pk


def claims_shown(browser: Any, token: ScimToken) -> bool:
    shown = text_of(browser, page(token))
    assert (page(token, "claim") in shown) == ("Support prepared a new token" in shown)
    return page(token, "claim") in shown


def test_a_code_of_the_owner_s_app_will_do(acme: Company) -> None:
    app = Authenticator.of(acme.owner)
    wrong = regenerate(acme, "--code", app.wrong())
    assert wrong.code == 1
    assert claims.waiting(token_of(acme), acme.owner) is None
    AuditEvent.objects.get(verb="scim_token.code_refused")
    forget_used(acme.owner)
    assert regenerate(acme, "--code", app.code()).data["done"] == "claim prepared"
    assert claims.waiting(token_of(acme), acme.owner) is not None


def test_the_code_of_another_person_s_app_will_not(acme: Company, rival: Company) -> None:
    for person in (acme.member, rival.owner):
        assert regenerate(acme, "--code", Authenticator.of(person).code()).code == 1
    assert not TokenClaim.objects.exists()


def test_a_code_counts_once_and_only_the_last_one(acme: Company) -> None:
    claims.ask(token_of(acme), acme.owner, actor=TESTS)
    first = mailed_code()
    claims.ask(token_of(acme), acme.owner, actor=TESTS)
    last = mailed_code()
    assert regenerate(acme, "--code", first).code == (0 if first == last else 1)
    assert regenerate(acme, "--code", last).code == 0
    assert regenerate(acme, "--code", last).code == 1


def test_a_code_lapses(acme: Company) -> None:
    claims.ask(token_of(acme), acme.owner, actor=TESTS)
    TokenClaim.objects.update(code_expires_at=timezone.now())
    assert regenerate(acme, "--code", mailed_code()).code == 1


def test_after_five_wrong_codes_the_right_one_is_refused(acme: Company) -> None:
    claims.ask(token_of(acme), acme.owner, actor=TESTS)
    code = mailed_code()
    wrong = f"{(int(code) + 1) % 10**8:08}"
    for _ in range(claims.TRIES):
        assert regenerate(acme, "--code", wrong).code == 1
    assert regenerate(acme, "--code", code).code == 1
    assert TokenClaim.objects.get().proved_at is None


def test_five_codes_are_mailed_within_an_hour(acme: Company, rival: Company) -> None:
    for _ in range(claims.CODES_AN_HOUR):
        assert regenerate(acme).code == 0
    sent = len(mail.outbox)
    refused = regenerate(acme)
    assert (refused.code, "within the hour" in refused.said, len(mail.outbox)) == (1, True, sent)
    assert regenerate(rival).code == 0
    TokenClaim.objects.update(requested_at=timezone.now() - timedelta(hours=1))
    assert regenerate(acme).code == 0


def test_a_code_that_could_not_be_mailed_counts_for_nothing(acme: Company, settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 1,
    )  # fmt: skip
    answer = regenerate(acme)
    assert (answer.code, "could not be mailed" in answer.said) == (1, True)
    assert TokenClaim.objects.get().code_expires_at <= timezone.now()  # type: ignore[operator]


def test_the_code_is_stored_as_a_keyed_digest_of_its_own_claim(acme: Company) -> None:
    claims.ask(token_of(acme), acme.owner, actor=TESTS)
    code = mailed_code()
    row = TokenClaim.objects.get()
    assert code.encode() not in bytes(row.code_digest or b"")
    assert len(bytes(row.code_digest or b"")) == 32
    assert bytes(row.code_digest or b"") != hashlib.sha256(f"{row.pk}/{code}".encode()).digest()
    with pytest.raises(Refused, match="no code of theirs"):
        claims.prove(token_of(acme), acme.person("other", role="owner"), code, actor=TESTS, overlap=OVERLAP)


@pytest.mark.parametrize("who", ["member", "support", "rival", "disabled"])
def test_only_an_owner_with_access_can_ask(acme: Company, rival: Company, who: str) -> None:
    second = acme.person("second", role="owner")
    if who == "disabled":
        deactivation.deactivate(second, actor=TESTS, reason="left")
    asker = {"member": acme.member, "support": support(), "rival": rival.owner, "disabled": second}[who]
    with pytest.raises(Refused, match="no Owner of this workspace"):
        claims.ask(token_of(acme), User.objects.get(pk=asker.pk), actor=TESTS)
    assert not mail.outbox
    answer = run("regenerate_scim_token", "acme", "Okta", "--owner", asker.email)
    assert (answer.code, len(mail.outbox), TokenClaim.objects.count()) == (1, 0, 0)


def test_nobody_else_takes_the_token(acme: Company, rival: Company) -> None:
    claim, token = prepared(acme), token_of(acme)
    second = acme.person("second", role="owner")
    for browser in (acme.browser(second), acme.browser(support()), rival.browser(), acme.browser(acme.member)):
        answer = browser.post(page(token, "claim"), {"proof": PASSWORD})
        assert "secret" not in (answer.context or {})
    for actor in (Actor.person(second), Actor.person(rival.owner), TESTS):
        with pytest.raises(Refused, match="Only the Owner"):
            claims.claim(claim, actor=actor)
    assert ScimToken.objects.filter(workspace=acme.workspace).count() == 1


@pytest.mark.parametrize("proof", [{}, {"proof": ""}, {"proof": "not my password"}])
def test_taking_it_asks_for_a_proof(acme: Company, proof: dict[str, str]) -> None:
    prepared(acme)
    post(acme.browser(), page(token_of(acme), "claim"), **proof)
    assert ScimToken.objects.filter(workspace=acme.workspace).count() == 1


def test_a_claim_lapses_is_used_once_and_gives_way_to_the_next(acme: Company) -> None:
    first, second = prepared(acme), prepared(acme)
    owner = Actor.person(acme.owner)
    with pytest.raises(Conflict, match="lapsed"):
        claims.claim(first, actor=owner)
    TokenClaim.objects.filter(pk=second.pk).update(expires_at=timezone.now())
    with pytest.raises(Conflict, match="lapsed"):
        claims.claim(second, actor=owner)
    third = prepared(acme)
    claims.claim(third, actor=owner)
    with pytest.raises(Conflict, match="used"):
        claims.claim(third, actor=owner)


def test_who_is_an_owner_no_more_takes_nothing(acme: Company) -> None:
    claim = prepared(acme)
    User.objects.filter(pk=acme.owner.pk).update(role="member")
    with pytest.raises(Refused, match="no Owner"):
        claims.claim(claim, actor=Actor.person(acme.owner))


def test_a_token_that_was_revoked_meanwhile_is_not_renewed(acme: Company) -> None:
    claim = prepared(acme)
    tokens.revoke(token_of(acme), actor=TESTS)
    with pytest.raises(Conflict, match="revoked"):
        claims.claim(claim, actor=Actor.person(acme.owner))
    assert regenerate(acme).code == 1


@pytest.mark.parametrize("more", [(), ("--code", "12345678")])
def test_a_dry_run_mails_and_changes_nothing(acme: Company, more: tuple[str, ...]) -> None:
    before = AuditEvent.objects.count()
    answer = regenerate(acme, "--dry-run", *more)
    assert (answer.code, answer.data["dry_run"], "Nothing was changed" in answer.said) == (0, True, True)
    assert (len(mail.outbox), TokenClaim.objects.count(), AuditEvent.objects.count()) == (0, 0, before)
    assert regenerate(acme, "--dry-run", "--overlap-hours", "169").code == 1


def test_the_database_lets_no_claim_cross_workspaces(acme: Company, rival: Company) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        TokenClaim.objects.create(workspace=acme.workspace, token=token_of(acme), owner=rival.owner)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_revocation_can_be_rehearsed(acme: Company, rival: Company) -> None:
    before = AuditEvent.objects.count()
    answer = run("revoke_scim_token", "acme", "Okta", "--dry-run")
    assert (answer.code, answer.data["id"], answer.data["dry_run"]) == (0, str(token_of(acme).pk), True)
    assert (token_of(acme).revoked_at, AuditEvent.objects.count()) == (None, before)
    assert "Nothing was changed" in answer.said
