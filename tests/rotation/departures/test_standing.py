"""No page, file or command says more of a departure than was proved: what was left comes first, and has no time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from rotation import connectors, engine, jobs
from rotation.departures import certificate, offboarding
from rotation.departures.exposures import Also
from rotation.departures.standing import Standing, Tally, tally_of
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from tests.companies import TESTS, Company
from tests.console_world import act_text, text_of
from tests.rotation.leaving import leave
from tests.rotation.model_target import PLAIN, ModelConnector, Server
from tests.terminal import run
from tests.workspace.test_admin_acts import page, post
from workspace import access, accounts, keys
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.models import Account, AuditEvent, RotationPolicy

pytestmark = pytest.mark.django_db

LEFT = "1 changed and proved, 2 left as they are (1 of them looked at)"


@pytest.fixture
def known(acme: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """Acme's member could know the privileged Router's password and those of two ordinary accounts, and looked at the
    Newsletter's. All three are on a target that answers."""
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    servers = {"Router": Server({acme.account_password.reveal()}, sessions=1)}
    for name in ("Newsletter", "Fanpage"):
        account = accounts.create(acme.workspace, name, actor=TESTS, password=Secret(f"first of {name}"), username="x")
        access.grant(account, acme.member, actor=TESTS)
        servers[name] = Server({f"first of {name}"}, sessions=1)
    access.reveal(Account.objects.get(name="Newsletter"), acme.member, actor=Actor.person(acme.member))
    for name in servers:
        Account.objects.filter(name=name, workspace=acme.workspace).update(connector="model", target={"name": name})
    monkeypatch.setattr(ModelConnector, "servers", servers)
    monkeypatch.setattr(ModelConnector, "server", servers["Router"], raising=False)
    return acme


def rotate() -> None:
    for job in RotationJob.objects.live():
        engine.run(job.pk, worker="tests")


def left(company: Company, **more: Any) -> Offboarding:
    """The member has left, and what is changed for it is changed."""
    done = offboarding.offboard(company.member, actor=TESTS, cause="left", **more)
    assert done is not None
    rotate()
    done.refresh_from_db()
    return done


@pytest.mark.parametrize(
    ("tally", "standing", "words"),
    [
        (Tally(), Standing.NOTHING_KNOWN, "none that still worked"),
        (Tally(known=2, proved=2), Standing.PROVED, "2 changed and proved"),
        (Tally(known=2, proved=1, open=1), Standing.OPEN, "1 changed and proved, 1 open"),
        (Tally(known=1, left_by_policy=1), Standing.EXCEPTIONS, "none changed, 1 left as it is"),
        (
            Tally(known=1, left_by_policy=1, left_looked_at=1), Standing.EXCEPTIONS,
            "none changed, 1 left as it is (looked at)",
        ),
        (Tally(known=3, proved=1, left_by_policy=2, left_looked_at=1), Standing.EXCEPTIONS, LEFT),
        (Tally(known=1, changed_by_hand=1), Standing.EXCEPTIONS, "1 changed on a person's word"),
        (Tally(known=1, targets_word=1), Standing.EXCEPTIONS, "1 changed on the target's word"),
        (
            Tally(known=2, proved=1, risk_accepted=1), Standing.EXCEPTIONS,
            "1 changed and proved, 1 left for a time, the risk accepted",
        ),
        (
            Tally(known=1, sessions_not_ended=1), Standing.EXCEPTIONS,
            "1 proved dead without an end to the login's sessions",
        ),
        (Tally(known=1, restored=1), Standing.EXCEPTIONS, "none changed, 1 left because the person was let in again"),
    ],
)  # fmt: skip
def test_only_what_is_wholly_proved_is_called_so(tally: Tally, standing: Standing, words: str) -> None:
    assert (tally.standing, tally.words) == (standing, words)


def test_what_the_policy_left_comes_first_on_the_certificate_and_has_no_time(known: Company) -> None:
    done = left(known)
    document = certificate.describe(done)
    assert list(document)[:2] == ["type", "summary"]
    summary = document["summary"]
    assert (summary["state"], summary["text"]) == ("closed_with_exceptions", LEFT)
    assert (summary["known"], summary["proved"], summary["left_by_policy"], summary["left_looked_at"]) == (3, 1, 2, 1)
    spans = {item["name"]: item["exposure"] for item in document["accounts"]}
    for name in ("Newsletter", "Fanpage"):
        assert (spans[name]["seconds"], spans[name]["closed_at"]) == (None, None)
    router = spans["Router"]["seconds"]
    assert document["figures"]["measured"] == 1
    assert document["figures"]["exposure_seconds"] == {"p50": router, "p95": router, "max": router}

    shown = text_of(known.browser(), page(done, "certificate"))
    assert shown.index(LEFT) < shown.index("Who left")
    assert "1 of 3 measured" in shown
    assert "not measured: the password was not changed" in shown
    assert "0.0 s" not in shown.replace(f"{router:.1f} s", "")


