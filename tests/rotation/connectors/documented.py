"""What the pages on connectors tell an administrator to copy. The tests' admins have these rights, and no others."""

import re

from cerby.environment import ROOT


def block(page: str, language: str = "") -> list[str]:
    """The lines of the first such block of docs/connectors/`page`.md, without comments."""
    text = (ROOT / "docs/connectors" / f"{page}.md").read_text()
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, (page, language)
    return [line for line in (re.sub(r"\s+--.*", "", line).rstrip() for line in found[1].splitlines()) if line]
