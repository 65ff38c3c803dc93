"""Home: each figure counts the list it leads to, and keeps itself up to date."""

import re

from playwright.sync_api import expect

from demo.okta import OktaTenant, Person
from rotation import offboarding
from tests.companies import TESTS, Company
from tests.console_world import populate
from tests.e2e.journeys.console import Console
from workspace.models import User

# Figures that count something else than the rows of the list they lead to, which holds them all the same.
COUNT_PARTS = {"Open exposures"}


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
    active, done = (console.page.locator(".console-figure", has_text=re.compile(words)) for words in ("^Active", "^Done in"))
    expect(active).to_contain_text("2")
    expect(done).to_contain_text("0")
    okta.assign(Person("ada@acme.example", "Ada", "Pushed"))
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    console.page.clock.run_for(31_000)
    expect(active.locator("strong")).to_have_text("2")
    expect(done.locator("strong")).to_have_text("1")
    expect(console.page.locator(".console-figure", has_text="Disabled").locator("strong")).to_have_text("1")
    expect(console.page.locator(".console-figure", has_text="Open exposures").locator("strong")).to_have_text("1")
