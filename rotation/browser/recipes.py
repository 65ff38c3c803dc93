"""Visiting a site by its recipe (`rotation.connectors.web_form.recipe`, as JSON)."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rotation.browser.walk import CODE_FIELD, Failed, Walk

Part = dict[str, Any]
Answer = dict[str, Any]


class Visit:
    """One call. `fresh_walk` opens a clean browsing context."""

    def __init__(self, fresh_walk: Callable[[], Walk]) -> None:
        self._walk = fresh_walk()
        self._recipe: Part = self._walk.site.recipe or {}

    def verify(self) -> Answer:
        """A site that asks for a code has judged the password, unless the recipe says that it asks everybody."""
        factor = self._recipe.get("second_factor") or {}
        outcome = self._log_in(with_code=factor.get("asks_everybody", False))
        if outcome == "accepted":
            self._leave()
        return {"outcome": "accepted" if outcome == "second_factor" else outcome}

    def change(self) -> Answer:
        """Log in with the present password, and do what the recipe says about the new one."""
        if self._log_in() == "rejected":
            return {"outcome": "rejected"}
        part = self._recipe["change"]
        signs = {name: part.get(name) for name in ("refused", "rejected", "accepted")}
        self._walk.chooses = True
        self._do("change", part["steps"])
        self._walk.chooses = False
        outcome = self._walk.decide(signs, after="change")
        words = self._walk.words_of(part["refused"]) if outcome == "refused" else ""
        self._leave()
        if outcome == "rejected":  # perhaps sent twice over a bad line, and the first one took effect
            raise self._walk.unreachable("The site let the present password in, and then called it wrong")
        if outcome == "refused":
            return {"outcome": "refused", "detail": words}
        return {"outcome": "changed"}

    def logout(self) -> Answer:
        if self._log_in() == "rejected":
            return {"outcome": "rejected"}
        part = self._recipe["logout_everywhere"]
        self._do("logout_everywhere", part["steps"])
        self._walk.decide({"accepted": part["accepted"]}, after="logout_everywhere")
        count = self._count(part.get("count"))
        self._leave()
        return {"outcome": "logged_out", "count": count}

    def _log_in(self, *, with_code: bool = True) -> str:
        """"accepted" or "rejected"; "second_factor" where the site asks for a code and is given none."""
        part, factor = self._recipe["login"], self._recipe.get("second_factor")
        self._do("login", part["steps"])
        signs = {name: part.get(name) for name in ("rejected", "locked")}
        asks = factor["when"] if factor else None if _types_code(part) else {"css": CODE_FIELD}
        outcome = self._walk.decide({**signs, "second_factor": asks, "accepted": part["accepted"]}, after="login")
        if outcome == "second_factor" and with_code:
            outcome = self._give_code(factor, part)
        if outcome == "locked":
            raise Failed("locked", f"The site takes no password now: {self._walk.words_of(part['locked'])}")
        return outcome

    def _give_code(self, factor: Part | None, login: Part) -> str:
        if factor is None or (_types_code(factor) and not self._walk.site.has_codes):
            raise self._walk.second_factor_missing()
        self._do("second_factor", factor["steps"])
        signs = {"code_rejected": factor.get("rejected"), "rejected": login["rejected"], "accepted": login["accepted"]}
        outcome = self._walk.decide(signs, after="second_factor")
        if outcome == "code_rejected":
            raise Failed("human", "The site did not take the code. Is the stored authenticator secret the present one?")
        return outcome

    def _leave(self) -> None:
        """End our own session. What has been found out does not depend on it."""
        if part := self._recipe.get("logout"):
            with suppress(Failed):
                self._do("logout", part["steps"])

    def _do(self, part: str, steps: list[Part]) -> None:
        for number, step in enumerate(steps, 1):
            try:
                self._take(step)
            except Failed as failed:
                failed.detail = f"{part}, step {number}: {failed.detail}"
                raise

    def _take(self, step: Part) -> None:
        walk = self._walk
        if "goto" in step:
            walk.go(step["goto"])
        elif "fill" in step:
            walk.type_in(step["fill"], step["with"])
        elif "click" in step:
            walk.click(step["click"])
        elif "wait_for" in step:
            walk.await_place(step["wait_for"])
        else:
            walk.decide({"what is expected": step["expect"]}, after="this")

    def _count(self, place: Part | None) -> int:
        found = re.search(r"\d{1,9}", self._walk.words_of(place)) if place else None
        return int(found[0]) if found else 0


def _types_code(part: Part) -> bool:
    return any("{totp}" in step.get("with", "") for step in part["steps"])
