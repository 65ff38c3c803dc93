"""The certificate says what the rows say, only when all is done, and nobody can change a word of it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rotation import connectors, engine, resolution, risk
from rotation.departures import certificate, offboarding
from rotation.models import Offboarding, RotationJob
from tests.companies import PASSWORD, TESTS, Company
from tests.rotation.model_target import ModelConnector, Server
from tests.terminal import run
from tests.workspace.test_admin_acts import page
from workspace import access, accounts, signing
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Invalid, Refused
from workspace.models import Account, AuditEvent, SecretVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def departed(acme: Company, monkeypatch: pytest.MonkeyPatch) -> Offboarding:
    """Acme's member, who looked at the Router's password, has left; it was changed on a target that answers, the
    Safe's by hand, and the Newsletter's was left."""
    ModelConnector.server = Server(accepted={acme.account_password.reveal()}, sessions=2)
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    Account.objects.filter(pk=acme.account.pk).update(connector="model", target={})
    for name, privileged in (("Safe", True), ("Newsletter", False)):
        account = accounts.create(
            acme.workspace, name, actor=TESTS, password=Secret(f"first of {name}"), is_privileged=privileged
        )
        access.grant(account, acme.member, actor=TESTS)
    access.reveal(acme.account, acme.member, actor=Actor.person(acme.member))
    done = offboarding.offboard(acme.member, actor=Actor.person(acme.owner), cause="Contract ended")
    assert done is not None
    for job in RotationJob.objects.for_workspace(acme.workspace):
        engine.run(job.pk, worker="tests")
    by_hand = RotationJob.objects.get(account__name="Safe")
    resolution.changed_by_hand(by_hand, Secret("a new one for the safe"), actor=Actor.person(acme.owner))
    done.refresh_from_db()
    return done


def account_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(account for account in document["accounts"] if account["name"] == name)


def test_it_tells_who_left_why_and_what_ended(acme: Company, departed: Offboarding) -> None:
    document = certificate.describe(departed)
    assert document["person"] == {
        "id": str(acme.member.pk), "userName": "member@acme.example", "displayName": str(acme.member),
    }  # fmt: skip
    assert document["offboarding"]["cause"] == "Contract ended"
    assert document["offboarding"]["by"]["userName"] == "owner@acme.example"
    assert document["access_ended"] == {
        "former_role": "member", "sessions": 0, "api_keys": 1, "memberships": 1, "grants": 2,
    }  # fmt: skip
    assert document["access_ended_at"] <= document["completed_at"] <= document["issued_at"]


def test_it_gives_the_proof_for_each_account(acme: Company, departed: Offboarding) -> None:
    document = certificate.describe(departed)
    router, safe, newsletter = (account_of(document, name) for name in ("Router", "Safe", "Newsletter"))

    assert router["known"]["version"] == 1
    assert router["known"]["revealed_at"] is not None
    proof = router["proof"]
    assert (router["outcome"], proof["new_version"], proof["sessions_closed"]) == ("proved_dead", 2, 2)
    assert proof["old_versions"][0]["version"] == 1
    assert proof["new_accepted_at"] <= proof["old_rejected_at"] <= proof["sessions_closed_at"]
    assert SecretVersion.objects.get(account=acme.account, number=1).proved_dead_at is not None
    assert proof["old_versions"][0]["rejected_at"] is not None
    assert proof["follow_ups"] == ["API keys of the login live on."]
    assert proof["on_the_word_of"] is None

    assert (safe["outcome"], safe["proof"]["new_accepted_at"]) == ("changed_by_hand", None)
    assert safe["proof"]["on_the_word_of"]["userName"] == "owner@acme.example"
    assert (newsletter["outcome"], newsletter["proof"]) == ("left_by_policy", None)


def test_the_figures_count_outcomes_and_measure_what_was_changed(departed: Offboarding) -> None:
    document = certificate.describe(departed)
    figures = document["figures"]
    assert (figures["accounts"], figures["proved_dead"], figures["changed_by_hand"], figures["left_by_policy"]) == (
        3, 1, 1, 1,
    )  # fmt: skip
    changed = [account_of(document, name)["exposure"]["seconds"] for name in ("Router", "Safe")]
    assert figures["exposure_seconds"] == {"p50": min(changed), "p95": max(changed), "max": max(changed)}


def test_there_is_none_while_a_password_may_be_alive(acme: Company, rival: Company) -> None:
    done = offboarding.offboard(acme.member, actor=TESTS, cause="left")
    assert done is not None
    with pytest.raises(Refused, match="1 password"):
        certificate.issue(done, actor=TESTS)


def test_a_departure_that_knew_nothing_has_one_too(acme: Company) -> None:
    done = offboarding.offboard(acme.person("new"), actor=TESTS, cause="left")
    assert done is not None
    done.refresh_from_db()
    document = certificate.describe(done)
    assert document["accounts"] == []
    assert document["figures"]["exposure_seconds"] == {"p50": None, "p95": None, "max": None}


def test_a_risk_that_was_accepted_stands_with_who_accepted_it_and_until_when(acme: Company) -> None:
    done = offboarding.offboard(acme.member, actor=TESTS, cause="left")
    assert done is not None
    job = RotationJob.objects.get()  # the Router is changed by hand
    engine.run(job.pk, worker="tests")
    until = timezone.now() + timedelta(days=3)
    risk.accept(job, until=until, reason="The router is replaced on Friday", actor=Actor.person(acme.owner))
    done.refresh_from_db()

    document = certificate.describe(done)
    (router,) = document["accounts"]
    assert (router["outcome"], router["proof"]) == ("risk_accepted", None)
    assert router["exception"]["accepted_by"]["userName"] == "owner@acme.example"
    assert router["exception"]["until"] == until.isoformat()
    assert router["exception"]["reason"] == "The router is replaced on Friday"
    assert document["figures"]["exposure_seconds"]["max"] is None
    shown = acme.browser().get(page(done, "certificate")).content.decode()
    assert "The router is replaced on Friday" in shown


def test_no_password_is_in_it(acme: Company, departed: Offboarding) -> None:
    text = json.dumps(certificate.issue(departed, actor=TESTS))
    for version in SecretVersion.objects.for_workspace(acme.workspace):
        assert accounts.open_version(version).reveal() not in text


def test_each_word_of_it_is_signed(acme: Company, rival: Company, departed: Offboarding) -> None:
    issued = certificate.issue(departed, actor=TESTS)
    mine, theirs = (signing.jwk_of(signing.live_key(one.workspace)) for one in (acme, rival))
    assert certificate.check(json.dumps(issued), mine) == issued["certificate"]
    with pytest.raises(Invalid, match="does not fit"):
        certificate.check(json.dumps(issued), theirs)
    issued["certificate"]["person"]["userName"] = "somebody.else@acme.example"
    with pytest.raises(Invalid, match="not what was signed"):
        certificate.check(json.dumps(issued), mine)


def test_its_place_in_the_audit_chain_is_the_chains(departed: Offboarding) -> None:
    anchor = certificate.describe(departed)["audit"]
    event = AuditEvent.objects.get(pk=anchor["event"])
    assert (event.verb, event.subject_id) == ("offboarding.started", departed.pk)
    assert bytes.fromhex(anchor["hash"]) == bytes(event.seal.hash)


def test_its_statements_do_not_grow_with_accounts(acme: Company, departed: Offboarding) -> None:
    certificate.describe(departed)
    with CaptureQueriesContext(connection) as few:
        certificate.describe(departed)
    leaver = acme.person("many")
    for number in range(12):
        account = accounts.create(acme.workspace, f"Box {number}", actor=TESTS, password=Secret(f"box {number}"))
        access.grant(account, leaver, actor=TESTS)
    done = offboarding.offboard(leaver, actor=TESTS, cause="left")
    assert done is not None
    done.refresh_from_db()
    certificate.describe(done)
    with CaptureQueriesContext(connection) as many:
        assert len(certificate.describe(done)["accounts"]) == 12
    assert len(many) <= len(few)


# Commands


def test_support_writes_it_to_a_file_that_verifies_without_the_database(
    acme: Company, departed: Offboarding, tmp_path: Path, client: Client
) -> None:
    file, key = tmp_path / "member.json", tmp_path / "key.json"
    answer = run("offboarding_certificate", "acme", "member@acme.example", "--output", file, "--reason", "audit")
    assert answer.code == 0
    address = json.loads(file.read_text())["key"]
    key.write_text(client.get(address.partition("testserver")[2] or "/" + address.split("/", 3)[3]).content.decode())

    with CaptureQueriesContext(connection) as asked:
        checked = run("verify_certificate", file, "--key", key)
    assert (checked.code, checked.data["valid"], checked.data["person"]) == (0, True, "member@acme.example")
    assert not asked.captured_queries
    assert run("verify_certificate", file).code == 0
    assert AuditEvent.objects.get(verb="certificate.issued").actor_label.endswith(": audit")


def test_a_changed_file_does_not_verify(departed: Offboarding, tmp_path: Path) -> None:
    file = tmp_path / "member.json"
    run("offboarding_certificate", "acme", "member@acme.example", "--output", file)
    file.write_text(file.read_text().replace("Contract ended", "Promoted"))
    answer = run("verify_certificate", file)
    assert answer.code == 1
    assert "not what was signed" in answer.said


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"certificate": {}, "jws": "x"}'])
def test_what_is_no_certificate_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    answer = run("verify_certificate", file)
    assert answer.code == 1
    assert "no certificate" in answer.said
    assert run("verify_certificate", tmp_path / "missing.json").code == 1


def test_a_table_is_printed_for_people(acme: Company, rival: Company, departed: Offboarding) -> None:
    answer = run("offboarding_certificate", "acme", "member@acme.example", json=False)
    assert answer.code == 0
    assert "Router" in answer.out
    assert run("offboarding_certificate", "acme", "member@rival.example").code == 1
    assert run("offboarding_certificate", "acme", "owner@acme.example").code == 1


# Pages


def test_an_owner_prints_it_and_downloads_it(acme: Company, departed: Offboarding) -> None:
    browser = acme.browser()
    shown = browser.get(page(departed, "certificate")).content.decode()
    for words in ("Contract ended", "Router", "rejected by the target", "Left by", "On the word of"):
        assert words in shown
    file = browser.get(page(departed, "certificate_file"))
    assert file["Content-Disposition"] == 'attachment; filename="memberacmeexample.certificate.json"'
    jwk = signing.jwk_of(signing.live_key(acme.workspace))
    assert certificate.check(file.content.decode(), jwk)["person"]["userName"] == "member@acme.example"
    assert PASSWORD not in shown


def test_an_open_one_says_what_is_missing(acme: Company) -> None:
    done = offboarding.offboard(acme.member, actor=TESTS, cause="left")
    assert done is not None
    shown = acme.browser().get(page(done, "certificate")).content.decode()
    assert "1 password(s) are not dealt with yet" in shown
    assert "certificate" not in str(acme.browser().get(page(done)).context["acts"])


def test_rivals_owner_gets_none_of_acmes(acme: Company, rival: Company, departed: Offboarding) -> None:
    for act in ("certificate", "certificate_file"):
        answer = rival.browser().get(page(departed, act), follow=True)
        assert "Contract ended" not in answer.content.decode()


def test_a_public_key_is_found_by_its_thumbprint_alone(acme: Company, departed: Offboarding, client: Client) -> None:
    kid = signing.live_key(acme.workspace).kid
    answer = client.get(f"/certificates/keys/{kid}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/jwk+json")
    assert set(answer.json()) == {"kty", "crv", "x", "kid", "alg", "use"}
    assert client.get("/certificates/keys/unknown").status_code == 404
    assert client.post(f"/certificates/keys/{kid}").status_code == 405
