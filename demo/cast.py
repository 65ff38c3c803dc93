"""Who plays in the story: the Owner in the admin, members in the web app and at the API. All over HTTP."""

import json
import re
import secrets
from typing import Any, Self

import httpx

from demo.browser import Browser, Page, Unexpected
from demo.facts import Facts


class Owner:
    """The Workspace Owner at the admin console."""

    def __init__(self, facts: Facts) -> None:
        self._browser = Browser(facts.base_url)
        self._password = facts.owner_password
        self._browser.sign_in(facts.owner_email, self._password, at="/admin/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.__exit__()

    def person(self, user_id: str) -> Page:
        return self._browser.open(f"/admin/workspace/user/{user_id}/change/")

    def team(self, team_id: str) -> Page:
        return self._browser.open(f"/admin/workspace/team/{team_id}/change/")

    def preview(self, user_id: str) -> Page:
        """The page on which a person would be offboarded."""
        return self._browser.open(f"/admin/workspace/user/{user_id}/offboard/")

    def certificate(self, user_name: str) -> dict[str, Any]:
        """The certificate of a person's completed offboarding, as it is downloaded."""
        page = self._browser.open(f"/admin/rotation/offboarding/?q={user_name}&state=complete")
        offboarding = next(link for _, link in page.links if re.search(r"/offboarding/[0-9a-f-]{36}/change/", link))
        file = self._browser.open(offboarding.replace("/change/", "/certificate-file/").partition("?")[0])
        return dict(json.loads(file.html))

    def offboardings(self, user_name: str, state: str = "") -> int:
        """How many offboardings of a person there are, in `state` ("open", "proved") or in any."""
        return self._count("rotation/offboarding", user_name, state)

    def is_listed(self, user_name: str, state: str) -> bool:
        """Whether the list of people shows this one as "active" or "disabled"."""
        return self._count("workspace/user", user_name, state) == 1

    def _count(self, kind: str, search: str, state: str) -> int:
        page = self._browser.open(f"/admin/{kind}/?q={search}" + (f"&state={state}" if state else ""))
        if page.status != httpx.codes.OK:
            raise Unexpected(f"{page.url} answers {page.status}.")
        return len({link for _, link in page.links if re.search(rf"/{kind}/[0-9a-f-]{{36}}/change/", link)})

    def add_person(self, user_name: str, given_name: str, family_name: str) -> None:
        page = self._browser.open("/admin/workspace/user/add/")
        self._browser.press(
            page, "Add person", user_name=user_name, email=user_name, given_name=given_name, family_name=family_name
        )

    def add_team(self, name: str) -> None:
        self._browser.press(self._browser.open("/admin/workspace/team/add/"), "Add team", display_name=name)

    def invite(self, user_id: str) -> str:
        """The invitation link, which is shown this once."""
        page = self._browser.open(f"/admin/workspace/user/{user_id}/invite/")
        shown = self._browser.press(page, "Create link", **_proof(page, "Create link", self._password))
        link = re.search(r"https?://[^\s\"'<]+/invitation/[^\s\"'<]+", shown.html)
        if link is None:
            raise Unexpected(f"The page shows no invitation link. It says: {shown.text[:300]}")
        return link.group()

    def grant(self, account: str, team_id: str) -> Page:
        """Give a team an account, which is found by its name."""
        found = self._browser.open(f"/admin/workspace/account/?q={account}").link(account)
        page = self._browser.open(found.replace("/change/", "/grant/"))
        return self._browser.press(page, "Grant access", team=team_id)


class Member:
    """A person with a password of their own and, after `issue_key`, an API key."""

    def __init__(self, facts: Facts, email: str) -> None:
        self.email = email
        self.password = secrets.token_urlsafe(16)
        self.key = ""
        self.browser = Browser(facts.base_url)
        self._api = httpx.Client(base_url=f"{facts.base_url}/api/v1/", timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.__exit__()
        self._api.close()

    def accept(self, invitation: str) -> Page:
        """Follow the link and choose a password."""
        page = self.browser.open(invitation)
        return self.browser.press(page, "Set password", password=self.password, password_again=self.password)

    def sign_in(self) -> bool:
        """Whether the web app lets the person in."""
        page = self.browser.sign_in(self.email, self.password)
        return "/login/" not in page.url and page.status == httpx.codes.OK

    def is_signed_in(self) -> bool:
        """Whether the session that is open still is."""
        return "/login/" not in self.browser.open("/").url

    def issue_key(self) -> str:
        form = self.browser.open("/keys/")
        proof = _proof(form, "Issue a key", self.password)
        page = self.browser.press(form, "Issue a key", label="story", **proof)
        shown = re.search(r"cerby_key_[0-9A-Za-z]+", page.html)
        if shown is None:
            raise Unexpected(f"The page shows no API key. It says: {page.text[:300]}")
        self.key = shown.group()
        return self.key

    def call(self, method: str, path: str) -> httpx.Response:
        """A request to the API with the person's key."""
        return self._api.request(method, path, headers={"Authorization": f"Bearer {self.key}"})

    def accounts(self) -> dict[str, str]:
        """The accounts within reach, as name → id. Raises httpx.HTTPStatusError when refused."""
        answer = self.call("GET", "accounts").raise_for_status()
        return {row["name"]: row["id"] for row in answer.json()["results"]}

    def reveal(self, account: str) -> str:
        """The shared password, from the API."""
        answer: dict[str, Any] = (
            self.call("POST", f"accounts/{self.accounts()[account]}/reveal").raise_for_status().json()
        )
        return str(answer["password"])

    def reveal_in_browser(self, account: str) -> Page:
        """The page on which the web app shows it."""
        page = self.browser.open(f"/accounts/{self.accounts()[account]}/")
        return self.browser.press(page, "Show password")


def _proof(page: Page, button: str, password: str) -> dict[str, str]:
    """The password, where the form asks for it anew: not within five minutes of signing in."""
    return {"proof": password} if "proof" in page.form(button).fields else {}
