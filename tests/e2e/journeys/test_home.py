"""Home: each figure counts the list it leads to, and keeps itself up to date."""

from playwright.sync_api import expect

from demo.okta import OktaTenant, Person
from rotation.departures import offboarding
from tests.companies import TESTS, Company
from tests.console_world import populate
from tests.e2e.journeys.console import Console
from workspace.models import User

# Figures that count something else than the rows of the list they lead to, which holds them all the same.
COUNT_PARTS = {"Open exposures"}
COUNTED = {"Active": 2, "Disabled": 1, "Done in 14 days": 1, "Open exposures": 1}


def test_each_figure_leads_to_the_list_that_it_counts(acme: Company, console: Console) -> None:
    populate(acme)
    console.home()
    figures = console.page.locator(".console-figure")
    expect(figures.first).to_be_visible()
    shown = {
        figure.locator("span").first.inner_text().partition("\n")[0]: (
            figure.locator("strong").inner_text(), str(figure.get_attribute("href"))
        )
        for figure in figures.all()
    }  # fmt: skip
    assert len(shown) >= 15
    for label, (count, address) in shown.items():
        console.go(address)
        if label not in COUNT_PARTS:
            assert (label, console.rows.count()) == (label, int(count))
    people = User.objects.filter(workspace=acme.workspace)
    assert shown["Active"][0] == str(people.filter(is_active=True).count())
    assert shown["Disabled"][0] == str(people.filter(is_active=False).count())


def test_home_shows_what_happens_while_it_is_open(acme: Company, console: Console, okta: OktaTenant) -> None:
    console.page.clock.install()
    console.home()
    counted = {label: console.figure(label).locator("strong") for label in COUNTED}
    expect(counted["Active"]).to_have_text("2")
    expect(counted["Done in 14 days"]).to_have_text("0")
    okta.assign(Person("ada@acme.example", "Ada", "Pushed"))
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    console.page.clock.run_for(31_000)
    for label, number in COUNTED.items():
        expect(counted[label]).to_have_text(str(number))
