"""The browser's process: reads calls from its standard input, one a line, and answers each with a line.

First comes how to start Chromium: `{"executable", "args", "sandbox", "env"}`, answered by `{"ready": version}` or
`{"failed": why}`. Then calls, as in `serve`. Each has a browsing context of its own, as clean as a new profile, that
reaches the network through the call's proxy alone. While a call runs, `{"need": "totp"}` asks for a code. Nothing is
recorded, downloaded or kept; nothing that was typed is in an answer.
"""

import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

from rotation.browser import recipes, well_known
from rotation.browser.walk import Failed, Site, Walk

Answer = dict[str, Any]


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold what was typed
    how = json.loads(sys.stdin.readline())
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=how["executable"], args=how["args"], chromium_sandbox=how["sandbox"], env=how["env"]
            )
        except Error as error:
            say({"failed": error.message})
            return
        say({"ready": browser.version})
        for line in sys.stdin:
            try:
                say(serve(browser, json.loads(line)))
            except Exception as error:  # whatever it is, its words may repeat what was typed
                say(_given_up(error))
                os._exit(1)  # the driver may be gone, and would be waited for
        browser.close()


def serve(browser: Browser, call: dict[str, Any]) -> Answer:
    """One call: `{"do": "verify" | "change" | "logout", "site", "username", "current", "new", "proxy", "seconds"}`.

    The answer: `{"outcome": …}` with `detail` and `count` where they belong, or `{"outcome": "failed", "kind",
    "detail", "host", "retry_after"}`, where `kind` is one of `FailureKind`.
    """
    site, call["until"] = Site(**call["site"]), time.monotonic() + call["seconds"]
    visit = recipes.Visit if site.recipe else well_known.Visit

    def fresh_walk() -> Walk:
        return Walk(_page(browser, call["proxy"]), call, site, ask_code)

    try:
        return getattr(visit(fresh_walk), call["do"])()  # type: ignore[no-any-return]
    except Failed as failed:
        return {"outcome": "failed", **vars(failed)}
    finally:
        for context in browser.contexts:
            context.close()


def _page(browser: Browser, proxy: str) -> Page:
    context = browser.new_context(
        proxy={"server": proxy}, accept_downloads=False, service_workers="block", locale="en-US"
    )
    return context.new_page()


def ask_code() -> str:
    """A code that was never used before. Raises Failed where there is none in time."""
    say({"need": "totp"})
    given = json.loads(sys.stdin.readline())
    if "code" not in given:
        raise Failed(**given)
    return str(given["code"])


def say(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _given_up(error: Exception) -> Answer:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__}, {Path(place.filename).name}:{place.lineno}"
    return {"outcome": "failed", **vars(Failed("unreachable", f"The browser could not go on ({where})."))}


if __name__ == "__main__":
    main()