def test_where_nothing_was_changed_nothing_is_measured(known: Company) -> None:
    known.workspace.rotation_policy = RotationPolicy.NONE
    known.workspace.save()
    known.member.refresh_from_db()
    done = left(known)
    document = certificate.describe(done)
    assert document["figures"]["exposure_seconds"] == {"p50": None, "p95": None, "max": None}
    browser = known.browser()
    shown = text_of(browser, page(done, "certificate")) + text_of(browser, page(done))
    assert "none changed, 3 left as they are (1 of them looked at)" in shown
    assert "0.0 s" not in shown
    answer = run("offboarding_certificate", "acme", "member@acme.example", json=False).out
    assert "not measured" in answer
    assert "0.0" not in answer


def test_every_place_says_the_same(known: Company) -> None:
    done = left(known)
    browser = known.browser()
    for path in (
        page(done), "/admin/rotation/offboarding/", page(known.member), "/admin/workspace/user/?state=disabled",
    ):  # fmt: skip
        shown = text_of(browser, path)
        assert LEFT in shown, path
        assert "Closed with exceptions" in shown, path
        assert "Complete" not in shown, path
    heading = text_of(browser, page(done)).partition("<dl")
    assert "3 of 3" not in heading[2]
    assert heading[2].index(LEFT) < heading[2].index("userName")
    assert "Closed with exceptions in 30 days" in text_of(browser, "/admin/")
    printed = run("offboarding_certificate", "acme", "member@acme.example", json=False).out
    assert LEFT in printed
    assert "Closed with exceptions" in printed
    again = run("offboard", "acme", "member@acme.example", "--cause", "again").data
    assert (again["state"], again["result"]) == ("Closed with exceptions", LEFT)
    event = AuditEvent.objects.get(verb="offboarding.completed")
    assert event.detail["state"] == "closed_with_exceptions"
    assert (event.detail["left_by_policy"], event.detail["left_looked_at"]) == (2, 1)


@pytest.mark.parametrize(
    ("state", "number"), [("complete", 1), ("exceptions", 1), ("recent_exceptions", 1), ("proved", 0), ("open", 0)]
)
def test_the_list_is_filtered_by_what_was_proved(known: Company, rival: Company, state: str, number: int) -> None:
    left(known)
    answer = known.browser().get(f"/admin/rotation/offboarding/?state={state}")
    assert answer.context["cl"].result_count == number
    assert rival.browser().get(f"/admin/rotation/offboarding/?state={state}").context["cl"].result_count == 0


def test_a_departure_of_which_all_is_proved_says_so(known: Company) -> None:
    done = left(known, also=Also.EVERYTHING)
    assert tally_of(done) == Tally(known=3, proved=3)
    browser = known.browser()
    assert browser.get("/admin/rotation/offboarding/?state=proved").context["cl"].result_count == 1
    assert "Closed with exceptions" not in text_of(browser, "/admin/")
    assert certificate.describe(done)["summary"]["state"] == "proved"


def test_sessions_that_nobody_ended_are_an_exception(known: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelConnector, "capabilities", replace(PLAIN, closes_sessions=False))
    done = left(known, also=Also.EVERYTHING)
    assert tally_of(done) == Tally(known=3, sessions_not_ended=3)
    document = certificate.describe(done)
    assert document["summary"]["state"] == "closed_with_exceptions"
    assert {item["proof"]["sessions_closed_at"] for item in document["accounts"]} == {None}
    assert "not ended by Cerby" in text_of(known.browser(), page(done, "certificate"))


def test_what_is_changed_later_is_proved_from_then_on(known: Company) -> None:
    """The record follows the facts: an Owner has the accounts that were left changed a day after."""
    done = left(known)
    closed = done.completed_at
    others = Account.objects.exclude(pk=known.account.pk)
    jobs.request(known.workspace, list(others), cause="changed after all")
    rotate()
    done.refresh_from_db()
    assert (tally_of(done), done.completed_at) == (Tally(known=3, proved=3), closed)
    spans = [item["exposure"]["seconds"] for item in certificate.describe(done)["accounts"]]
    assert all(spans)


# Before: the preview, and what else is to be changed


