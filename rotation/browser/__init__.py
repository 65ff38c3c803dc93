"""Chromium in a process of its own: `client` starts it, `__main__` is what runs there and drives the pages.

What runs there knows nothing of Django, accounts or settings: it imports Playwright and this package, has an
environment without a secret in it, and is given one call at a time as a line of JSON (`client.Browser.ask`).
"""