def test_the_preview_warns_of_what_stays_and_marks_what_was_looked_at(known: Company) -> None:
    browser = known.browser()
    act = browser.get(page(known.member, "offboard")).context["act"]
    assert "this workspace's policy (privileged accounts) has 2 left as they are (1 of them looked at)" in act.warning
    assert "Then 1 of the 3 below is changed" in " ".join(act.text)
    assert "passwords below are changed" not in " ".join(act.text)
    rows = next(section.rows for section in act.sections if section.title.startswith("Passwords"))
    assert "Newsletter" in str(rows[0][0])
    assert "Looked at, and stays" in rows[0][2]
    assert [choice for choice, _ in act.form.fields["also"].choices] == ["", "looked_at", "all"]


def test_nothing_is_offered_where_nothing_stays(known: Company) -> None:
    known.workspace.rotation_policy = RotationPolicy.ALL
    known.workspace.save()
    act = known.browser().get(page(known.member, "offboard")).context["act"]
    assert "also" not in act.form.fields
    assert "left" not in act.warning
    assert "Then 3 of the 3 below are changed" in act_text(known, page(known.member, "offboard"))


@pytest.mark.parametrize(
    ("also", "changed"),
    [("", {"Router"}), ("looked_at", {"Router", "Newsletter"}), ("all", {"Router", "Newsletter", "Fanpage"})],
)
def test_an_owner_has_these_changed_too(known: Company, also: str, changed: set[str]) -> None:
    post(known.browser(), page(known.member, "offboard"), user_name="member@acme.example", also=also)
    assert {job.account.name for job in RotationJob.objects.all()} == changed
    rotate()
    dead = Exposure.objects.filter(outcome=Outcome.PROVED_DEAD)
    assert {exposure.account.name for exposure in dead} == changed
    event = AuditEvent.objects.get(verb="offboarding.started")
    assert (event.detail["also"], event.detail["left"]) == (also, 3 - len(changed))


def test_something_else_is_not_an_answer(known: Company) -> None:
    post(known.browser(), page(known.member, "offboard"), user_name="member@acme.example", also="some")
    assert not Offboarding.objects.exists()


def test_support_has_these_changed_too(known: Company) -> None:
    arguments = ("acme", "member@acme.example", "--cause", "left")
    foreseen = run("offboard", *arguments, "--dry-run").data
    assert (foreseen["staying"], foreseen["staying_looked_at"]) == (2, 1)
    assert "2 left as they are (1 of them looked at)" in foreseen["warning"]
    foreseen = run("offboard", *arguments, "--dry-run", "--also", "looked_at").data
    assert (foreseen["staying"], foreseen["staying_looked_at"]) == (1, 0)
    assert not RotationJob.objects.exists()
    run("offboard", *arguments, "--also", "all")
    assert RotationJob.objects.count() == 3


def test_programs_are_shown_what_would_stay(known: Company) -> None:
    bearer = Client(headers={"authorization": f"Bearer {keys.issue(known.owner, 'x', actor=TESTS)[1].reveal()}"})
    path = f"/api/v1/people/{known.member.pk}/offboarding-preview"
    assert bearer.get(path).json()["staying_looked_at"] == 1
    assert bearer.get(f"{path}?also=looked_at").json()["staying"] == 1
    assert bearer.get(f"{path}?also=all").json()["warning"] == ""
    assert bearer.get(f"{path}?also=some").status_code == 400


# Certificates from before


def test_a_certificate_from_before_is_read_and_verified_as_ever(tmp_path: Path) -> None:
    here = Path(__file__).parent
    file, key = here / "first_kind.certificate.json", here / "first_kind.jwk.json"
    answer = run("verify_certificate", file, "--key", key)
    assert (answer.code, answer.data["valid"], answer.data["accounts"]) == (0, True, 3)
    assert answer.data["result"].startswith("1: Password proved dead")
    changed = tmp_path / "changed.json"
    changed.write_text(file.read_text().replace("Contract ended", "Promoted"))
    assert run("verify_certificate", changed, "--key", key).code == 1


def test_a_new_one_says_at_once_what_came_of_it(known: Company, tmp_path: Path) -> None:
    left(known)
    file = tmp_path / "x.json"
    run("offboarding_certificate", "acme", "member@acme.example", "--output", file)
    answer = run("verify_certificate", file)
    assert (answer.data["state"], answer.data["result"]) == ("Closed with exceptions", LEFT)


def test_an_open_departure_says_how_far_it_is(known: Company) -> None:
    done = leave(known.member)
    shown = text_of(known.browser(), page(done))
    assert "1 open, 2 left as they are (1 of them looked at)" in shown
    assert "2 of 3 passwords are dealt with." in shown
